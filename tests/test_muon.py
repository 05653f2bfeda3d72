"""Muon against PyTorch's own, the singular value decomposition, AdamW, and itself interrupted."""

import io

import numpy as np
import pytest
import torch
from tiny import tiny_faces, tiny_method
from torch import nn

from facelab.errors import BadParameterError
from facelab.optim import Muon, make_optimizer, orthogonalize, parameter_groups
from facelab.training import Plan, fit


def random_weights(*shapes: tuple[int, ...]) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]


def descend(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], steps: int = 4) -> None:
    """Steps with gradients that depend on nothing but the step's number and the shape."""
    for step in range(steps):
        for parameter in parameters:
            generator = torch.Generator().manual_seed(100 + step)
            parameter.grad = torch.randn(parameter.numel(), generator=generator).view(parameter.shape)
        optimizer.step()


def test_many_steps_give_the_orthogonal_factor_of_the_singular_value_decomposition():
    """The coefficients are chosen for speed: singular values end near 1, between .68 and 1.14, the directions are exact."""
    for shape in ((6, 20), (20, 6), (8, 8)):
        matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
        inside = u.mT @ orthogonalize(matrix, 8) @ vh.mT
        values = inside.diagonal()
        assert (values > 0.67).all() and (values < 1.2).all()
        torch.testing.assert_close(inside, torch.diag(values), atol=1e-6, rtol=0)


def test_each_step_moves_singular_values_by_the_quintic():
    """The matrix is diagonal, so that its entries are its singular values."""
    values = np.array([3.0, 1.0, 0.2])
    expected = values / np.linalg.norm(values)
    for _ in range(2):
        expected = 3.4445 * expected - 4.7750 * expected**3 + 2.0315 * expected**5
    found = orthogonalize(torch.diag(torch.tensor(values)), 2)
    np.testing.assert_allclose(found.diagonal().numpy(), expected, rtol=1e-6)


def test_a_matrix_of_zeros_stays_one():
    assert (orthogonalize(torch.zeros(3, 5), 3) == 0).all()


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this PyTorch has no Muon of its own")
@pytest.mark.parametrize("steps", [3, 5])
def test_kernels_move_as_by_pytorchs_muon(steps):
    """PyTorch's takes matrices alone and computes in bfloat16, hence the tolerance: a hundredth of a step's greatest part."""
    ours = random_weights((6, 4, 3, 3), (12, 2, 1, 1))
    theirs = [nn.Parameter(weight.detach().flatten(1).clone()) for weight in ours]
    settings = {"lr": 0.01, "momentum": 0.6, "weight_decay": 0.1}
    before = [weight.detach().clone() for weight in ours]
    descend(Muon(ours, **settings, steps=steps), ours, steps=1)
    descend(torch.optim.Muon(theirs, **settings, ns_steps=steps, adjust_lr_fn="match_rms_adamw"), theirs, steps=1)
    for own, other, start in zip(ours, theirs, before, strict=True):
        # Theirs multiplies the first momentum by 1 - momentum: the direction is the same
        moved = (other.detach().view(own.shape) - start).abs().max()
        torch.testing.assert_close(own.detach(), other.detach().view(own.shape), atol=0.05 * float(moved), rtol=0)


def test_everything_else_moves_as_by_adamw():
    ours, theirs = random_weights((5, 4), (6,), (2, 3, 4)), random_weights((5, 4), (6,), (2, 3, 4))
    descend(Muon(ours, lr=0.01, weight_decay=0.1), ours)
    descend(torch.optim.AdamW(theirs, lr=0.01, weight_decay=0.1), theirs)
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other)


def test_groups_are_told_apart_by_shape_and_keep_their_decay():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    optimizer = make_optimizer("muon", parameter_groups(module, 0.05), 0.01, momentum=0.6)
    found = [
        (group["orthogonal"], group["weight_decay"], [p.ndim for p in group["params"]])
        for group in optimizer.param_groups
    ]
    assert found == [(True, 0.05, [4]), (False, 0.05, [2]), (False, 0.0, [1, 1, 1, 1])]
    assert all(group["momentum"] == 0.6 for group in optimizer.param_groups)


def test_a_state_that_was_stored_goes_on_as_if_nothing_had_been():
    straight, stopped = random_weights((4, 3, 3, 3), (5, 4)), random_weights((4, 3, 3, 3), (5, 4))
    descend(Muon(straight, lr=0.01), straight, steps=2)
    first = Muon(stopped, lr=0.01)
    descend(first, stopped, steps=2)
    kept = io.BytesIO()
    torch.save(first.state_dict(), kept)
    kept.seek(0)
    second, other = Muon(stopped, lr=0.01), Muon(straight, lr=0.01)
    second.load_state_dict(torch.load(kept, weights_only=True))
    other.load_state_dict(first.state_dict())
    descend(second, stopped)
    descend(other, straight)
    for own, expected in zip(stopped, straight, strict=True):
        assert torch.equal(own, expected)
    fresh = random_weights((4, 3, 3, 3), (5, 4))
    descend(Muon(fresh, lr=0.01), fresh, steps=2)
    descend(Muon(fresh, lr=0.01), fresh)
    assert not torch.equal(fresh[0], stopped[0])  # without its state it would have gone elsewhere


def test_a_training_by_it_learns():
    faces = tiny_faces()
    history = fit(tiny_method(), faces, Plan(epochs=6, batch_size=8, lr=3e-3, optimizer="muon", momentum=0.6))
    losses = history.series("loss")
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    "setting", [{"lr": 0.0}, {"lr": float("nan")}, {"momentum": 1.0}, {"weight_decay": -1.0}, {"steps": 0}]
)
def test_settings_out_of_range_are_refused_by_name(setting):
    with pytest.raises(BadParameterError, match="Muon"):
        Muon(random_weights((2, 2, 1, 1)), **({"lr": 0.1} | setting))
