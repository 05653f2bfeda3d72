"""Few labels: what is known of photographs by networks that learned without labels, by one that did not, and by pixels."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pandas as pd
import torch

from facelab.augment import CLASSIFIER, Augmentation
from facelab.backbones import Backbone
from facelab.datasets import FaceSet
from facelab.datasets.pairs import column_codes
from facelab.datasets.splits import select_label_fraction
from facelab.errors import BadParameterError
from facelab.evaluation import fit_probe, mean_over_seeds
from facelab.methods import Classifier, Method, embed_faces
from facelab.protocols.unseen_people import scene_ids
from facelab.records import Metric, Record
from facelab.training import CheckpointFolder, Plan, fit

PIXEL_SIDE = 24  #: side of the photographs that logistic regression on pixels sees
#: Labels and groups (``LabelTask.groups``) of each class from which on the strength of a probe is chosen among them.
MIN_LABELS_PER_CLASS, MIN_GROUPS_PER_CLASS = 10, 5
STRENGTHS = {"features": (0.001, 0.01, 0.1), "pixels": (1e-4, 1e-3, 1e-2)}  #: to choose C from; the middle with fewer


@dataclass(frozen=True)
class LabelTask:
    """What is asked of photographs, and of whom.

    Attributes:
        column: of the attribute table; None: who is on the photograph.
        names: of the classes.
        pool: photographs of which a few are labelled.
        test: others.
        pool_labels, test_labels: int64, class of each.
    """

    column: str | None
    names: tuple[str, ...]
    pool: FaceSet
    test: FaceSet
    pool_labels: np.ndarray
    test_labels: np.ndarray

    @classmethod
    def from_column(cls, column: str | None, pool: FaceSet, test: FaceSet) -> LabelTask:
        """The task of telling the values of a column, or people where there is none.

        Raises:
            BadParameterError: no such column, a value is missing, or the test asks for a class that the pool has not.
        """
        if column is None:
            for part in (pool, test):
                part.labels()  # refuses unknown people
            known, own = pool.people, test.people
            names = tuple(pool.names[number] for number in known)
            labels = [np.searchsorted(known, part.identity) for part in (pool, test)]
        else:
            for part in (pool, test):
                column_codes(part, column)  # refuses gaps
            values = [part.attributes[column].to_numpy() for part in (pool, test)]
            known, own = np.unique(values[0]), np.unique(values[1])
            names = tuple(str(value) for value in known)
            labels = [np.searchsorted(known, value) for value in values]
        if strange := np.setdiff1d(own, known).tolist():
            raise BadParameterError(
                f"The test has {column or 'people'} {strange[0]!r}, the pool has not.", "Split by class."
            )
        return cls(column, names, pool, test, *labels)

    @property
    def groups(self) -> np.ndarray:
        """Whose photographs of the pool must not be parted where something is chosen among them: int (P,).

        Those of one person, who looks alike in all of them; where people are asked for, the renderings of one photograph.
        """
        alone = np.arange(len(self.pool))
        if self.column is not None:
            return np.where(self.pool.identity < 0, -1 - alone, self.pool.identity)
        return scene_ids(self.pool, "photo") if "photo" in self.pool.attributes else alone

    def draw_labeled_rows(self, fraction: float, draw: int) -> np.ndarray:
        """Rows of the pool whose labels may be seen: equally many of each class, a fixed list for each draw; with 1 all."""
        if fraction == 1:
            return np.arange(len(self.pool))
        return select_label_fraction(self.pool, fraction, draw, column=self.column).rows


@dataclass(frozen=True)
class FineTuning:
    """How a network is fine-tuned on few labels: so many steps, however few there are.

    Attributes:
        steps: of the optimiser.
        batch_size: photographs a step; all of them, where there are fewer.
        lr: peak learning rate.
        augmentation: of the labelled photographs.
    """

    steps: int
    batch_size: int = 50
    lr: float = 1e-3
    augmentation: Augmentation = CLASSIFIER

    def plan(self, photographs: int, seed: int) -> Plan:
        """The plan for so many labelled photographs."""
        batch = min(self.batch_size, photographs)
        epochs = max(2, round(self.steps / (photographs // batch)))
        return Plan(epochs=epochs, batch_size=batch, lr=self.lr, seed=seed)


def predict_with_few_labels(
    task: LabelTask,
    networks: Mapping[str, Method],
    fraction: float,
    draw: int,
    tuning: FineTuning | None,
    folder: CheckpointFolder | None = None,
) -> dict[str, np.ndarray]:
    """Classes that are given to the test photographs, after some labels of the pool were seen.

    Args:
        task: what is asked.
        networks: name -> method, trained or not, that has seen nobody of the test; they stay as they are.
        fraction: share of the pool that is labelled, up to 1.
        draw: number of the draw of labels, and the seed of the fine-tuning.
        tuning: of each network; None: no fine-tuning.
        folder: where the checkpoints of the fine-tuning are kept, below the name of each network; None: nowhere.

    Returns:
        ``pixels, linear`` (logistic regression on 24 x 24 pixels), and of each network ``NAME, linear`` (the same on its
        embeddings) and ``NAME, fine-tuned``: int64 (N,) each.
    """
    found = {"pixels, linear": predict_from_pixels(task, fraction, draw)}
    rows = task.draw_labeled_rows(fraction, draw)
    pool, labels = task.pool.subset(rows), task.pool_labels[rows]
    for name, method in networks.items():
        z = [embed_faces(method, part) for part in (pool, task.test)]
        found[f"{name}, linear"] = _probed(z[0], labels, task.groups[rows], z[1], "features", draw)
        if tuning is not None:
            own = None if folder is None else folder / name
            found[f"{name}, fine-tuned"] = predict_fine_tuned(task, method, fraction, draw, tuning, own)
    return found


def predict_from_pixels(task: LabelTask, fraction: float, draw: int) -> np.ndarray:
    """Classes by logistic regression on 24 x 24 pixels: int64 (N,) of the test; see ``predict_with_few_labels``."""
    rows = task.draw_labeled_rows(fraction, draw)
    known, asked = pixel_features(task.pool.subset(rows)), pixel_features(task.test)
    return _probed(known, task.pool_labels[rows], task.groups[rows], asked, "pixels", draw)


def predict_from_features(
    task: LabelTask, pool_z: np.ndarray, test_z: np.ndarray, fraction: float, draw: int
) -> np.ndarray:
    """Classes by logistic regression on features that are known already: int64 (N,); see ``predict_with_few_labels``.

    Args:
        task: what is asked.
        pool_z, test_z: float (P, D) and (N, D), of the whole pool and of the test.
        fraction: share of the pool that is labelled, up to 1.
        draw: number of the draw of labels.
    """
    rows = task.draw_labeled_rows(fraction, draw)
    return _probed(pool_z[rows], task.pool_labels[rows], task.groups[rows], test_z, "features", draw)


def predict_fine_tuned(
    task: LabelTask,
    method: Method,
    fraction: float,
    draw: int,
    tuning: FineTuning,
    folder: CheckpointFolder | None = None,
) -> np.ndarray:
    """Classes by a copy of a network that goes on learning from the labels: int64 (N,) of the test; see
    ``predict_with_few_labels``."""
    rows = task.draw_labeled_rows(fraction, draw)
    pool, labels = task.pool.subset(rows), task.pool_labels[rows]
    classifier = fine_tune(method, pool, labels, len(task.names), tuning, draw, folder)
    return classifier.predict(task.test).argmax(axis=1)


def fine_tune(
    method: Method,
    faces: FaceSet,
    labels: np.ndarray,
    classes: int,
    tuning: FineTuning,
    seed: int,
    folder: CheckpointFolder | None = None,
) -> Classifier:
    """One linear layer on a copy of a method's backbone, both trained on labels. The method's own head is thrown away.

    Args:
        method: trained or not; it stays as it is.
        faces: the labelled photographs.
        labels: int (N,), their classes.
        classes: how many there are.
        tuning: how.
        seed: of the layer's weights, of order and augmentation.
        folder: where the checkpoint is kept; None: nowhere.
    """
    network, seen = copy.deepcopy(method.backbone), method.augmentation
    torch.manual_seed(seed)
    views = replace(
        tuning.augmentation, size=seen.size, mean=seen.mean, std=seen.std
    )  # pixels as the backbone knows them
    classifier = Classifier(network, views, classes, hidden=())
    fit(classifier, faces, tuning.plan(len(faces), seed), labels=labels, folder=folder)
    return classifier


def replace_backbone(method: Method, backbone: Backbone) -> Method:
    """A copy of a method around another network, such as one that has learned nothing: the same pixels come to it."""
    copied = copy.deepcopy(method)
    copied.backbone = copy.deepcopy(backbone)
    return copied


def pixel_features(faces: FaceSet) -> np.ndarray:
    """Photographs of 24 x 24 pixels, in a row: float64 (N, 24 * 24 * C), 0 to 1."""
    small = [cv2.resize(image, (PIXEL_SIDE, PIXEL_SIDE), interpolation=cv2.INTER_AREA) for image in faces.images]
    return np.stack(small).reshape(len(faces), -1) / 255


def metrics_over_seeds(matrices_by_seed: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Metric]:
    """``balanced/KEY`` and ``accuracy/KEY`` over the seeds, intervals by Student's t.

    Args:
        matrices_by_seed: of each seed, key -> confusion matrix (classes, classes), true class in rows.
    """
    values: dict[str, list[float]] = defaultdict(list)
    for found in matrices_by_seed:
        for key, matrix in found.items():
            values[f"balanced/{key}"].append(float((matrix.diagonal() / matrix.sum(axis=1)).mean()))
            values[f"accuracy/{key}"].append(float(matrix.trace() / matrix.sum()))
    return {name: Metric.from_estimate(mean_over_seeds(of_seeds)) for name, of_seeds in values.items()}


def confusion_metrics(matrix: np.ndarray, names: Sequence[str], key: str) -> dict[str, Metric]:
    """A confusion matrix for a record: ``KEY: TRUE taken for GIVEN``, each a share of the true class."""
    return {
        f"{key}: {true} taken for {given}": Metric(float(count / row.sum()), int(row.sum()))
        for true, row in zip(names, matrix, strict=True)
        for given, count in zip(names, row, strict=True)
    }


def _probed(
    z: np.ndarray, labels: np.ndarray, groups: np.ndarray, test_z: np.ndarray, kind: str, seed: int
) -> np.ndarray:
    strengths, of_class = STRENGTHS[kind], [groups[labels == label] for label in np.unique(labels)]
    enough = all(len(own) >= MIN_LABELS_PER_CLASS and len(np.unique(own)) >= MIN_GROUPS_PER_CLASS for own in of_class)
    grouped = None if len(np.unique(groups)) == len(groups) else groups
    return fit_probe(z, labels, grouped, strengths if enough else strengths[1:2], seed).model.predict(test_z)


def read_confusion_matrix(record: Record, key: str) -> pd.DataFrame:
    """The shares that ``confusion_metrics`` put into a record: true class in rows, given class in columns.

    Raises:
        BadParameterError: the record has none under that key.
    """
    found = {name: metric.value for name, metric in record.metrics.items() if name.startswith(f"{key}: ")}
    if not found:
        raise BadParameterError(f"{record.name} has no confusion matrix of {key!r}.", "Make the record again.")
    pairs = [name.removeprefix(f"{key}: ").split(" taken for ") for name in found]
    names = list(dict.fromkeys(true for true, _ in pairs))
    return pd.Series(found.values(), index=pd.MultiIndex.from_tuples(pairs)).unstack().loc[names, names]
