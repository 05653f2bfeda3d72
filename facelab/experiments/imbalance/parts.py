"""Who is in training, with which share of each group, and who is never seen: the parts of an experiment on imbalance.

Two kinds of classes. Where people are known (orl-wild) a class is a person: some photographs train, others are asked about.
Where they are not (UTKFace) a class is a *photograph*: augmented copies of it train, and the photograph itself and one more
copy are asked about. The second is recognition of a photograph under other conditions, not of a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from facelab import augment
from facelab.datasets import FaceSet
from facelab.datasets.group_shares import Shares, sample_with_shares
from facelab.datasets.leakage import assert_disjoint
from facelab.datasets.splits import stratified_split
from facelab.errors import BadParameterError, LeakageError
from facelab.experiments.utkface_labels import copy_groups

COPIES = 16  #: augmented copies of a photograph that is a class
#: The copies are pictures: not normalised.
COPY_AUGMENTATION = replace(augment.COPIES, mean=(0.0,), std=(1.0,))


@dataclass(frozen=True)
class Parts:
    """The photographs of one training and of its test.

    Attributes:
        train: what is learned from; ``train.labels()`` are the classes.
        seen: name of a test -> photographs of the classes, none of which is in ``train``; ``identity`` as in ``train``.
        calibration, unseen: strangers, to set a threshold on, and to judge it; nobody in both, nobody in ``train``.
        column: of the attribute table that holds the groups.
    """

    train: FaceSet
    seen: Mapping[str, FaceSet]
    calibration: FaceSet
    unseen: FaceSet
    column: str

    def class_groups(self) -> np.ndarray:
        """The group of each class, in the order of ``train.labels()``: (C,)."""
        _, first = np.unique(self.train.labels(), return_index=True)
        return self.train.attributes[self.column].to_numpy()[first]


def photographs_as_classes(
    faces: FaceSet, column: str, series: list[Shares], shares: Shares, total: int, strangers: int, seed: int
) -> Parts:
    """Parts for photographs of unknown people, each a class of its own.

    Args:
        faces: photographs of which no two are copies of each other.
        column: of the groups.
        series: all shares that will be compared. Strangers are in none of their draws, so that all meet the same ones.
        shares: those of this training, one of the series.
        total: number of classes.
        strangers: photographs of each group in ``calibration``, and as many in ``unseen``.
        seed: of the draws and of the copies.

    Raises:
        LeakageError: two of the photographs are copies of each other.
        BadParameterError: too few photographs of a group; otherwise as ``sample_with_shares``.
    """
    _assert_no_copies(faces)
    ever = np.unique(np.concatenate([sample_with_shares(faces, column, one, total, seed).rows for one in series]))
    rest = np.setdiff1d(np.arange(len(faces)), ever)
    halves = _strangers(faces, rest, column, list(shares), strangers, np.random.default_rng([seed, 1]))
    drawn = faces.subset(sample_with_shares(faces, column, shares, total, seed).rows)
    clean = replace(drawn, identity=np.arange(len(drawn)), names=tuple(drawn.attributes["file"]))
    rng = np.random.default_rng([seed, 2])
    train = augment_copies(clean, COPIES, rng)
    parts = Parts(train, {"clean": clean, "one more copy": augment_copies(clean, 1, rng)}, *halves, column)
    _assert_apart(parts, by=("hash",))
    return parts


def people_as_classes(
    faces: FaceSet, column: str, series: list[Shares], shares: Shares, total: int, seed: int
) -> Parts:
    """Parts for known people: 60 % of each person's photographs train. Who is in no draw of the series is a stranger.

    Args:
        faces: photographs of known people, one group each; renderings of one photograph (column ``photo``) stay together.
        column, series, shares, total, seed: as in ``photographs_as_classes``.

    Raises:
        BadParameterError: fewer than two people of a group are left as strangers; otherwise as ``sample_with_shares``.
    """
    ever = np.concatenate([faces.identity[sample_with_shares(faces, column, one, total, seed).rows] for one in series])
    drawn = faces.subset(sample_with_shares(faces, column, shares, total, seed).rows)
    group = "photo" if "photo" in faces.attributes else None
    split = stratified_split(drawn, train=0.6, seed=seed, group=group)
    others = np.setdiff1d(faces.people, ever)
    rng, halves = np.random.default_rng([seed, 1]), ([], [])
    groups = faces.attributes.groupby(faces.identity)[column].first()
    for value in shares:
        own = rng.permutation([person for person in others if groups[person] == value])
        if len(own) < 2:
            raise BadParameterError(
                f"{len(own)} people of {column} {value!r} are left as strangers.", "Draw fewer people: a smaller total."
            )
        for half, some in zip(halves, np.array_split(own, 2), strict=True):
            half.extend(some)
    calibration, unseen = (faces.select_people(half) for half in halves)
    parts = Parts(
        drawn.subset(split.train), {"other photographs": drawn.subset(split.test)}, calibration, unseen, column
    )
    _assert_apart(parts, by=("identity", "file", "hash"))
    return parts


def augment_copies(faces: FaceSet, count: int, rng: np.random.Generator) -> FaceSet:
    """So many augmented copies of each photograph, one after the other, as pictures: uint8 (N count, H, W, C)."""
    rows = np.repeat(np.arange(len(faces)), count)
    repeated = faces.subset(rows)
    views = COPY_AUGMENTATION.apply(repeated.images, COPY_AUGMENTATION.draw(len(rows), rng))
    pixels = (views.permute(0, 2, 3, 1) * 255).round().clamp(0, 255).byte().numpy()
    numbers = np.tile(np.arange(count), len(faces))
    files = [f"{file}#{number}" for file, number in zip(repeated.attributes["file"], numbers, strict=True)]
    return replace(repeated, images=pixels, attributes=repeated.attributes.assign(file=files))


def _strangers(
    faces: FaceSet, rest: np.ndarray, column: str, groups: list[object], each: int, rng: np.random.Generator
) -> tuple[FaceSet, FaceSet]:
    halves = ([], [])
    for value in groups:
        own = rng.permutation(rest[(faces.attributes[column].to_numpy()[rest] == value)])
        if len(own) < 2 * each:
            raise BadParameterError(
                f"{faces.source} has {len(own)} strangers of {column} {value!r}, {2 * each} are asked for.",
                "Ask for fewer, or draw fewer classes.",
            )
        for half, some in zip(halves, (own[:each], own[each : 2 * each]), strict=True):
            half.extend(some)
    return faces.subset(np.sort(halves[0])), faces.subset(np.sort(halves[1]))


def _assert_no_copies(faces: FaceSet) -> None:
    """Where no photograph has a copy, none of what is drawn has one among the strangers."""
    _, size = np.unique(copy_groups(faces), return_counts=True)
    if twice := int((size > 1).sum()):
        raise LeakageError(f"{faces.source} holds {twice} pictures more than once.", "Keep one photograph of each.")


def _assert_apart(parts: Parts, by: tuple[str, ...]) -> None:
    strangers = (parts.calibration, parts.unseen)
    assert_disjoint(*strangers, kinds=by)
    for known in (parts.train, *parts.seen.values()):
        for other in strangers:
            assert_disjoint(known, other, kinds=by)
