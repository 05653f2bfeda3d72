"""Exercises of notebook 05: a step of LARS is one of the package's, the gradient that of finite differences, and other right
answers pass as well."""

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score

from facelab.exercises import chapter_05 as exercises
from facelab.exercises import chapter_05_gradient as gradient_exercises
from facelab.exercises import chapter_05_labels as label_exercises
from facelab.exercises import chapter_05_lars as lars_exercises
from facelab.losses import nt_xent
from facelab.optim import LARS


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize("scale", [0.0, 2.0], ids=["from zero", "from noise"])
def test_a_step_is_one_of_the_packages_lars_while_the_rate_changes(weight_decay, scale):
    rng = np.random.default_rng(1)
    w = torch.from_numpy(scale * rng.normal(size=(3, 4)))
    v = torch.zeros_like(w)
    ours = torch.nn.Parameter(w.clone())
    settings = {"eta": 0.1, "momentum": 0.9, "weight_decay": weight_decay}
    optimiser = LARS([ours], lr=1.0, **settings)
    for lr in (0.5, 0.1, 2.0):
        g = torch.from_numpy(rng.normal(size=(3, 4)))
        w, v = lars_exercises.lars_step(w, g, v, lr=lr, **settings)
        ours.grad = g
        for group in optimiser.param_groups:
            group["lr"] = lr
        optimiser.step()
        torch.testing.assert_close(ours.detach(), w)


def test_the_gradient_is_that_of_finite_differences():
    rng = np.random.default_rng(2)
    views = rng.normal(size=(2, 3, 4))
    found = gradient_exercises.nt_xent_gradient(*views, 0.3)

    def loss(views):
        return nt_xent(*torch.from_numpy(views), 0.3).item()

    for place in np.ndindex(*views.shape):
        step = np.zeros_like(views)
        step[place] = 1e-6
        slope = (loss(views + step) - loss(views - step)) / 2e-6
        assert found[place[0]][place[1:]] == pytest.approx(slope, abs=1e-7)


def _cosine_by_cosine(z1, z2, temperature):
    """The chain rule in loops: what one anchor's loss does to the cosine of each other view, and that to both."""
    z = np.concatenate([z1, z2])
    gradient = np.zeros_like(z)
    for i in range(len(z)):
        others = [k for k in range(len(z)) if k != i]
        cosine = {k: z[i] @ z[k] / np.linalg.norm(z[i]) / np.linalg.norm(z[k]) for k in others}
        largest = max(cosine.values())
        weights = {k: np.exp((cosine[k] - largest) / temperature) for k in others}
        for k in others:
            slope = weights[k] / sum(weights.values()) - (k == (i + len(z1)) % len(z))
            for a, b in ((i, k), (k, i)):
                size = np.linalg.norm(z[a])
                by_view = (z[b] / np.linalg.norm(z[b]) - cosine[k] * z[a] / size) / size
                gradient[a] += slope * by_view / temperature / len(z)
    return [gradient[: len(z1)], gradient[len(z1) :]]


def _view_by_view(z1, z2, temperature):
    z = torch.cat([z1, z2]).double()
    cosine = torch.nn.functional.cosine_similarity(z[:, None], z, dim=2) / temperature
    views, n = range(len(z)), len(z1)
    others = [torch.stack([cosine[i, k] for k in views if k != i]).logsumexp(dim=0) for i in views]
    return sum(others[i] - cosine[i, (i + n) % len(z)] for i in views) / len(z)


def _zero_cases_by_where(w, g, v, lr, eta, momentum, weight_decay):
    decayed = g + weight_decay * w
    local = torch.where(w.norm() * decayed.norm() > 0, eta * w.norm() / (decayed.norm() + 1e-30), 1.0)
    step = momentum * v + lr * local * decayed
    return w - step, step


def _by_permutation(labels, each, rng):
    rows = []
    for name in sorted(set(labels.tolist())):
        own = rng.permutation(np.nonzero(labels == name)[0])
        if each > own.size:
            raise ValueError(f"too few of {name}")
        rows += own[:each].tolist()
    return sorted(rows)


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (exercises.NT_XENT_LOSS, _view_by_view),
        (lars_exercises.LARS_STEP, _zero_cases_by_where),
        (gradient_exercises.NT_XENT_GRADIENT, _cosine_by_cosine),
        (
            label_exercises.BALANCED_ACCURACY,
            lambda labels, predicted, classes: balanced_accuracy_score(labels, predicted),
        ),
        (label_exercises.LABEL_LIST, _by_permutation),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
@pytest.mark.filterwarnings("ignore:y_pred contains classes")
def test_another_right_answer_passes(task, answer):
    task.check(answer)
