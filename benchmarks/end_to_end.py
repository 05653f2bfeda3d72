"""From photographs to weights by SimCLR: ``fit``, beside lightly with its own transform, loader, head and loss."""

from __future__ import annotations

import os

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from benchmarks.contenders import LightlySimCLR
from benchmarks.laptop import BATCH, NETWORK, SIDE, WIDTH, epoch_clock, network_step, new_network, photographs
from benchmarks.timing import OURS, Clock, Effort, Row, compare, single_call
from benchmarks.views import lightly_transform
from facelab.augment import SIMCLR, Augmentation
from facelab.datasets import FaceSet
from facelab.methods import SimCLR

TITLE = "A training of SimCLR, from photographs to weights"


class Pictures(Dataset):
    """Photographs as a loader of lightly gets them: pictures of PIL, two views of each."""

    def __init__(self, faces: FaceSet, preset: Augmentation, side: int) -> None:
        self.pictures = [Image.fromarray(image) for image in faces.images]
        self.transform = lightly_transform(preset, side)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, row: int) -> list[torch.Tensor]:
        return self.transform(self.pictures[row])


def measure(effort: Effort) -> list[Row]:
    """The laptop's network, and one of width 32; lightly with its loader in this process, and with one worker a core."""
    batch = effort.choose(8, BATCH)
    widths = {effort.choose(8, WIDTH): effort.choose(16, 1024), effort.choose(16, 32): effort.choose(16, 512)}
    return [_measure(width, count, batch, effort) for width, count in widths.items()]


def _measure(width: int, count: int, batch: int, effort: Effort) -> Row:
    faces = photographs(count)
    clocks = {OURS: epoch_clock(SimCLR(new_network(width), SIMCLR), faces, batch)}
    clocks |= {f"lightly, {workers} workers": _lightly_clock(width, faces, batch, workers) for workers in (0, _cores())}
    name = f"training of SimCLR, {NETWORK} of width {width}, {SIDE} px"
    return compare(name, "photographs/s", effort.take_turns(clocks, rounds=5), count // batch * batch)


def _cores() -> int:
    return max(2, os.cpu_count() or 1)


def _lightly_clock(width: int, faces: FaceSet, batch: int, workers: int) -> Clock:
    """Seconds of an epoch. Its workers live on between two of them, so that their start is not counted, as ours is not."""
    loader = DataLoader(
        Pictures(faces, SIMCLR, SIDE),
        batch,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    contender, views = LightlySimCLR(new_network(width)), []
    step = network_step(contender, lambda: contender(views, torch.empty(0)))

    def epoch() -> None:
        for drawn in loader:
            views[:] = [view.contiguous(memory_format=torch.channels_last) for view in drawn]
            step()

    epoch()
    return single_call(epoch)
