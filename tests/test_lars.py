"""LARS against its formulas in NumPy, lightly's, and itself interrupted."""

import io
import itertools

import numpy as np
import pytest
import torch
from lightly.utils.lars import LARS as LightlyLARS
from tiny import tiny_faces, tiny_method
from torch import nn
from torch.linalg import vector_norm

from facelab.errors import BadParameterError
from facelab.optim import LARS, make_optimizer, parameter_groups, warmup_cosine
from facelab.training import Plan, fit

SHAPES = [(5, 4), (3, 2, 2, 2), (6,), (1, 7), ()]
SCALES = [1.0, 50.0, 0.1, 1e-3, 2.0]


def weights_of(seed: int = 0, dtype: torch.dtype = torch.float64) -> list[nn.Parameter]:
    """Matrices, a kernel, a vector and a scalar, of very different norms."""
    rng = np.random.default_rng(seed)
    return [
        nn.Parameter(torch.tensor(scale * rng.normal(size=shape), dtype=dtype))
        for shape, scale in zip(SHAPES, SCALES, strict=True)
    ]


def gradients_of(step: int) -> list[np.ndarray]:
    rng = np.random.default_rng([7, step])
    return [10.0 ** rng.integers(-3, 3) * rng.normal(size=shape) for shape in SHAPES]


