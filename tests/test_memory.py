"""Memory is counted to the byte, where the bytes are known."""

import pytest
import torch

from facelab.experiments.analysis.memory import PeakMemory

N = 1000  # numbers, 4 bytes each


def test_what_is_made_is_counted_until_it_is_gone():
    given = torch.ones(N)
    with PeakMemory() as memory:
        one = given + 1
        view = one.view(10, -1).T[3:]  # takes nothing
        two = one.double()
        assert memory.peak == memory.current == 4 * N + 8 * N
        del one  # the view keeps it
        given.mul_(2)
        assert memory.current == 12 * N
        del view, two
        assert memory.current == 0
        three = given[:10] + 1
    assert (memory.current, memory.peak) == (4 * len(three), 12 * N)


@pytest.mark.parametrize("layers", [1, 3, 8])
def test_a_gradient_keeps_every_map_and_without_one_two_are_enough(layers):
    """Of exp, autograd keeps the result; without it, what comes and what goes are there at once."""
    peaks = {}
    for grad in (True, False):
        x = torch.zeros(N, requires_grad=True)
        with torch.set_grad_enabled(grad), PeakMemory() as memory:
            for _ in range(layers):
                x = x.exp()
        peaks[grad] = memory.peak
    assert peaks == {True: layers * 4 * N, False: min(layers, 2) * 4 * N}
