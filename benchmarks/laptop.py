"""What the parts measure on: the network of the course's laptop preset, photographs, and a step of a training."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from benchmarks.timing import Clock
from facelab.backbones import Backbone, backbone
from facelab.datasets import FaceSet, load
from facelab.methods import Method
from facelab.optim import make_optimizer, parameter_groups
from facelab.training import Plan, fit

NETWORK, WIDTH, SIDE, BATCH = "resnet10", 16, 48, 64
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def photographs(count: int, side: int = SIDE, channels: int = 3) -> FaceSet:
    """So many photographs of ORL, each as often as it takes; its grey repeated where there are three channels."""
    faces = load("orl", side)
    rows = np.arange(count) % len(faces)
    files = pd.DataFrame({"file": [f"{row}.png" for row in range(count)]})
    images = np.repeat(faces.images[rows], channels, axis=3)
    return FaceSet(images, faces.identity[rows], faces.names, files, f"orl@{side}")


def new_network(width: int = WIDTH, channels: int = 3) -> Backbone:
    """The laptop's network, with the same weights each time."""
    torch.manual_seed(0)
    return backbone(NETWORK, in_channels=channels, width=width)


def network_step(module: nn.Module, loss: Callable[[], Tensor], precision: str = "fp32") -> Callable[[], None]:
    """A step of a training whose batch is prepared: network, loss, gradients, AdamW, and ``after_step`` of the module.

    Args:
        module: what learns.
        loss: of the batch.
        precision: a key of ``PRECISIONS``; bf16 by autocast.
    """
    module.to(memory_format=torch.channels_last)
    optimizer = make_optimizer("adamw", parameter_groups(module, 0.05), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            value = loss()
        value.backward()
        optimizer.step()
        module.after_step()

    return step


def epoch_clock(method: Method, faces: FaceSet, batch: int = BATCH) -> Clock:
    """Seconds of an epoch of ``fit``, without the setting up: from the end of a first epoch to the end of a second."""

    def clock() -> float:
        ends: list[float] = []

        def look(method: Method) -> dict[str, float]:
            ends.append(time.perf_counter())
            return {}

        fit(method, faces, Plan(epochs=2, batch_size=batch), monitors=[look])
        return ends[1] - ends[0]

    return clock