def descend(optimizer: torch.optim.Optimizer, parameters: list, gradients: list, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = None if gradient is None else torch.as_tensor(gradient, dtype=parameter.dtype)
    optimizer.step()


def norm(x: np.ndarray) -> float:
    return float(np.sqrt((x**2).sum()))


def formula(w, g, v, lr, variant, momentum, wd, eta):
    """One step of one weight, as the papers write it."""
    local = 1.0
    if w.ndim <= 1:
        wd = 0.0
    else:
        against = norm(g) + wd * norm(w) if variant == "paper" else norm(g + wd * w)
        if norm(w) > 0 and against > 0:
            local = eta * norm(w) / against
    v = momentum * v + lr * local * (g + wd * w)
    return w - v, v


@pytest.mark.parametrize("variant", ["simclr", "paper"])
@pytest.mark.parametrize("wd", [0.0, 0.5])
def test_follows_the_formulas_step_by_step(variant, wd):
    """40 steps under warm-up and cosine: this tells a rate within the momentum buffer from one outside."""
    parameters = weights_of()
    optimizer = LARS(parameters, lr=1.0, momentum=0.8, weight_decay=wd, eta=0.02, variant=variant)
    expected = [p.detach().numpy().copy() for p in parameters]
    velocities = [np.zeros_like(w) for w in expected]
    for step in range(40):
        lr, gradients = 3.0 * warmup_cosine(step, 40, 10), gradients_of(step)
        descend(optimizer, parameters, gradients, lr)
        for i, g in enumerate(gradients):
            expected[i], velocities[i] = formula(expected[i], g, velocities[i], lr, variant, 0.8, wd, 0.02)
            np.testing.assert_allclose(parameters[i].detach().numpy(), expected[i], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_equals_lightly_where_both_define_the_same(momentum):
    """The paper's rate at a constant lr and wd > 0. Elsewhere they differ: lightly keeps lr outside the buffer, does not
    adapt where wd = 0, also adapts vectors, and adds 1e-8 to the denominator."""
    ours, theirs = (weights_of()[:2] for _ in range(2))
    settings = {"lr": 2.0, "momentum": momentum, "weight_decay": 0.3}
    left = LARS(ours, **settings, eta=0.01, variant="paper")
    right = LightlyLARS(theirs, **settings, trust_coefficient=0.01, eps=0.0)
    for step in range(20):
        for optimizer, parameters in ((left, ours), (right, theirs)):
            descend(optimizer, parameters, gradients_of(step)[:2], 2.0)
        for mine, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("variant", ["simclr", "paper"])
@pytest.mark.parametrize("wd", [0.0, 0.5])
def test_a_step_has_a_length_in_proportion_to_the_weights(variant, wd):
    """Without decay, whatever the gradient's; with it, in simclr. The paper's steps are not longer."""
    w = weights_of()[0]
    for scale in (1e-6, 1.0, 1e6):
        before, gradient = w.detach().clone(), scale * gradients_of(1)[0]
        descend(LARS([w], 1.0, weight_decay=wd, variant=variant), [w], [gradient], 2.0)
        length, promised = vector_norm(w.detach() - before), 2.0 * 0.001 * vector_norm(before)
        assert length <= promised * (1 + 1e-12)
        if variant == "simclr" or wd == 0:
            torch.testing.assert_close(length, promised, rtol=1e-9, atol=0)


@pytest.mark.parametrize("variant", ["simclr", "paper"])
@pytest.mark.parametrize("wd", [0.0, 0.5])
def test_weights_of_zero_move_at_the_global_rate_and_gradients_of_zero_do_no_harm(variant, wd):
    w, g = nn.Parameter(torch.zeros(2, 3)), torch.arange(6.0).reshape(2, 3)
    optimizer = LARS([w], lr=0.5, weight_decay=wd, variant=variant)
    descend(optimizer, [w], [g], 0.5)
    assert torch.equal(w.detach(), -0.5 * g)
    w = nn.Parameter(torch.ones(2, 3))
    descend(LARS([w], lr=0.5, weight_decay=wd, variant=variant), [w], [torch.zeros(2, 3)], 0.5)
    torch.testing.assert_close(w.detach(), torch.full((2, 3), 1 - 0.5 * 0.001 * (wd > 0)))  # decay alone: eta w
    w = nn.Parameter(torch.full((2, 2), -1.0))
    descend(LARS([w], lr=0.5, weight_decay=1.0), [w], [torch.ones(2, 2)], 0.5)  # g + wd w = 0
    assert torch.equal(w.detach(), torch.full((2, 2), -1.0))


GIVEN = {  # how three weights, the last of them a vector, may be given; whether the vector is adapted and decayed then
    "weights": (lambda kernels, vector: [*kernels, vector], True, False),
    "a group": (lambda kernels, vector: [{"params": iter([*kernels, vector])}], True, False),
    "a weight a group": (lambda kernels, vector: [{"params": w} for w in (*kernels, vector)], True, False),
    "parameter_groups": (
        lambda kernels, vector: parameter_groups(nn.ParameterList([*kernels, vector]), 0.3),
        True,
        False,
    ),
    "adapt": (lambda kernels, vector: [{"params": [*kernels, vector], "adapt": True}], True, True),
    "do not": (
        lambda kernels, vector: [{"params": [*kernels, vector], "adapt": False, "weight_decay": 0}],
        False,
        False,
    ),
}


@pytest.mark.parametrize("given, kernels_too, vector_too", GIVEN.values(), ids=GIVEN)
def test_vectors_are_left_out_however_weights_are_given_unless_a_group_says_adapt(given, kernels_too, vector_too):
    parameters = weights_of()[:3]
    before = [p.detach().clone() for p in parameters]
    optimizer = LARS(given(parameters[:2], parameters[2]), lr=1.0, weight_decay=0.3)
    descend(optimizer, parameters, gradients_of(0)[:3], 1.0)
    for p, was, gradient in zip(parameters, before, gradients_of(0), strict=False):
        step = torch.as_tensor(gradient)
        if kernels_too if p.ndim > 1 else vector_too:
            decayed = step + 0.3 * was
            step = 0.001 * vector_norm(was) / vector_norm(decayed) * decayed
        torch.testing.assert_close(was - p.detach(), step)


def test_a_weight_without_a_gradient_stays_and_a_closure_is_called():
    parameters = weights_of()
    optimizer = LARS(parameters, lr=1.0, weight_decay=0.3)
    before = parameters[1].detach().clone()
    descend(optimizer, parameters, [None if i == 1 else g for i, g in enumerate(gradients_of(0))], 1.0)
    assert torch.equal(parameters[1].detach(), before) and parameters[1] not in optimizer.state

    def closure():
        optimizer.zero_grad()
        loss = sum(p.square().sum() for p in parameters)
        loss.backward()
        return loss

    losses = [float(optimizer.step(closure).detach()) for _ in range(30)]
    assert losses[-1] < losses[0]


def test_a_sparse_gradient_is_refused():
    embedding = nn.Embedding(5, 3, sparse=True)
    embedding(torch.tensor([1, 2])).sum().backward()
    with pytest.raises(BadParameterError, match="sparse=False"):
        LARS(embedding.parameters(), lr=1.0).step()


@pytest.mark.parametrize("variant", ["simclr", "paper"])
@pytest.mark.parametrize("stop", [0, 1, 13])
def test_a_resumed_optimiser_goes_on_exactly(variant, stop):
    whole, resumed = weights_of(dtype=torch.float32), weights_of(dtype=torch.float32)
    settings = {"lr": 3.0, "momentum": 0.9, "weight_decay": 0.1, "variant": variant}
    left, right = LARS(whole, **settings), LARS(resumed, **settings)
    for step in range(25):
        if step == stop:
            file = io.BytesIO()
            torch.save({"weights": resumed, "optimizer": right.state_dict()}, file)
            file.seek(0)
            state = torch.load(file, weights_only=True)
            resumed = [nn.Parameter(w.detach()) for w in state["weights"]]
            right = LARS(resumed, lr=1.0)  # its settings come from the state
            right.load_state_dict(state["optimizer"])
        for optimizer, parameters in ((left, whole), (right, resumed)):
            descend(optimizer, parameters, gradients_of(step), 3.0 * warmup_cosine(step, 25, 5))
    assert all(map(torch.equal, whole, resumed))


@pytest.mark.parametrize("name", ["lars", "lars_paper"])
@pytest.mark.parametrize("stop", [1, 7, 17])
def test_a_training_resumes_exactly(tmp_path, name, stop):
    """18 steps under Fabric with warm-up and cosine; it dies in step ``stop``, and goes on with other initial weights."""
    plan = Plan(epochs=3, batch_size=8, lr=2.0, optimizer=name, weight_decay=1e-4, warmup_epochs=1, seed=3)
    whole, dying, resumed, untrained = tiny_method(), tiny_method(), tiny_method(seed=9), tiny_method()
    expected = fit(whole, tiny_faces(), plan)
    steps = itertools.count()

    def die():
        if next(steps) == stop:
            raise KeyboardInterrupt

    dying.after_step = die
    with pytest.raises(KeyboardInterrupt):
        fit(dying, tiny_faces(), plan, folder=tmp_path, checkpoint_seconds=0)
    history = fit(resumed, tiny_faces(), plan, folder=tmp_path, checkpoint_seconds=0)
    assert history.series("loss") == expected.series("loss")
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    assert not torch.equal(whole.backbone[0].weight, untrained.backbone[0].weight)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"lr": lr} for lr in (0.0, -1.0, float("nan"), float("inf"))),
        *({"eta": eta} for eta in (0.0, -0.001, float("nan"))),
        *({"momentum": momentum} for momentum in (-0.1, 1.0, float("nan"))),
        {"weight_decay": -1e-6},
        {"variant": "lamb"},
    ],
)
def test_wrong_settings_are_refused(wrong):
    [(name, value)] = wrong.items()
    said = f"{name.replace('_', ' ')}.*{value}"
    with pytest.raises(BadParameterError, match=said):
        LARS(weights_of(), **{"lr": 1.0} | wrong)
    with pytest.raises(BadParameterError, match=said):
        LARS([{"params": weights_of(), "adapt": True} | wrong], lr=1.0)


def test_names_of_the_factory():
    groups = parameter_groups(nn.Linear(2, 2), 0.1)
    for name, variant in (("lars", "simclr"), ("lars_paper", "paper")):
        optimizer = make_optimizer(name, groups, 0.5, 0.7)
        assert isinstance(optimizer, LARS)
        for group, wd in zip(optimizer.param_groups, (0.1, 0.0), strict=True):
            assert (group["variant"], group["lr"], group["momentum"]) == (variant, 0.5, 0.7)
            assert (group["eta"], group["weight_decay"], group["adapt"]) == (0.001, wd, wd > 0)
