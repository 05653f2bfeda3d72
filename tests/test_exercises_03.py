"""Exercises of notebook 03: the step in chunks has the gradient of the whole batch, and other right answers pass as well."""

import copy

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch.utils.checkpoint import checkpoint

from facelab.exercises import chapter_03 as exercises
from facelab.exercises import chapter_03_clusters as cluster_exercises
from facelab.exercises import chapter_03_gradient_cache as cache_exercises
from facelab.losses import sup_con


@pytest.mark.parametrize("chunk", [1, 3, 9, 20])
def test_a_step_in_chunks_leaves_the_gradient_of_the_whole_batch(chunk):
    torch.manual_seed(0)
    encoder = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 4)).double()
    views, labels = torch.randn(9, 6, dtype=torch.float64), torch.arange(9) % 3
    whole = copy.deepcopy(encoder)
    loss = sup_con(whole(views), labels, 0.1)
    loss.backward()
    assert cache_exercises.gradient_cache_step(encoder, views, labels, chunk, 0.1) == pytest.approx(loss.item())
    for ours, right in zip(encoder.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, right.grad)


def _checkpointed(encoder, views, labels, chunk, temperature):
    embeddings = [checkpoint(encoder, part, use_reentrant=False) for part in views.split(chunk)]
    loss = sup_con(torch.cat(embeddings), labels, temperature)
    loss.backward()
    return loss.item()


def _anchor_by_anchor(cosines, labels, temperature):
    losses = []
    for i in range(len(labels)):
        others = [j for j in range(len(labels)) if j != i]
        log_sum = torch.logsumexp(cosines[i, others] / temperature, dim=0)
        positives = [j for j in others if labels[j] == labels[i]]
        losses.append(sum(log_sum - cosines[i, p] / temperature for p in positives) / len(positives))
    return sum(losses) / len(losses)


def _photograph_by_photograph(cosines, person):
    return [person[max((j for j in range(len(row)) if j != i), key=row.__getitem__)] for i, row in enumerate(cosines)]


def _people_one_by_one(probe, members, person, k):
    named = []
    for row in ((members - probe) ** 2).sum(axis=1).argsort():
        if person[row] not in named:
            named.append(person[row])
    return np.array(named[:k])


def _matching_by_loops(cluster, person):
    counts = [[np.sum((cluster == c) & (person == p)) for p in np.unique(person)] for c in np.unique(cluster)]
    rows, columns = linear_sum_assignment(-np.array(counts))
    return sum(counts[row][column] for row, column in zip(rows, columns, strict=True)) / len(person)


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (exercises.SUP_CON_LOSS, _anchor_by_anchor),
        (exercises.NEAREST_PERSON, _photograph_by_photograph),
        (cluster_exercises.PEOPLE_BY_DISTANCE, _people_one_by_one),
        (cluster_exercises.CLUSTER_ACCURACY, _matching_by_loops),
        (cache_exercises.GRADIENT_CACHE_STEP, _checkpointed),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_another_right_answer_passes(task, answer):
    task.check(answer)


def test_the_check_of_the_step_leaves_the_random_generator_as_it_was():
    before = torch.get_rng_state()
    cache_exercises.GRADIENT_CACHE_STEP.check(cache_exercises.gradient_cache_step)
    assert torch.equal(before, torch.get_rng_state())
