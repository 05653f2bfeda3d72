"""The closed-set experiment: every person is in training, other photographs of them are looked up.

Notebook 02 goes through its steps one by one; here they are as one call, for the derived sets.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from facelab.augment import CLASSIFIER
from facelab.backbones import backbone, freeze, parameter_layers
from facelab.datasets import FaceSet
from facelab.datasets.leakage import assert_disjoint
from facelab.datasets.splits import Split, stratified_split
from facelab.errors import BadParameterError
from facelab.evaluation import BASELINES, TopK, topk_by_neighbors
from facelab.evaluation.clusters import FitKmeans, fit_kmeans, topk_by_clusters
from facelab.methods import Classifier, Method, embed_faces
from facelab.protocols.nearest_photographs import draw_probes, rank_by_class_scores, rank_by_nearest
from facelab.search import kmeans
from facelab.training import CheckpointFolder, History, Plan, fit

MAX_PRODUCT = 3_000_000  #: photographs x clusters up to which k-means is restarted, and compares each with each


@dataclass(frozen=True)
class ClosedSetResult:
    """What one closed-set experiment gave.

    Attributes:
        split: rows of the set for training, validation and test.
        method: the trained classifier, with the weights of its best epoch on validation.
        history: of its training.
        results: name -> ranks of the right person over the test photographs. ``CNN + MLP`` by softmax; the others by the
            nearest training photograph. Of many test photographs a sample is ranked, ``draw_probes(test, plan.seed)``.
    """

    split: Split
    method: Classifier
    history: History
    results: dict[str, TopK]


def split_closed_set(faces: FaceSet, seed: int) -> Split:
    """60 % of each person's photographs for training, 10 % to choose the epoch, 30 % for the test.

    Renderings of one photograph stay together, and the test is proved to hold no picture of the training.
    """
    group = "photo" if "photo" in faces.attributes else None
    split = stratified_split(faces, train=0.6, validation=0.1, seed=seed, group=group)
    known = np.concatenate([split.train, split.validation])
    assert_disjoint(faces.subset(known), faces.subset(split.test), kinds=("file", "hash"))
    return split


def new_classifier(faces: FaceSet, name: str = "resnet10", width: int | None = None, seed: int = 0) -> Classifier:
    """A classifier over the people of a set, its weights drawn from ``seed``."""
    torch.manual_seed(seed)
    network = backbone(name, in_channels=faces.images.shape[3], width=width)
    return Classifier(network, CLASSIFIER, classes=len(faces.people))


def run_closed_set(
    faces: FaceSet, build: Callable[[FaceSet], Classifier], plan: Plan, folder: CheckpointFolder | None = None
) -> ClosedSetResult:
    """Split, train, and look up the test photographs: the network, and what needs no training.

    Args:
        faces: photographs of known people.
        build: makes the untrained classifier for a set.
        plan: its training; its seed also decides the split.
        folder: where the checkpoint is kept; None: nowhere.
    """
    split = split_closed_set(faces, plan.seed)
    train, test, validation = (faces.subset(rows) for rows in (split.train, split.test, split.validation))
    method, probes = build(faces), draw_probes(test, plan.seed)
    results = rank_by_baselines(method, train, probes)
    history = fit(method, train, plan, validate=top1_scorer(validation), folder=folder)
    results["CNN, nearest photograph"] = rank_by_nearest_photograph(method, train, probes)
    results["CNN + MLP"] = rank_by_class_scores(method, probes, class_numbers(train, probes))
    return ClosedSetResult(split, method, history, results)


def rank_by_baselines(method: Method, train: FaceSet, test: FaceSet) -> dict[str, TopK]:
    """What needs no training, by the nearest photograph: the baselines, and the network of a method before it learns."""
    found = {}
    for name, baseline in BASELINES.items():
        embed = baseline(train.images)
        found[name] = rank_by_nearest(lambda faces, embed=embed: embed(faces.images), train, test)
    return found | {"random network": rank_by_nearest_photograph(method, train, test)}


def rank_by_nearest_photograph(method: Method, train: FaceSet, test: FaceSet) -> TopK:
    """People in the order of their training photograph that is nearest to the test photograph in the embedding."""
    return rank_by_nearest(lambda faces: embed_faces(method, faces), train, test)


def class_numbers(train: FaceSet, faces: FaceSet) -> np.ndarray:
    """Classes of some photographs, for a method that was trained on ``train``: int64 (N,); everybody is there."""
    return np.searchsorted(train.people, faces.identity)


def top1_scorer(faces: FaceSet) -> Callable[[Classifier], float]:
    """What chooses the epoch of a classifier: its top-1 on some photographs, never those of the test."""
    labels = faces.labels()
    return lambda method: rank_by_class_scores(method, faces, labels).accuracy(1).value


def rank_by_embeddings(method: Method, train: FaceSet, test: FaceSet) -> dict[str, TopK]:
    """Who is on the test photographs, by the embeddings of a method and without a classifier.

    Args:
        method: trained or not.
        train: the photographs to look them up among; everybody of the test is there.
        test: other photographs.

    Returns:
        ``nearest photograph``, and ``k-means`` with as many clusters as there are people, fitted on ``train``.
    """
    gallery, probes, people = embed_faces(method, train), embed_faces(method, test), len(train.people)
    _, fit = choose_kmeans(len(train), people)
    return {
        "nearest photograph": topk_by_neighbors(gallery, train.identity, probes, test.identity),
        "k-means": topk_by_clusters(gallery, train.identity, probes, test.identity, people, fit=fit),
    }


def choose_kmeans(photographs: int, clusters: int) -> tuple[str, FitKmeans]:
    """A name for a record, and k-means: restarted, or beyond ``MAX_PRODUCT`` photographs x clusters the one by search."""
    if photographs * clusters <= MAX_PRODUCT:
        return "k-means", fit_kmeans
    return kmeans.describe_kmeans(photographs, clusters), kmeans.fit_kmeans_by_search


def new_head(method: Method, classes: int, frozen: bool, seed: int) -> Classifier:
    """Three untrained layers on a copy of a method's backbone: the founding project's section 1.2.

    Args:
        method: a trained method; it stays as it is.
        classes: how many people.
        frozen: whether the backbone shall stay as it is, batch norm included, or learn on with the head.
        seed: of the initial weights of the head.
    """
    network = copy.deepcopy(method.backbone)
    freeze(network, len(parameter_layers(network)) if frozen else 0)
    seen = method.augmentation  # the photographs must come to the backbone as it knows them
    torch.manual_seed(seed)
    return Classifier(network, replace(CLASSIFIER, size=seen.size, mean=seen.mean, std=seen.std), classes)


def train_head(
    method: Method,
    train: FaceSet,
    validation: FaceSet,
    plan: Plan,
    frozen: bool,
    seed: int,
    folder: CheckpointFolder | None = None,
) -> Classifier:
    """``new_head``, trained on names: what a method has learned, asked as a classifier is asked.

    Args:
        method: a trained method.
        train: photographs to train on.
        validation: photographs of the same people, which choose the epoch.
        plan: the training.
        frozen: as for ``new_head``.
        seed: of the initial weights of the head.
        folder: where the checkpoint is kept; None: nowhere.
    """
    classifier = new_head(method, len(train.people), frozen, seed)
    fit(classifier, train, plan, validate=top1_scorer(validation), folder=folder)
    return classifier


def people_with_photos(faces: FaceSet, min_photos: int) -> FaceSet:
    """The people with at least so many photographs.

    Raises:
        BadParameterError: fewer than two people have.
    """
    numbers, counts = np.unique(faces.identity[faces.identity >= 0], return_counts=True)
    kept = numbers[counts >= min_photos]
    if len(kept) < 2:
        raise BadParameterError(
            f"{len(kept)} people of {faces.source} have {min_photos} or more photographs.",
            "Give a data set with more photographs of each person, or ask for fewer (facelab train --min-photos).",
        )
    return faces.select_people(kept)
