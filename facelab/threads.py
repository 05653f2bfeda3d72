"""How many threads a piece of work gets: one, unless it is large enough that more of them gain time.

The threads of PyTorch share each operation of a network and wait for each other at its end. Beside another busy process, each
of these waits can last until the scheduler comes round to the thread that is late. Work with one thread waits for nobody.

The number of threads also decides in which order a convolution adds up, and so the last digits of a training. What gets one
thread computes the same on a machine of any number of cores.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits

from facelab.errors import BadParameterError

#: The most threads that any piece of work gets, in the environment; the first that is set counts.
MOST_VARIABLES = ("FACELAB_THREADS", "SLURM_CPUS_PER_TASK")
CHOICE_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  #: of a user who chooses the number for all work alike

#: Floating-point operations of a forward pass for each thread. Measured on two cores: training steps of residual networks with
#: two threads, their time as a multiple of that with one. Alone on the machine: 1.1 at 3e7 operations of a pass, 0.75 at 6e8,
#: 0.6 at 1e9 and at 5e9. Beside one busy process of another user, also of the lowest priority: 10, 3.2, 2.1 and 1.5.
OPERATIONS_PER_THREAD = 4e9

_at_start = torch.get_num_threads()
_last_set = _at_start
_most_given = 0


def is_chosen_by_user() -> bool:
    """Whether the user has chosen the number of threads, by ``OMP_NUM_THREADS`` or ``torch.set_num_threads``. It stays then."""
    return any(os.environ.get(name) for name in CHOICE_VARIABLES) or torch.get_num_threads() != _last_set


def most_threads() -> int:
    """As many threads as PyTorch started with, or fewer where a variable of ``MOST_VARIABLES`` says so.

    Raises:
        BadParameterError: that variable is no whole number of 1 or more.
    """
    name = next((name for name in MOST_VARIABLES if os.environ.get(name)), None)
    if name is None:
        return _at_start
    text = os.environ[name]
    if not text.isdecimal() or int(text) < 1:
        raise BadParameterError(f"{name} is {text!r}.", "Give a whole number of 1 or more, or unset it.")
    return min(int(text), _at_start)


def choose_threads(operations: float) -> int:
    """How many threads a piece of work gets.

    Args:
        operations: floating-point operations of a forward pass of the network, of all photographs that go through it at once.
    """
    return max(1, min(most_threads(), int(operations // OPERATIONS_PER_THREAD)))


@contextmanager
def threads_for(operations: float) -> Iterator[None]:
    """Run a block with as many threads of PyTorch as its work is worth; with the user's, where there is a choice.

    Args:
        operations: as for ``choose_threads``.
    """
    global _most_given
    if is_chosen_by_user():
        yield
        return
    before, number = torch.get_num_threads(), choose_threads(operations)
    _most_given = max(_most_given, number)
    _set(number)
    try:
        yield
    finally:
        if not is_chosen_by_user():  # by a callback, meanwhile
            _set(before)


def begin_with_one_thread() -> None:
    """From now on PyTorch and BLAS have one thread, unless the user has chosen. ``threads_for`` gives PyTorch more.

    Raises:
        BadParameterError: as ``most_threads``, here and not in the middle of the work.
    """
    most_threads()
    if not is_chosen_by_user():
        threadpool_limits(1)
        _set(1)


def threads_of_results() -> int:
    """With how many threads this process has computed: the most that ``threads_for`` gave, or else as many as PyTorch has."""
    return _most_given or torch.get_num_threads()


def _set(number: int) -> None:
    global _last_set
    torch.set_num_threads(number)
    _last_set = number
