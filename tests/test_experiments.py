"""The two experiments of notebook 02 keep their promises about who is where."""

import numpy as np
import pytest
from tiny import tiny_faces, tiny_method

from facelab.datasets import load
from facelab.errors import BadParameterError
from facelab.evaluation import Estimate
from facelab.labs.closed_set import closed_set, split_closed, with_photos
from facelab.labs.data_size import fewer_photographs
from facelab.labs.unseen_people import complement, unseen_people
from facelab.training import Plan

PLAN = Plan(epochs=8, batch_size=8, lr=0.03)


def test_closed_set_beats_chance_where_people_differ_and_reports_all():
    faces = tiny_faces(people=4, shots=20)
    done = closed_set(faces, lambda part: tiny_method(len(part.people)), PLAN)
    assert list(done.results) == [
        "raw pixels", "whitened PCA", "random network", "CNN, nearest photograph", "CNN + MLP",
    ]  # fmt: skip
    for ranks in done.results.values():
        assert len(ranks.rank) == len(done.split.test) == 24
    assert done.history.best_epoch is not None
    # four people who differ in brightness alone: centred pixels see noise, a network sees brightness
    assert done.results["CNN + MLP"].accuracy(1).value > 0.6
    assert done.results["raw pixels"].accuracy(1).value < 0.5


def test_the_split_keeps_renderings_together():
    faces = load("orl-wild", 32)
    split = split_closed(faces, seed=0)
    photo = faces.attributes["photo"].to_numpy()
    parts = [set(photo[rows]) for rows in (split.train, split.validation, split.test)]
    assert [len(part) for part in parts] == [240, 40, 120]
    assert sum(map(len, parts)) == len(set.union(*parts))
    for rows in (split.train, split.validation, split.test):
        assert len(np.unique(faces.identity[rows])) == 40


def test_nobody_of_the_test_is_in_training():
    faces = tiny_faces(people=8, shots=10)
    seen = []

    def build(part):
        seen.append(set(part.identity.tolist()))
        return tiny_method(len(part.people))

    done = unseen_people(faces, build, PLAN, draws=100, fars=())
    assert seen and not seen[0] & set(done.test.identity.tolist())
    assert set(done.figures) == {"raw pixels", "whitened PCA", "random network", "CNN"}
    assert done.figures["CNN"]["eer"].n == 4


def test_fewer_photographs_are_nested_and_complete():
    faces = load("orl-wild", 32)
    train = faces.subset(split_closed(faces, 0).train)
    files = [set(fewer_photographs(train, count, seed=1).attributes["file"]) for count in (6, 3, 1)]
    assert [len(part) for part in files] == [960, 480, 160]
    assert files[2] < files[1] < files[0]


def test_people_with_few_photographs_are_left_out():
    faces = tiny_faces(people=4, shots=6)
    some = faces.subset(np.arange(20))  # the last person has two
    assert list(with_photos(some, 6).people) == [0, 1, 2]
    with pytest.raises(BadParameterError, match="0 people"):
        with_photos(faces, 7)


def test_complement_turns_the_interval_over():
    turned = complement(Estimate(0.2, 0.1, 0.4, 20, "x"))
    assert (turned.value, turned.low, turned.high) == pytest.approx((0.8, 0.6, 0.9))
