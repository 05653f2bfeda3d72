"""Does imbalance in training make a recogniser unfair? One training for each share of a group, many seeds, and what may help.

``python -m facelab.labs.imbalance utkface-gender`` (``utkface-race``, ``orl-glasses``) makes the records for notebook 08.
A run that is done is kept; a second call computes what is missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated

import numpy as np
import torch
import typer

from facelab.augment import CLASSIFIER, PLAIN, Augmentation
from facelab.backbones import backbone
from facelab.datasets import FaceSet, load
from facelab.datasets.unbalanced import Shares
from facelab.errors import BadParameterError
from facelab.labs import command
from facelab.labs.imbalance_parts import Parts, people_as_classes, photographs_as_classes
from facelab.labs.imbalance_summary import summary
from facelab.labs.kept import kept, over
from facelab.labs.utkface_labels import copies
from facelab.methods import Margin
from facelab.paths import own_data
from facelab.records import Record
from facelab.training import Plan, fit

SIZE = 48
SHARES = tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))  #: of the varied group
BELIEVED = 0.9  #: the softmax from which the earlier project called somebody identified
AGES = (0, 18, 36, 61, 200)  #: bands of age, in years
MITIGATIONS = ("none", "re-weighting", "balanced sampling", "margin by group")
EXTRA_MARGIN = 0.15  #: that the classes of the smaller group get


@dataclass(frozen=True)
class Design:
    """One experiment.

    Attributes:
        dataset: name for ``datasets.load``.
        column: the attribute; a column of the table, or made by ``prepared``.
        varied: the group whose share varies.
        others: the groups that divide the rest equally.
        total: number of classes.
        people: whether a class is a person; otherwise it is a photograph.
        plan: of every training; the seed is filled in.
        views: augmentation in training. Photographs as classes have their copies, and no other.
        strangers: photographs of each group in calibration and in the test of strangers; people: all that are left.
        false_alarms: share of the calibration's strangers that the calibrated threshold lets pass.
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

    def shares(self, share: float) -> Shares:
        """Of every group, where the varied one has ``share``."""
        return {self.varied: share} | {other: (1 - share) / len(self.others) for other in self.others}

    def prepared(self) -> FaceSet:
        """The photographs to draw from, their groups in ``column``.

        Raises:
            DataMissingError: the data set is not there.
        """
        return _glasses(load(self.dataset, SIZE)) if self.people else _without_copies(load(self.dataset, SIZE))

    def parts(self, faces: FaceSet, share: float, seed: int) -> Parts:
        """Training and test at one share."""
        series = [self.shares(one) for one in SHARES]
        if self.people:
            return people_as_classes(faces, self.column, series, self.shares(share), self.total, seed)
        return photographs_as_classes(faces, self.column, series, self.shares(share), self.total, self.strangers, seed)


DESIGNS = {
    "utkface-gender": Design(
        "utkface", "gender", "female", ("male",), 200, False, Plan(epochs=6, batch_size=64, lr=3e-3), strangers=500
    ),
    "utkface-race": Design(
        "utkface",
        "race",
        "White",
        ("Black", "Asian", "Indian"),
        300,
        False,
        Plan(epochs=4, batch_size=64, lr=3e-3),
        strangers=300,
    ),
    "orl-glasses": Design(
        "orl-wild",
        "wears glasses",
        "yes",
        ("no",),
        10,
        True,
        Plan(epochs=30, batch_size=24, lr=3e-3),
        CLASSIFIER,
        false_alarms=0.1,
    ),
}


def design(name: str) -> Design:
    """A design by name.

    Raises:
        BadParameterError: there is none.
    """
    if name not in DESIGNS:
        raise BadParameterError(f"There is no experiment {name!r}.", f"There are: {', '.join(DESIGNS)}.")
    return DESIGNS[name]


