"""A step of each method beside lightly and pytorch-metric-learning: one network, one prepared batch, one optimiser."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from benchmarks import contenders
from benchmarks.contenders import Contender
from benchmarks.laptop import BATCH, PRECISIONS, SIDE, WIDTH, network_step, new_network, photographs
from benchmarks.timing import OURS, Effort, Row, compare
from facelab.augment import CLASSIFIER, SIMCLR
from facelab.backbones import Backbone
from facelab.methods import Margin, Method, MoCo, SimCLR, SupCon, VICReg

TITLE = "A step of a training: network, loss, gradients, optimiser"
CLASSES, EXPANDER = 100, 512
LIGHTLY, METRIC = "lightly", "pytorch-metric-learning"

#: name -> our method, whose contender, and the contender; each takes the network
METHODS: dict[str, tuple[Callable[[Backbone], Method], str, Callable[[Backbone], Contender]]] = {
    "SimCLR": (lambda network: SimCLR(network, SIMCLR), LIGHTLY, contenders.LightlySimCLR),
    "MoCo": (lambda network: MoCo(network, SIMCLR), LIGHTLY, contenders.LightlyMoCo),
    "VICReg": (
        lambda network: VICReg(network, SIMCLR, (EXPANDER,) * 3),
        LIGHTLY,
        lambda network: contenders.LightlyVICReg(network, EXPANDER),
    ),
    "SupCon": (lambda network: SupCon(network, SIMCLR), METRIC, contenders.MetricSupCon),
    "ArcFace": (
        lambda network: Margin(network, CLASSIFIER, CLASSES, "arcface"),
        METRIC,
        lambda network: contenders.MetricMargin(network, contenders.arc_face_loss(CLASSES, 128)),
    ),
    "CosFace": (
        lambda network: Margin(network, CLASSIFIER, CLASSES, "cosface"),
        METRIC,
        lambda network: contenders.MetricMargin(network, contenders.cos_face_loss(CLASSES, 128)),
    ),
}


def new_pair(name: str, width: int = WIDTH) -> tuple[Method, Contender]:
    """Our method and its contender, each around the same network with the same weights."""
    ours, _, theirs = METHODS[name]
    return ours(new_network(width)), theirs(new_network(width))


def measure(effort: Effort) -> list[Row]:
    """Each method, in float32 and by autocast to bfloat16."""
    return [_measure(name, precision, effort) for name in METHODS for precision in PRECISIONS]


def _measure(name: str, precision: str, effort: Effort) -> Row:
    batch, other = effort.choose(8, BATCH), METHODS[name][1]
    ours, theirs = new_pair(name)
    views = ours.draw_views(photographs(batch).images, np.random.default_rng(0))
    scenes = torch.arange(batch)
    labels = scenes % (batch // 2)  # two photographs of each person

    def our_loss() -> Tensor:
        return ours.training_step(views, labels, scenes)["loss"]

    functions = {
        OURS: network_step(ours, our_loss, precision),
        other: network_step(theirs, lambda: theirs(views, labels), precision),
    }
    title = f"step of {name}, {batch} photographs of {SIDE} px, {precision}"
    return compare(title, "photographs/s", effort.side_by_side(functions), batch)
