"""What is measured of one training on uneven groups: every figure by group, and for all together under ``all``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import comb

import numpy as np
import pandas as pd

from facelab.datasets import FaceSet
from facelab.datasets.pairs import all_pairs
from facelab.evaluation import cosine_scores, eer, roc
from facelab.experiments.imbalance.parts import Parts

SOFTMAX_THRESHOLD = 0.9  #: the softmax from which the earlier project called somebody identified
AGES = {"0 to 17": 0, "18 to 35": 18, "36 to 60": 36, "61 and more": 61}  #: band -> its first year
Figures = dict[str, float]


def measure(parts: Parts, predict: Callable[[FaceSet], np.ndarray], false_alarms: float) -> Figures:
    """Figures of class probabilities, ``FIGURE/GROUP`` -> 0 to 1.

    - ``accuracy/TEST``: the most probable class is the right one;
    - ``confidence/TEST``, ``confidence/strangers``: mean of the largest probability;
    - ``false alarms/THRESHOLD``: strangers whose largest probability is above it: ``softmax .9``, or ``calibrated`` on other
      strangers;
    - ``found/THRESHOLD``: photographs of the first test that are taken for the right class, above it;
    - ``accuracy by age/BAND`` and ``accuracy, one age for all``, of the first test, where ages are known:
      see ``accuracy_by_age``.

    Args:
        parts: of the training.
        predict: photographs -> (N, C), rows sum to 1.
        false_alarms: share of the calibration's strangers that the calibrated threshold lets pass, at most.
    """
    figures: Figures = {}
    threshold = float(np.quantile(predict(parts.calibration).max(axis=1), 1 - false_alarms, method="higher"))
    edges = {"softmax .9": SOFTMAX_THRESHOLD, "calibrated": threshold}
    strangers = predict(parts.unseen).max(axis=1)
    figures |= _by_group("confidence/strangers", strangers, parts.unseen, parts.column)
    for name, edge in edges.items():
        figures |= _by_group(f"false alarms/{name}", strangers > edge, parts.unseen, parts.column)
    for number, (test, faces) in enumerate(parts.seen.items()):
        believed = predict(faces)
        right = believed.argmax(axis=1) == np.searchsorted(parts.train.people, faces.identity)
        sure = believed.max(axis=1)
        figures |= _by_group(f"accuracy/{test}", right, faces, parts.column)
        figures |= _by_group(f"confidence/{test}", sure, faces, parts.column)
        if number == 0:
            for name, edge in edges.items():
                figures |= _by_group(f"found/{name}", right & (sure > edge), faces, parts.column)
            if "age" in faces.attributes:
                ages = pd.concat([half.attributes["age"] for half in (parts.calibration, parts.unseen)])
                figures |= accuracy_by_age(right, faces, parts.column, ages.to_numpy())
    return figures


def accuracy_by_age(right: np.ndarray, faces: FaceSet, column: str, standard: np.ndarray) -> Figures:
    """Accuracy by group within each band of age, and directly standardised: what it would be if all groups were as old.

        sum_b w_b accuracy_b / sum_b w_b,  w_b the share of band b in the standard

    over the bands in which every group has somebody; ``ages compared``, the sum of their w_b, tells how much that is.
    Where it is not 1 at all shares, groups are compared within a share, not one share with another.

    Args:
        right: bool (N,).
        faces: whom they are of, with the column ``age`` in years.
        column: of the groups.
        standard: ages of the standard population: of the strangers, equally many of each group, the same at all shares.
    """
    groups, edges = faces.attributes[column].to_numpy(), list(AGES.values())[1:]
    band, of_standard = np.digitize(faces.attributes["age"], edges), np.digitize(standard, edges)
    weights, names = np.bincount(of_standard, minlength=len(AGES)) / len(standard), np.unique(groups)
    table = {group: {b: right[(groups == group) & (band == b)] for b in range(len(AGES))} for group in names}
    figures = {
        f"accuracy by age/{label}/{group}": float(of_band[b].mean())
        for group, of_band in table.items()
        for b, label in enumerate(AGES)
        if len(of_band[b])
    }
    shared = [b for b in range(len(AGES)) if weights[b] and all(len(of_band[b]) for of_band in table.values())]
    figures["ages compared"] = float(weights[shared].sum())
    if shared:
        for group, of_band in table.items():
            mean = np.array([of_band[b].mean() for b in shared]) @ weights[shared] / weights[shared].sum()
            figures[f"accuracy, one age for all/{group}"] = float(mean)
    return figures


def accuracy_with_equal_rivals(parts: Parts, predict: Callable[[FaceSet], np.ndarray], rivals: int) -> Figures:
    """``accuracy, equal rivals/TEST``: how often the right class is the most probable of K of its group.

    Where a group is small its photographs have few classes to be mistaken for that look like them; plain accuracy shows that
    together with how well the group was learned. Here each is compared with K - 1 others of its group, whatever the shares.
    With h of the n - 1 others at least as probable as the right class, the mean over all draws of K - 1 of them is

        C(n - 1 - h, K - 1) / C(n - 1, K - 1)

    Args:
        parts: of the training.
        predict: photographs -> (N, C).
        rivals: K, 2 to the size of the smallest group.
    """
    of_class, figures = parts.class_groups(), {}
    for test, faces in parts.seen.items():
        classes, right = np.searchsorted(parts.train.people, faces.identity), np.zeros(len(faces))
        for row, (chances, own) in enumerate(zip(predict(faces), classes, strict=True)):
            kin = chances[of_class == of_class[own]]
            right[row] = comb(int((kin < chances[own]).sum()), rivals - 1) / comb(len(kin) - 1, rivals - 1)
        figures |= _by_group(f"accuracy, equal rivals/{test}", right, faces, parts.column)
    return figures


def verification_by_group(parts: Parts, embed: Callable[[FaceSet], np.ndarray]) -> Figures:
    """``eer/GROUP`` of pairs of all strangers, nobody of whom was in training; renderings of one photograph are no pair.

    Strangers of the smaller group are few, and hardly compared with each other: a group's impostor pairs are those with one
    of the group or two, its genuine pairs its own.

    Args:
        parts: of the training, its people known.
        embed: photographs -> (N, D).
    """
    halves = (parts.calibration, parts.unseen)
    faces = replace(
        halves[0],
        images=np.concatenate([half.images for half in halves]),
        identity=np.concatenate([half.identity for half in halves]),
        attributes=pd.concat([half.attributes for half in halves], ignore_index=True),
    )
    pairs = all_pairs(faces, "photo" if "photo" in faces.attributes else None)
    found, group = cosine_scores(embed(faces), pairs), faces.attributes[parts.column].to_numpy()
    figures = {"eer/all": eer(roc(found, pairs.same))}
    for name in np.unique(group):
        own = (group[pairs.first] == name) | (group[pairs.second] == name)
        figures[f"eer/{name}"] = eer(roc(found[own], pairs.same[own]))
    return figures


def _by_group(name: str, values: np.ndarray, faces: FaceSet, column: str) -> Figures:
    groups = faces.attributes[column].to_numpy()
    means = {f"{name}/{group}": float(values[groups == group].mean()) for group in np.unique(groups)}
    return {f"{name}/all": float(values.mean())} | means