def trained(parts: Parts, design: Design, seed: int, loss: str = "cosface", mitigation: str = "none") -> Margin:
    """A network that tells the classes apart; each training takes as many steps, whatever the mitigation.

    Args:
        parts: from ``Design.parts``.
        design: its plan, views and options.
        seed: of the weights and of the order.
        loss: a key of ``methods.margin.LOSSES``; scale and margin of the design go to the losses of cosines.
        mitigation: "re-weighting": a class counts inversely to the size of its group. "balanced sampling": photographs of
            smaller groups are repeated. "margin by group": classes of smaller groups get a larger margin.

    Raises:
        BadParameterError: no such mitigation, or one that the loss has no place for.
    """
    if mitigation not in MITIGATIONS or (mitigation == "margin by group" and loss not in ("cosface", "arcface")):
        raise BadParameterError(f"{mitigation!r} with {loss}.", f"There are: {', '.join(MITIGATIONS)}.")
    torch.manual_seed(seed)
    faces, options = parts.train, design.options if loss in ("cosface", "arcface") else {}
    network = backbone("resnet10", in_channels=faces.images.shape[3])
    method = Margin(network, design.views, len(faces.people), loss, **options)
    group = parts.group_of_class()
    names, which, size = np.unique(group, return_inverse=True, return_counts=True)
    rows = np.arange(len(faces))
    if mitigation == "re-weighting":
        method.head.importance.copy_(torch.from_numpy(len(group) / (len(names) * size[which])))
    elif mitigation == "margin by group":
        smaller = torch.from_numpy(1 - size[which] / size.max())
        method.head.margins.add_(EXTRA_MARGIN * smaller)
    elif mitigation == "balanced sampling":
        rng, of_row = np.random.default_rng([seed, 3]), which[faces.labels()]
        most = np.bincount(of_row).max()
        rows = np.concatenate([rows] + [_more(np.flatnonzero(of_row == g), most, rng) for g in range(len(names))])
    plan = replace(design.plan, seed=seed)
    labels = faces.labels()
    fit(method, faces.subset(rows), plan.as_long_as(len(faces), len(rows)), labels=labels[rows])
    return method


def run(name: str, share: float, seed: int, loss: str = "cosface", mitigation: str = "none") -> dict[str, float]:
    """One training and everything that is measured of it: ``FIGURE/GROUP`` -> value. Kept, and read where it is there.

    ``accuracy/TEST/GROUP``, ``confidence/seen/GROUP``, ``confidence/strangers/GROUP``; strangers taken for somebody by a
    softmax of .9 and at the calibrated threshold (``false alarms/...``), and the seen that are then found (``found/...``).
    """
    chosen = design(name)
    settings = {"design": asdict(chosen), "share": share, "seed": seed, "loss": loss, "mitigation": mitigation}

    def compute() -> dict[str, float]:
        torch.set_num_threads(1)
        parts = chosen.parts(chosen.prepared(), share, seed)
        return measured(parts, trained(parts, chosen, seed, loss, mitigation).predict, chosen.false_alarms)

    return kept(f"imbalance/{name}", f"{share:g}-{seed}-{mitigation.replace(' ', '-')}", settings, compute)


def measured(parts: Parts, predict: Callable[[FaceSet], np.ndarray], false_alarms: float) -> dict[str, float]:
    """The figures of ``run``, of class probabilities (N, C) that ``predict`` gives to photographs."""
    figures: dict[str, float] = {}
    threshold = float(np.quantile(predict(parts.calibration).max(axis=1), 1 - false_alarms, method="higher"))
    strangers = predict(parts.unseen).max(axis=1)
    _by_group(figures, "confidence/strangers", strangers, parts.unseen, parts.column)
    for name, edge in (("softmax .9", BELIEVED), ("calibrated", threshold)):
        _by_group(figures, f"false alarms/{name}", strangers > edge, parts.unseen, parts.column)
    for number, (test, faces) in enumerate(parts.seen.items()):
        believed = predict(faces)
        classes = np.searchsorted(parts.train.people, faces.identity)
        right, sure = believed.argmax(axis=1) == classes, believed.max(axis=1)
        _by_group(figures, f"accuracy/{test}", right, faces, parts.column)
        if number == 0:
            _by_group(figures, "confidence/seen", sure, faces, parts.column)
            for name, edge in (("softmax .9", BELIEVED), ("calibrated", threshold)):
                _by_group(figures, f"found/{name}", right & (sure > edge), faces, parts.column)
            _by_age(figures, right, faces, parts.column)
    return figures


