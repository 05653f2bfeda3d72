"""The experiments on imbalance: which group's share varies, in which data, how long a training is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from facelab.augment import CLASSIFIER, PLAIN, Augmentation
from facelab.datasets import FaceSet, load
from facelab.datasets.group_shares import Shares
from facelab.errors import BadParameterError
from facelab.experiments.imbalance.parts import Parts, people_as_classes, photographs_as_classes
from facelab.experiments.utkface_labels import copy_groups
from facelab.training import Plan

SIZE = 48
SHARES = tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))  #: of the varied group


@dataclass(frozen=True)
class Design:
    """One experiment.

    Attributes:
        dataset: name for ``datasets.load``.
        column: the attribute; a column of the table, or made by ``load_faces``.
        varied: the group whose share varies.
        others: the groups that divide the rest equally.
        total: number of classes.
        people: whether a class is a person; otherwise it is a photograph.
        plan: of every training; the seed is filled in.
        views: augmentation in training. Photographs as classes have their copies, and no other.
        strangers: photographs of each group in calibration and in the test of strangers; people: all that are left.
        false_alarms: share of the calibration's strangers that the calibrated threshold lets pass.
        options: scale and margin, for the losses of cosines that have a margin.
    """

    dataset: str
    column: str
    varied: str
    others: tuple[str, ...]
    total: int
    people: bool
    plan: Plan
    views: Augmentation = PLAIN
    strangers: int = 0
    false_alarms: float = 0.01
    options: dict[str, object] = field(default_factory=lambda: {"scale": 16.0, "margin": 0.2})

    def group_shares(self, share: float) -> Shares:
        """Of every group, where the varied one has ``share``."""
        return {self.varied: share} | {other: (1 - share) / len(self.others) for other in self.others}

    @property
    def rivals(self) -> int:
        """Classes of the smallest group at the most uneven share: as many as every group has at every share."""
        return min(
            round(share * self.total) for one in (SHARES[0], SHARES[-1]) for share in self.group_shares(one).values()
        )

    def load_faces(self) -> FaceSet:
        """The photographs to draw from, their groups in ``column``.

        Raises:
            DataMissingError: the data set is not there.
        """
        return label_glasses(load(self.dataset, SIZE)) if self.people else drop_copies(load(self.dataset, SIZE))

    def make_parts(self, faces: FaceSet, share: float, seed: int) -> Parts:
        """Training and test at one share."""
        series = [self.group_shares(one) for one in SHARES]
        if self.people:
            return people_as_classes(faces, self.column, series, self.group_shares(share), self.total, seed)
        return photographs_as_classes(
            faces, self.column, series, self.group_shares(share), self.total, self.strangers, seed
        )


UTKFACE = Plan(epochs=5, batch_size=64, lr=3e-3)
ORL = Plan(epochs=20, batch_size=24, lr=3e-3)
RACES = ("Black", "Asian", "Indian")
DESIGNS = {
    "utkface-gender": Design("utkface", "gender", "female", ("male",), 200, False, UTKFACE, strangers=500),
    "utkface-race": Design("utkface", "race", "White", RACES, 300, False, UTKFACE, strangers=300),
    "orl-glasses": Design(
        "orl-wild", "wears glasses", "yes", ("no",), 10, True, ORL, views=CLASSIFIER, false_alarms=0.1
    ),
}


def get_design(name: str) -> Design:
    """A design by name.

    Raises:
        BadParameterError: there is none.
    """
    if name not in DESIGNS:
        raise BadParameterError(f"There is no experiment {name!r}.", f"There are: {', '.join(DESIGNS)}.")
    return DESIGNS[name]


@cache
def load_photographs(name: str) -> FaceSet:
    """``Design.load_faces`` of a design by name, read once in a process."""
    return get_design(name).load_faces()


def drop_copies(faces: FaceSet) -> FaceSet:
    """One photograph of each set of copies; none whose copies disagree on a label, and none without labels."""
    known = faces.attributes[["gender", "race", "age"]].notna().all(axis=1).to_numpy()
    if "duplicate_label_conflict" in faces.attributes:
        known = known & faces.attributes["duplicate_label_conflict"].fillna("").eq("").to_numpy()
    _, first = np.unique(copy_groups(faces), return_index=True)
    return faces.subset(np.intersect1d(first, np.flatnonzero(known)))


def label_glasses(faces: FaceSet) -> FaceSet:
    """People who wear glasses on 8 photographs of 10 or more, and those who do on 2 or fewer; the others are left out."""
    share = faces.attributes["glasses"].astype(float).groupby(faces.identity).mean()
    worn = share[faces.identity].to_numpy()
    sure = (worn >= 0.8) | (worn <= 0.2)
    table = faces.attributes.assign(**{"wears glasses": np.where(worn >= 0.8, "yes", "no")})
    return replace(faces, attributes=table).subset(sure)
