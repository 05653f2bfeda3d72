"""Speed, as ratios measured side by side in one run: ``make bench``. Machines are noisy; nothing here fails on a time."""

import time

import cv2
import numpy as np
import pytest
import torch
from lightly.transforms import SimCLRTransform
from PIL import Image
from torchvision.transforms import v2

from facelab.augment import CLASSIFIER, SIMCLR, SUPCON, two_views
from facelab.backbones import backbone
from facelab.datasets import load
from facelab.methods import Classifier, Method, MoCo, SupCon

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


def new(name: str, channels: int = 1) -> Method:
    """A method of the laptop preset."""
    torch.manual_seed(0)
    network = backbone("resnet10", in_channels=channels)
    method = {
        "classifier": lambda: Classifier(network, CLASSIFIER, classes=40),
        "supcon": lambda: SupCon(network, CLASSIFIER),
        "moco": lambda: MoCo(network, CLASSIFIER, queue=64),
        "simclr": lambda: SupCon(network, SIMCLR),  # without labels it is NT-Xent
    }[name]()
    return method.to(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", ["classifier", "supcon", "moco"])
def test_training_step(benchmark, name):
    """A step of the laptop preset, batches of 32 at 48 pixels, and the share of it that is spent outside the network."""
    faces, batch = load("orl-wild", 48), 32
    method = new(name)
    optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=1e-3)
    labels, scenes = torch.from_numpy(faces.labels()[:batch]), torch.arange(batch)
    rng = np.random.default_rng(0)

    def views():
        return method.draw_views(faces.images[:batch], rng)

    def network(prepared) -> None:
        optimizer.zero_grad()
        method.training_step(prepared, labels, scenes)["loss"].backward()
        optimizer.step()
        method.after_step()

    def step() -> None:
        network(views())

    benchmark(step)
    prepared = views()
    whole, inside = (
        seconds(lambda each=each: [each() for _ in range(20)]) for each in (step, lambda: network(prepared))
    )
    share = 1 - inside / whole
    print(f"\n{name}: {20 * batch / whole:.0f} photographs/s, {100 * share:.0f} % of the step outside the network")
    benchmark.extra_info["share outside the network"] = share


def test_end_to_end_beside_lightly(benchmark, photographs):
    """Two views, network, loss and optimiser, photographs to weights: ours beside lightly's SimCLR transform and a loader."""
    small = np.stack([cv2.resize(image, (48, 48), interpolation=cv2.INTER_AREA) for image in photographs])
    several = np.tile(small, (4, 1, 1, 1))
    method, batch, rng = new("simclr", channels=3), 64, np.random.default_rng(0)
    optimizer = torch.optim.AdamW(method.parameters(), lr=1e-3)
    unknown, scenes = torch.full((batch,), -1), torch.arange(batch)

    def learn(views) -> None:
        optimizer.zero_grad()
        method.training_step([view.contiguous(memory_format=torch.channels_last) for view in views], unknown, scenes)[
            "loss"
        ].backward()
        optimizer.step()

    def ours() -> None:
        for start in range(0, len(several), batch):
            learn(method.draw_views(several[start : start + batch], rng))

    class Photographs(torch.utils.data.Dataset):
        def __init__(self) -> None:
            self.images, self.transform = [Image.fromarray(image) for image in several], SimCLRTransform(input_size=48)

        def __len__(self) -> int:
            return len(self.images)

        def __getitem__(self, row: int):
            return self.transform(self.images[row])

    def theirs(workers: int) -> None:
        for views in torch.utils.data.DataLoader(Photographs(), batch, num_workers=workers):
            learn(views)

    benchmark(ours)
    mine, best = seconds(ours), min(seconds(lambda w=workers: theirs(w), rounds=2) for workers in (0, 2))
    print(f"\nend to end, {len(several) / mine:.0f} photographs/s; with lightly's transform and the better of a loader "
          f"with 0 and 2 workers {len(several) / best:.0f}: ratio {best / mine:.1f}")  # fmt: skip
    benchmark.extra_info["ratio to lightly's transform and loader"] = best / mine
