"""Exercises of notebook 04: steps of MoCo are those of the package's MoCo, and other right answers pass as well."""

import copy

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from facelab.augment import CLASSIFIER
from facelab.exercises import chapter_04 as exercises
from facelab.exercises import chapter_04_queue as queue_exercises
from facelab.exercises import chapter_04_step as step_exercises
from facelab.methods import MoCo


def _moco() -> MoCo:
    body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU())
    body.num_features = 8
    return MoCo(body, CLASSIFIER, projection=4, queue=10, momentum=0.8, temperature=0.3, groups=2).double()


def test_steps_are_those_of_the_packages_moco():
    torch.manual_seed(0)
    method = _moco()
    other = copy.deepcopy(method)
    query, key = (
        torch.nn.Sequential(other.backbone, other.head),
        torch.nn.Sequential(other.key_backbone, other.key_head),
    )
    optimizers = [torch.optim.SGD([p for p in m.parameters() if p.requires_grad], lr=0.2) for m in (method, other)]
    pointer, nobody = 0, torch.full((6,), -1)
    for step in range(4):
        views = [torch.randn(6, 1, 2, 3, dtype=torch.float64) for _ in range(2)]
        torch.manual_seed(step)
        order = torch.randperm(6)  # which the package draws as well
        torch.manual_seed(step)
        loss = method.training_step(views, nobody, nobody)["loss"]
        optimizers[0].zero_grad()
        loss.backward()
        optimizers[0].step()
        method.after_step()
        got, pointer = step_exercises.moco_step(
            query, key, optimizers[1], other.queue, pointer, tuple(views), order, 0.8, 0.3
        )
        assert got == pytest.approx(loss.item())
        assert pointer == method.pointer
    own = method.state_dict()
    for name, ours in other.state_dict().items():
        if name not in ("pointer", "queue_labels", "queue_scenes"):
            torch.testing.assert_close(ours, own[name], msg=name)


def _query_by_query(q, k, queue, temperature):
    losses = []
    for query, key in zip(normalize(q), normalize(k), strict=True):
        similar = torch.cat([(query @ key)[None], normalize(queue) @ query]) / temperature
        losses.append(similar.logsumexp(dim=0) - similar[0])
    return torch.stack(losses).mean()


def _key_by_key(queue, pointer, keys):
    for row in keys:
        queue[pointer] = row
        pointer = (pointer + 1) % len(queue)
    return pointer


def _by_state(key, query, m):
    with torch.no_grad():
        for name, parameter in query.named_parameters():
            own = key.get_parameter(name)
            own.copy_(m * own + (1 - m) * parameter)


def _counted_by_loops(person, queue_person):
    return [sum(own >= 0 and own == other for other in queue_person) for own in person]


def _step_of_exercises(query, key, optimizer, queue, pointer, views, order, m, temperature):
    optimizer.zero_grad(set_to_none=False)
    first, second = views
    keys = torch.empty(len(first), queue.shape[1], dtype=queue.dtype)
    with torch.no_grad():
        for half in order.chunk(2):
            keys[half] = normalize(key(second[half]))
    q = torch.cat([query(first[: len(first) // 2]), query(first[len(first) // 2 :])])
    loss = _query_by_query(q, keys, queue, temperature)
    loss.backward()
    optimizer.step()
    _by_state(key, query, m)
    return float(loss.detach()), _key_by_key(queue, pointer, keys)


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (exercises.INFO_NCE_LOSS, _query_by_query),
        (queue_exercises.ENQUEUE, _key_by_key),
        (queue_exercises.EMA_UPDATE, _by_state),
        (exercises.FALSE_NEGATIVES, _counted_by_loops),
        (step_exercises.MOCO_STEP, _step_of_exercises),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_another_right_answer_passes(task, answer):
    task.check(answer)


def test_the_photographs_of_the_check_tell_all_its_faults_apart():
    """Each fault leaves another loss, so that no message stands for two."""
    losses = [step_exercises._start().step(mistake)[0] for mistake, _ in step_exercises._LOSS_MISTAKES.values()]
    losses.append(step_exercises._start().step(step_exercises.moco_step)[0])
    assert np.diff(np.sort(losses)).min() > 1e-3
