"""How much of a training is the network, and how near that comes to what the processor can do: products of matrices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.laptop import (
    BATCH,
    NETWORK,
    PRECISIONS,
    SIDE,
    WIDTH,
    epoch_clock,
    network_step,
    new_network,
    photographs,
)  # fmt: skip
from benchmarks.timing import OURS, Effort, Row, Spread, compare, stopwatch
from facelab.augment import CLASSIFIER
from facelab.methods import Classifier, Margin, Method, MoCo, SimCLR, SupCon, VICReg

TITLE = "The network's part, and its speed"
PEOPLE = 40
METHODS: dict[str, Callable[[torch.nn.Module], Method]] = {
    "classifier": lambda network: Classifier(network, CLASSIFIER, classes=PEOPLE),
    "CosFace": lambda network: Margin(network, CLASSIFIER, classes=PEOPLE),
    "SupCon": lambda network: SupCon(network, CLASSIFIER),
    "MoCo": lambda network: MoCo(network, CLASSIFIER, queue=1024),
    "SimCLR": lambda network: SimCLR(network, CLASSIFIER),
    "VICReg": lambda network: VICReg(network, CLASSIFIER, (512, 512, 512)),
}


def measure(effort: Effort) -> list[Row]:
    """The share of a step of ``fit`` outside network, loss and optimiser; and operations a second, of a step with them."""
    shapes = [(width, precision) for width in (WIDTH, 32) for precision in PRECISIONS]
    return [_share(name, effort) for name in METHODS] + [_speed(*shape, effort) for shape in shapes]


def _share(name: str, effort: Effort) -> Row:
    """As in the laptop's notebooks: grey photographs, small changes. What is outside: views, order, rate, log."""
    batch = effort.choose(8, BATCH)
    faces = photographs(effort.choose(2, 10) * batch, channels=1)
    method = METHODS[name](new_network(channels=1))
    views = method.draw_views(faces.images[:batch], np.random.default_rng(0))
    labels, scenes = torch.from_numpy(faces.labels()[:batch]), torch.arange(batch)
    step = network_step(method, lambda: method.training_step(views, labels, scenes)["loss"])
    network = stopwatch(step, effort.choose(0.0, 0.2))
    clocks = {"whole": epoch_clock(method, faces, batch), "network": network}
    seconds = {name: np.asarray(times) for name, times in effort.take_turns(clocks).items()}
    outside = 100 * (1 - seconds["network"] * (len(faces) // batch) / seconds["whole"])
    return Row(f"outside network, loss and optimiser: {name}, {SIDE} px", "% of a step", {OURS: Spread.of(outside)})


def _speed(width: int, precision: str, effort: Effort) -> Row:
    batch, side = effort.choose((8, 64), (2 * BATCH, 2048))
    method = METHODS["CosFace"](new_network(width))
    views = method.draw_views(photographs(batch).images, np.random.default_rng(0))
    labels = torch.arange(batch) % PEOPLE
    step = network_step(method, lambda: method.training_step(views, labels, labels)["loss"], precision)
    with FlopCounterMode(display=False) as counter:
        step()
    left, right = (torch.randn(side, side).to(PRECISIONS[precision]) for _ in range(2))
    product = torch.empty_like(left)
    seconds = effort.side_by_side({OURS: step, "matrix multiply": lambda: torch.mm(left, right, out=product)})
    operations = {OURS: counter.get_total_flops() / 1e9, "matrix multiply": 2 * side**3 / 1e9}
    return compare(
        f"step of CosFace, {NETWORK} of width {width}, {SIDE} px, {precision}", "GFLOP/s", seconds, operations
    )
