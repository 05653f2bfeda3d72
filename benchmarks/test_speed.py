"""Speed, as ratios measured side by side in one run: ``make bench``. Machines are noisy; nothing here fails on a time."""

import time

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from facelab.augment import SIMCLR, SUPCON, two_views
from facelab.datasets import load
from facelab.labs.closed_set import new_classifier

BATCH = 128


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    """128 photographs in colour, 64 pixels."""
    return np.repeat(load("orl-wild", 64).images[:BATCH], 3, axis=3)


def seconds(function, rounds: int = 5) -> float:
    """The fastest of some calls, after one that warms up."""
    function()
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        function()
        found.append(time.perf_counter() - started)
    return min(found)


@pytest.mark.parametrize("blur", [False, True], ids=["no blur", "blur"])
def test_two_views(benchmark, photographs, blur):
    """One tensor pass with per-sample parameters, beside torchvision called for each photograph."""
    rng = np.random.default_rng(0)
    ours = benchmark(lambda: two_views(photographs, SIMCLR if blur else SUPCON, rng))
    assert ours[0].shape == (BATCH, 3, 64, 64)
    steps = [v2.RandomResizedCrop(64, antialias=True), v2.RandomHorizontalFlip()]
    steps += [v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8), v2.RandomGrayscale(0.2)]
    steps += [v2.RandomApply([v2.GaussianBlur(7)], 0.5)] if blur else []
    per_sample = v2.Compose([*steps, v2.ToDtype(torch.float32, scale=True)])
    batch = torch.from_numpy(photographs).permute(0, 3, 1, 2)
    theirs = seconds(lambda: [per_sample(image) for image in batch for _ in range(2)])
    mine = seconds(lambda: two_views(photographs, SIMCLR if blur else SUPCON, rng))
    print(
        f"\ntwo views, {BATCH / mine:.0f} photographs/s; torchvision per sample {BATCH / theirs:.0f}: ratio {theirs / mine:.1f}"
    )
    benchmark.extra_info["ratio to torchvision per sample"] = theirs / mine


@pytest.mark.parametrize("size", [48, 64])
def test_training_step(benchmark, size):
    """A step of the laptop's classifier, and the share of it that is spent outside the network."""
    faces = load("orl-wild", size)
    method = new_classifier(faces)
    method.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(method.parameters(), lr=1e-3)
    labels, rows = torch.from_numpy(faces.labels()[:BATCH]), torch.arange(BATCH)
    rng = np.random.default_rng(0)

    def views():
        return method.draw_views(faces.images[:BATCH], rng)

    def network(prepared) -> None:
        optimizer.zero_grad()
        method.training_step(prepared, labels, rows)["loss"].backward()

    def step() -> None:
        network(views())
        optimizer.step()

    benchmark(step)
    prepared = views()
    whole, inside = seconds(step), seconds(lambda: network(prepared))
    print(
        f"\n{size} px: {BATCH / whole:.0f} photographs/s, {100 * (1 - inside / whole):.0f} % of the step outside the network"
    )
    benchmark.extra_info["share outside the network"] = 1 - inside / whole
