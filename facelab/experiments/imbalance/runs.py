"""Does imbalance in training make a recogniser unfair? A training for each share of a group, many seeds, and what may help."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial

import numpy as np
import torch

from facelab.backbones import backbone
from facelab.errors import BadParameterError
from facelab.experiments.experiment import Cell, Experiment, Figures, Results
from facelab.experiments.imbalance.designs import SHARES, SIZE, Design, get_design, load_photographs
from facelab.experiments.imbalance.figures import (
    AGES,
    SOFTMAX_THRESHOLD,
    accuracy_with_equal_rivals,
    measure,
    verification_by_group,
)
from facelab.experiments.imbalance.parts import COPIES, COPY_AUGMENTATION, Parts
from facelab.experiments.imbalance.summary import summarise as summarise_runs
from facelab.methods import Margin, embed_faces
from facelab.records import Metric
from facelab.training import CheckpointFolder, Plan, Training

MITIGATIONS = ("none", "re-weighting", "balanced sampling", "margin by group")
WITH_MARGINS = ("cosface", "arcface")  #: losses that take the design's scale and margin, and a margin for each class
EXTRA_MARGIN = 0.15  #: that the classes of a vanishing group would get


def new_training(
    parts: Parts,
    design: Design,
    seed: int,
    loss: str = "cosface",
    mitigation: str = "none",
    folder: CheckpointFolder | None = None,
    network: tuple[str, int | None] = ("resnet10", None),
) -> Training:
    """The training of a network that tells the classes apart; of equally many steps, whatever the mitigation.

    Args:
        parts: from ``Design.make_parts``.
        design: its plan, views and options.
        seed: of the weights and of the order.
        loss: a key of ``methods.margin.LOSSES``; scale and margin of the design go to the losses of cosines.
        mitigation: "re-weighting": a class counts inversely to the size of its group. "balanced sampling": photographs of
            smaller groups are repeated, so that all groups are seen equally often. "margin by group": a class gets
            ``EXTRA_MARGIN`` (1 - size of its group / size of the largest) more.
        folder: where the checkpoint is kept; None: nowhere.
        network: name and width of the backbone, as for ``backbones.backbone``.

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
    name, width = network
    start_network = backbone(name, in_channels=faces.images.shape[3], width=width)
    method = Margin(start_network, design.views, len(faces.people), loss, **options)
    _, which, size = np.unique(parts.class_groups(), return_inverse=True, return_counts=True)
    labels = faces.labels()
    if mitigation == "re-weighting":
        method.head.importance.copy_(torch.from_numpy(len(which) / (len(size) * size[which])))
    elif mitigation == "margin by group":
        method.head.margins.add_(EXTRA_MARGIN * torch.from_numpy(1 - size[which] / size.max()))
    elif mitigation == "balanced sampling":
        rows, plan = balanced_epoch(which[labels], plan)
        faces, labels = faces.subset(rows), labels[rows]
    return Training(method, faces, plan, labels=labels, folder=folder)


def balanced_epoch(group: np.ndarray, plan: Plan) -> tuple[np.ndarray, Plan]:
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


def grid(name: str, loss: str, seeds: int) -> list[Cell]:
    """Every share under every seed; at the two most uneven shares every mitigation that the loss has a place for as well."""
    design = get_design(name)
    settings = {"design": asdict(design), "loss": loss, "extra margin": EXTRA_MARGIN}
    settings |= {"threshold": SOFTMAX_THRESHOLD, "ages": AGES}
    if not design.people:
        settings |= {"copies": COPIES, "copying": asdict(COPY_AUGMENTATION)}
    remedies = [how for how in MITIGATIONS[1:] if how != "margin by group" or loss in WITH_MARGINS]
    runs = [(share, "none", seed) for seed in range(seeds) for share in SHARES]
    runs += [(share, how, seed) for seed in range(seeds) for share in (SHARES[0], SHARES[-1]) for how in remedies]
    return [Cell((name, *one), settings) for one in runs]


def run(cell: Cell) -> Figures:
    """One training and what is measured of it: see ``figures``. Its seed is that of all draws, of weights and of the order."""
    name, share, mitigation, seed = cell.key
    design = get_design(name)
    parts = design.make_parts(load_photographs(name), share, seed)
    training = new_training(parts, design, seed, cell.settings["loss"], mitigation)
    training.fit()
    method = training.method
    figures = measure(parts, method.predict, design.false_alarms)
    if design.rivals > 1:
        figures |= accuracy_with_equal_rivals(parts, method.predict, design.rivals)
    if design.people:
        figures |= verification_by_group(parts, lambda faces: embed_faces(method, faces))
    return figures


def summarise(results: Results) -> dict[str, Metric]:
    """See ``summary.summarise``."""
    name, *_ = next(iter(results))
    design = get_design(name)
    runs = {(share, seed, mitigation): own for (_, share, mitigation, seed), own in results.items()}
    return summarise_runs(runs, (design.varied, *design.others))


def parameters(name: str, loss: str, seeds: int) -> dict[str, object]:
    """Of the record."""
    design = get_design(name)
    given = {"design": name, "seeds": seeds, "loss": loss, "size": SIZE, **asdict(design), "extra margin": EXTRA_MARGIN}
    if design.people:
        return given | {"class": "a person"}
    copies = {"copies": COPIES, "copying": asdict(COPY_AUGMENTATION)}
    return given | {"class": "a photograph, not a person"} | copies


def data(name: str) -> dict[str, dict[str, object]]:
    """Of the record: the photographs that are drawn from."""
    return {"faces": load_photographs(name).describe()}


def _experiment(name: str, shows: str, seeds: int = 5, loss: str = "cosface") -> Experiment:
    return Experiment(
        name="08_" + name.replace("-", "_") + ("" if loss == "cosface" else f"_{loss}"),
        notebook="08",
        shows=f"{shows}; mitigations",
        datasets=(get_design(name).dataset,),
        grid=partial(grid, name, loss),
        run=run,
        summarise=summarise,
        parameters=partial(parameters, name, loss),
        data=partial(data, name),
        seeds=seeds,
    )


EXPERIMENTS = (
    _experiment("orl-glasses", "10 people of orl-wild, 1 to 9 of them with glasses", seeds=10),
    _experiment("utkface-gender", "200 photographs of UTKFace, 10 to 90 % of them of women"),
    _experiment("utkface-race", "300 photographs of UTKFace, 10 to 90 % of them of one group"),
)