def _by_group(figures: dict[str, float], name: str, values: np.ndarray, faces: FaceSet, column: str) -> None:
    groups = faces.attributes[column].to_numpy()
    figures[f"{name}/all"] = float(values.mean())
    for group in np.unique(groups):
        figures[f"{name}/{group}"] = float(values[groups == group].mean())


def _by_age(figures: dict[str, float], right: np.ndarray, faces: FaceSet, column: str) -> None:
    """Accuracy by group within each band of age, and standardised: the mean over the bands, as if all groups were as old.

    A band in which a group has nobody is left out of the standard for all groups.
    """
    if "age" not in faces.attributes:
        return
    groups, band = faces.attributes[column].to_numpy(), np.digitize(faces.attributes["age"], AGES[1:-1])
    names = np.unique(groups)
    shared = [b for b in range(len(AGES) - 1) if all(((groups == g) & (band == b)).any() for g in names)]
    weights = np.array([(band == b).mean() for b in shared])
    for group in names:
        of_band = np.array([right[(groups == group) & (band == b)].mean() for b in shared])
        for b, value in zip(shared, of_band, strict=True):
            figures[f"accuracy by age/{AGES[b]} to {AGES[b + 1] - 1}/{group}"] = float(value)
        figures[f"accuracy, one age for all/{group}"] = float(of_band @ weights / weights.sum())


def _without_copies(faces: FaceSet) -> FaceSet:
    """One photograph of each set of copies; none whose copies disagree on a label, and none without labels."""
    known = faces.attributes[["gender", "race", "age"]].notna().all(axis=1).to_numpy()
    if "duplicate_label_conflict" in faces.attributes:
        known = known & faces.attributes["duplicate_label_conflict"].isin(["", None]).to_numpy()
    _, first = np.unique(copies(faces), return_index=True)
    return faces.subset(np.intersect1d(first, np.flatnonzero(known)))


def _glasses(faces: FaceSet) -> FaceSet:
    """People who wear glasses on 8 photographs of 10 or more, and those who do on 2 or fewer; the others are left out."""
    share = faces.attributes["glasses"].astype(float).groupby(faces.identity).mean()
    worn = share[faces.identity].to_numpy()
    kept = faces.subset((worn >= 0.8) | (worn <= 0.2))
    worn = worn[(worn >= 0.8) | (worn <= 0.2)]
    return replace(kept, attributes=kept.attributes.assign(**{"wears glasses": np.where(worn >= 0.8, "yes", "no")}))


def _more(own: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Rows to add to ``own`` so that there are ``most``: each as often as the next, the rest drawn."""
    missing = most - len(own)
    return np.concatenate([np.tile(own, missing // len(own)), rng.permutation(own)[: missing % len(own)]])


def main(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(DESIGNS)}.")],
    seeds: Annotated[int, typer.Option(min=3, help="Seeds 0 ... seeds-1, of the draws, weights and order.")] = 5,
    loss: Annotated[str, typer.Option(help="A margin loss; the margin by group needs cosface or arcface.")] = "cosface",
) -> None:
    """Run what is missing, and write ``data/results/08_NAME.json``."""
    chosen, started = design(name), time.monotonic()
    faces = chosen.prepared()
    asked = [(name, share, seed, loss, "none") for seed in range(seeds) for share in SHARES]
    ends = (SHARES[0], SHARES[-1])
    asked += [(name, share, seed, loss, how) for seed in range(seeds) for share in ends for how in MITIGATIONS[1:]]
    found = {(share, seed, how): figures for (_, share, seed, _, how), figures in over(run, asked, name).items()}
    record_name = "08_" + name.replace("-", "_")
    given = {"design": name, "seeds": seeds, "loss": loss, "size": SIZE, **asdict(chosen)}
    record = Record(record_name, f"python -m facelab.labs.imbalance {name} --seeds {seeds} --loss {loss}", given)
    record.data["faces"] = faces.describe()
    record.metrics = summary(found, (chosen.varied, *chosen.others))
    record.wall_seconds = round(time.monotonic() - started, 1)
    print(record.write(own_data("results", f"{record_name}.json")))


if __name__ == "__main__":
    command.run(main)
