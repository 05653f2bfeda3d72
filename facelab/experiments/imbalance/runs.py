"""Does imbalance in training make a recogniser unfair? One training for each share of a group, many seeds, and what may help.

``python -m facelab.experiments.imbalance.runs utkface-gender`` (``utkface-race``, ``orl-glasses``) makes the records for notebook 08.
A run that is done is kept; a second call computes what is missing.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated

import numpy as np
import torch
import typer

from facelab.backbones import backbone
from facelab.errors import BadParameterError
from facelab.experiments import command
from facelab.experiments.grid import Run, kept, over, seconds_of
from facelab.experiments.imbalance.designs import DESIGNS, SHARES, SIZE, Design, design, photographs
from facelab.experiments.imbalance.figures import AGES, BELIEVED, measured, verified, with_equal_rivals
from facelab.experiments.imbalance.parts import COPIES, COPYING, Parts
from facelab.experiments.imbalance.summary import summary
from facelab.methods import Margin, embed_faces
from facelab.paths import own_data
from facelab.records import Record
from facelab.training import Plan, fit

MITIGATIONS = ("none", "re-weighting", "balanced sampling", "margin by group")
WITH_MARGINS = ("cosface", "arcface")  #: losses that take the design's scale and margin, and a margin for each class
EXTRA_MARGIN = 0.15  #: that the classes of a vanishing group would get


def trained(parts: Parts, design: Design, seed: int, loss: str = "cosface", mitigation: str = "none") -> Margin:
    """A network that tells the classes apart; each training takes equally many steps, whatever the mitigation.

    Args:
        parts: from ``Design.parts``.
        design: its plan, views and options.
        seed: of the weights and of the order.
        loss: a key of ``methods.margin.LOSSES``; scale and margin of the design go to the losses of cosines.
        mitigation: "re-weighting": a class counts inversely to the size of its group. "balanced sampling": photographs of
            smaller groups are repeated, so that all groups are seen equally often. "margin by group": a class gets
            ``EXTRA_MARGIN`` (1 - size of its group / size of the largest) more.

    Raises:
        BadParameterError: no such mitigation, or one that the loss has no place for.
    """
    if mitigation not in MITIGATIONS or (mitigation == "margin by group" and loss not in WITH_MARGINS):
        raise BadParameterError(f"{mitigation!r} with {loss}.", f"There are: {', '.join(MITIGATIONS)}.")
    torch.manual_seed(seed)
    faces, plan = parts.train, replace(design.plan, seed=seed)
    options = design.options if loss in WITH_MARGINS else {}
    if loss == "sphereface":  # its annealing belongs to the length of the run
        options = {"annealing": plan.epochs * (len(faces) // plan.batch_size) * 2 // 3}
    network = backbone("resnet10", in_channels=faces.images.shape[3])
    method = Margin(network, design.views, len(faces.people), loss, **options)
    _, which, size = np.unique(parts.group_of_class(), return_inverse=True, return_counts=True)
    labels = faces.labels()
    if mitigation == "re-weighting":
        method.head.importance.copy_(torch.from_numpy(len(which) / (len(size) * size[which])))
    elif mitigation == "margin by group":
        method.head.margins.add_(EXTRA_MARGIN * torch.from_numpy(1 - size[which] / size.max()))
    elif mitigation == "balanced sampling":
        rows, plan = balanced(which[labels], plan)
        faces, labels = faces.subset(rows), labels[rows]
    fit(method, faces, plan, labels=labels)
    return method


def balanced(group: np.ndarray, plan: Plan) -> tuple[np.ndarray, Plan]:
    """All photographs of a training as one epoch in which each group is equally often, and the plan for it.

    It has as many steps as ``plan`` has on the photographs as they are, and as many of them are the warm-up. Within a group
    each photograph is as often as the next, but for one.

    Args:
        group: int (N,), group of each photograph, from 0.
        plan: of the training without repetition.

    Returns:
        Rows, int64 (steps * batch,), and the plan of one epoch.
    """
    length = plan.epochs * (len(group) // plan.batch_size) * plan.batch_size
    rng, groups = np.random.default_rng([plan.seed, 3]), group.max() + 1
    counts = [len(part) for part in np.array_split(np.arange(length), groups)]
    rows = [np.resize(rng.permutation(np.flatnonzero(group == g)), count) for g, count in enumerate(counts)]
    return np.concatenate(rows), replace(plan, epochs=1, warmup_epochs=plan.warmup_epochs / plan.epochs)


def run(name: str, share: float, seed: int, loss: str = "cosface", mitigation: str = "none") -> Run:
    """One training and what is measured of it: see ``imbalance_figures``. Kept, and read where it is there.

    Args:
        name: of a design.
        share: of the varied group, one of ``SHARES``.
        seed: of the draws of people and strangers, of the copies, the weights and the order.
        loss, mitigation: as in ``trained``.

    Raises:
        BadParameterError: no such design; otherwise as ``trained``.
        DataMissingError: the data set is not there.
    """
    chosen, faces = design(name), photographs(name)
    settings = {"design": asdict(chosen), "share": share, "seed": seed, "loss": loss, "mitigation": mitigation}
    settings |= {"faces": faces.sha256, "extra margin": EXTRA_MARGIN, "believed": BELIEVED, "ages": AGES}
    if not chosen.people:
        settings |= {"copies": COPIES, "copying": asdict(COPYING)}

    def compute() -> dict[str, float]:
        torch.set_num_threads(1)
        parts = chosen.parts(faces, share, seed)
        method = trained(parts, chosen, seed, loss, mitigation)
        figures = measured(parts, method.predict, chosen.false_alarms)
        if chosen.rivals > 1:
            figures |= with_equal_rivals(parts, method.predict, chosen.rivals)
        return figures | (verified(parts, lambda some: embed_faces(method, some)) if chosen.people else {})

    return kept(f"imbalance/{name}", f"{share:g}-{seed}-{mitigation.replace(' ', '-')}", settings, compute)


def main(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(DESIGNS)}.")],
    seeds: Annotated[int, typer.Option(min=3, help="Seeds 0 ... seeds-1, of the draws, weights and order.")] = 5,
    loss: Annotated[str, typer.Option(help="A margin loss; the margin by group needs cosface or arcface.")] = "cosface",
) -> None:
    """Run what is missing, and write ``data/results/08_NAME.json``."""
    chosen = design(name)
    faces = photographs(name)
    helps = [how for how in MITIGATIONS[1:] if how != "margin by group" or loss in WITH_MARGINS]
    asked = [(name, share, seed, loss, "none") for seed in range(seeds) for share in SHARES]
    ends = (SHARES[0], SHARES[-1])
    asked += [(name, share, seed, loss, how) for seed in range(seeds) for share in ends for how in helps]
    found = over(run, asked, name)
    by_run = {(share, seed, how): done.figures for (_, share, seed, _, how), done in found.items()}
    record_name = "08_" + name.replace("-", "_") + ("" if loss == "cosface" else f"_{loss}")
    given = {"design": name, "seeds": seeds, "loss": loss, "size": SIZE, **asdict(chosen), "extra margin": EXTRA_MARGIN}
    given["class"] = "a person" if chosen.people else "a photograph, not a person"
    if not chosen.people:
        given |= {"copies": COPIES, "copying": asdict(COPYING)}
    record = Record(
        record_name, f"python -m facelab.experiments.imbalance.runs {name} --seeds {seeds} --loss {loss}", given
    )
    record.data["faces"] = faces.describe()
    record.metrics = summary(by_run, (chosen.varied, *chosen.others))
    record.wall_seconds = seconds_of(found)
    print(record.write(own_data("results", f"{record_name}.json")))


if __name__ == "__main__":
    command.run(main)
