"""The two experiments of notebook 02 keep their promises about who is where."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from tiny import AUGMENTATION, tiny_faces, tiny_method

from facelab.backbones import backbone
from facelab.datasets import load
from facelab.errors import BadParameterError
from facelab.evaluation import Estimate
from facelab.evaluation.clusters import topk_by_clusters
from facelab.methods import Classifier, SupCon, embed_faces
from facelab.paths import project_data
from facelab.protocols.closed_set import (
    new_head,
    people_with_photos,
    rank_by_embeddings,
    run_closed_set,
    split_closed_set,
    train_head,
)
from facelab.protocols.unseen_people import complement, run_unseen_people, scene_ids, split_unseen_people
from facelab.training import Plan

PLAN = Plan(epochs=8, batch_size=8, lr=0.03)


def test_closed_set_beats_chance_where_people_differ_and_reports_all():
    faces = tiny_faces(people=4, shots=20)
    done = run_closed_set(faces, lambda part: tiny_method(len(part.people)), PLAN)
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
    split = split_closed_set(faces, seed=0)
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

    done = run_unseen_people(faces, build, PLAN, draws=100, fars=())
    assert seen and not seen[0] & set(done.test.identity.tolist())
    assert set(done.metrics) == {"raw pixels", "whitened PCA", "random network", "CNN"}
    assert done.metrics["CNN"]["eer"].n == 4


def test_the_halves_of_the_people_are_drawn_or_those_of_the_list():
    faces = tiny_faces(people=8, shots=2)
    halves = [split_unseen_people(faces, seed) for seed in range(4)]
    assert all(sorted([*train.people, *test.people]) == list(range(8)) for train, test in halves)
    assert len({tuple(train.people) for train, _ in halves}) > 1
    orl = load("orl", 32)
    with open(project_data("pairs", "orl-people.csv"), encoding="utf-8", newline="") as file:
        listed = {row["identity"] for row in csv.DictReader(file) if row["part"] == "test"}
    for seed in range(2):
        assert {orl.names[number] for number in split_unseen_people(orl, seed)[1].people} == listed


def test_scenes_are_equal_where_the_column_is():
    faces = tiny_faces(people=2, shots=2)
    faces = replace(faces, attributes=faces.attributes.assign(day=["a", "b", "a", "b"], hour=[1.0, np.nan, 1.0, 2.0]))
    assert scene_ids(faces, "day").tolist() == [0, 1, 0, 1] and scene_ids(faces, None) is None
    with pytest.raises(BadParameterError, match="no column 'date'. There are: file, day, hour"):
        scene_ids(faces, "date")
    with pytest.raises(BadParameterError, match="1 photographs of tiny have no 'hour'"):
        scene_ids(faces, "hour")


def test_people_with_few_photographs_are_left_out():
    faces = tiny_faces(people=4, shots=6)
    some = faces.subset(np.arange(20))  # the last person has two
    assert list(people_with_photos(some, 6).people) == [0, 1, 2]
    with pytest.raises(BadParameterError, match="0 people"):
        people_with_photos(faces, 7)


def test_complement_turns_the_interval_over():
    turned = complement(Estimate(0.2, 0.1, 0.4, 20, "x"))
    assert (turned.value, turned.low, turned.high) == pytest.approx((0.8, 0.6, 0.9))


def learned():
    """A small method on a backbone with batch norm, and photographs for a head."""
    torch.manual_seed(0)
    augmentation = replace(AUGMENTATION, mean=(0.4,), std=(0.3,))
    method, faces = SupCon(backbone("resnet10", 1, width=8), augmentation), tiny_faces(people=4, shots=20)
    split = split_closed_set(faces, 0)
    return method, faces.subset(split.train), faces.subset(split.validation), faces.subset(split.test)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_head_learns_on_a_copy_of_the_backbone(frozen):
    method, train, validation, test = learned()
    before = {name: value.clone() for name, value in method.state_dict().items()}
    head = train_head(method, train, validation, PLAN, frozen, seed=3)
    assert isinstance(head, Classifier) and head.predict(test).shape == (24, 4)
    for name, value in method.state_dict().items():
        assert torch.equal(value, before[name]), name
    kept = head.backbone.state_dict()
    same = [torch.equal(kept[name], value) for name, value in method.backbone.state_dict().items()]
    assert all(same) if frozen else not any(same)
    untrained = new_head(method, 4, frozen, seed=3).head
    assert not torch.equal(head.head[0].weight, untrained[0].weight)
    assert (head.augmentation.mean, head.augmentation.std) == ((0.4,), (0.3,))  # as the backbone knows photographs
    assert torch.equal(new_head(method, 4, frozen, seed=3).head[0].weight, untrained[0].weight)


def test_embeddings_are_looked_up_among_the_training_photographs():
    method, train, _, test = learned()
    found = rank_by_embeddings(method, train, test)
    gallery, probes = embed_faces(method, train), embed_faces(method, test)
    oracle = KNeighborsClassifier(1, metric="cosine", algorithm="brute").fit(gallery, train.identity)
    assert list(found) == ["nearest photograph", "k-means"]
    assert found["nearest photograph"].accuracy(1).value == (oracle.predict(probes) == test.identity).mean()
    expected = topk_by_clusters(gallery, train.identity, probes, test.identity, clusters=4)
    assert list(found["k-means"].rank) == list(expected.rank)
