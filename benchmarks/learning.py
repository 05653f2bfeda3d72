"""What is learned of CIFAR-10 without labels: the recipes of lightly's benchmark beside ours, in the same processor minutes.

Ours are those of the experiment ``cifar_self_supervised``; what it has trained on this machine is not trained again. Lightly's
begin with the same weights and draw views of the same parameters, by its own transforms and loader, until the processor time
of ours is over. Then the nearest training photographs vote for both. So two recipes are compared, and not only two libraries:
ours was chosen for this network on photographs held out (``TRIED``), lightly's is the published one, for a ResNet-18 and
hundreds of epochs. Autocast to bfloat16 holds for all of its step, as it would in a training by Lightning.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from lightly.transforms.utils import IMAGENET_NORMALIZE
from lightly.utils.lars import LARS
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from benchmarks import contenders
from benchmarks.contenders import Contender
from benchmarks.end_to_end import Pictures
from benchmarks.timing import OURS, Effort, Row, Spread
from facelab import progress
from facelab.augment import Augmentation
from facelab.backbones import Backbone
from facelab.datasets import FaceSet
from facelab.errors import FacelabError
from facelab.experiments.cifar import self_supervised
from facelab.experiments.cifar.splits import SIZE, load_split
from facelab.experiments.experiment import Cell, Experiment, Figures
from facelab.experiments.grid import run_experiment
from facelab.heap import kept_memory
from facelab.methods import Method

TITLE = "CIFAR-10 without labels, right by the votes of neighbours: recipe of the course and recipe of lightly, same minutes"
SEEDS = 3
SMALL = 1_000  #: photographs, where it is only to be seen that this works
BATCH = 128


@dataclass(frozen=True)
class Recipe:
    """How lightly trains a method.

    Attributes:
        build: the method around a network.
        optimizer: of weights.
        warmup: share of the time in which the rate rises; then it falls along half a cosine.
    """

    build: Callable[[Backbone], Contender]
    optimizer: Callable[[Iterable[nn.Parameter]], Optimizer]
    warmup: float = 0.0

    def rate(self, gone: float) -> float:
        """What the optimiser's rate is multiplied by when a share of the time is gone."""
        if gone < self.warmup:
            return gone / self.warmup
        return (1 + math.cos(math.pi * (gone - self.warmup) / (1 - self.warmup))) / 2


# cifar10_benchmark.py and imagenette_benchmark.py in docs/source/getting_started/benchmarks of
# https://github.com/lightly-ai/lightly. VICReg diverges there without LARS (here too: tried); .3 for a batch of 256.
SGD = partial(torch.optim.SGD, lr=0.06, momentum=0.9, weight_decay=5e-4)
VICREG_LARS = partial(LARS, lr=0.3 * BATCH / 256, momentum=0.9, weight_decay=1e-4)
EXPANDER = 512
RECIPES = {
    "simclr": Recipe(partial(contenders.LightlySimCLR, temperature=0.5), SGD),
    "moco": Recipe(partial(contenders.LightlyMoCo, temperature=0.1), SGD),
    "vicreg": Recipe(partial(contenders.LightlyVICReg, width=EXPANDER), VICREG_LARS, warmup=0.1),
}


def measure(effort: Effort) -> list[Row]:
    """Per cent right on the test, of each method under each seed. What is done is kept as the cells of an experiment are."""
    if effort.small:
        train, test = (part.subset(np.arange(min(SMALL, len(part)))) for part in _photographs())
        short = {name: replace(self_supervised.RECIPES[name], epochs=2) for name in RECIPES}  # the warm-up takes one
        found = {name: [compare(name, recipe, 0, train, test)] for name, recipe in short.items()}
    else:
        kept, _ = run_experiment(BESIDE_LIGHTLY, SEEDS)
        found = {name: [kept[f"{name}/{seed}"].figures for seed in range(SEEDS)] for name in RECIPES}
    return [_row(name, figures, way) for name, figures in found.items() for way in figures[0]["ours"]]


def _row(name: str, figures: Sequence[Figures], way: str) -> Row:
    minutes = np.mean([one["seconds"] for one in figures]) / 60
    shares = {OURS: [one["ours"][way] for one in figures], "lightly": [one["theirs"][way] for one in figures]}
    values = {contender: Spread.of(100 * np.array(found)) for contender, found in shares.items()}
    return Row(f"{self_supervised.RECIPES[name].title}, {minutes:.1f} minutes, {way}", "%", values)


def compare(name: str, recipe: self_supervised.Recipe, seed: int, train: FaceSet, test: FaceSet) -> Figures:
    """A recipe of the course, and then lightly's for as long.

    Returns:
        ``seconds`` of the processor that each had; of ``ours`` and ``theirs``, way of asking neighbours -> share of the test
        that is named rightly.
    """
    ours = recipe.build_method(seed)
    seconds = recipe.learn(ours, train, seed)  # read, where that experiment has trained it
    theirs = new_start(recipe, train, seed)
    with kept_memory():  # as in ``fit``
        learn(RECIPES[name], theirs.backbone, train, seconds, seed)
    return {"seconds": seconds, "ours": _shares(ours, train, test), "theirs": _shares(theirs, train, test)}


def _shares(method: Method, train: FaceSet, test: FaceSet) -> dict[str, float]:
    found = self_supervised.ask_neighbors_by(method, train, test)
    return {way: float((classes == test.labels()).mean()) for way, classes in found.items()}


def new_start(recipe: self_supervised.Recipe, faces: FaceSet, seed: int) -> Method:
    """The network of a recipe before it learns, around which a contender is built, and which sees photographs with the mean
    and deviation of lightly's transforms. Its first layer is computed from these faces."""
    method = recipe.build_method(seed)
    method.augmentation = Augmentation(mean=tuple(IMAGENET_NORMALIZE["mean"]), std=tuple(IMAGENET_NORMALIZE["std"]))
    method.prepare(faces)
    return method


def learn(recipe: Recipe, network: Backbone, faces: FaceSet, seconds: float, seed: int) -> int:
    """Train a network in place, by a method of lightly.

    Args:
        recipe: how.
        network: what learns; its first layer is computed already.
        faces: what it learns from.
        seconds: processor time of this process that it may take, the making of views included.
        seed: of order and views, and of the method's own layers.

    Returns:
        How many steps were taken: one at least.

    Raises:
        FacelabError: the loss is not finite.
    """
    torch.manual_seed(seed)
    contender = recipe.build(network)
    contender.to(memory_format=torch.channels_last).train()
    loader = DataLoader(Pictures(faces, self_supervised.VIEWS, SIZE), BATCH, shuffle=True, drop_last=True)
    weights = [weight for weight in contender.parameters() if weight.requires_grad]
    optimizer = recipe.optimizer(weights)
    peak = optimizer.defaults["lr"]
    started, steps, gone = time.process_time(), 0, 0.0
    with progress.progress_bar("lightly, seconds", math.ceil(seconds)) as bar:
        while gone < 1:
            for views in loader:
                for group in optimizer.param_groups:
                    group["lr"] = peak * recipe.rate(gone)
                optimizer.zero_grad()
                with torch.autocast("cpu", torch.bfloat16):
                    loss = contender([view.contiguous(memory_format=torch.channels_last) for view in views], None)
                if not math.isfinite(loss.item()):
                    raise FacelabError(
                        f"The loss of {type(contender).__name__} is {loss.item()} in step {steps}.", "Lower its rate."
                    )
                loss.backward()
                optimizer.step()
                steps, before = steps + 1, gone
                gone = min(1.0, (time.process_time() - started) / max(seconds, 1e-9))
                bar.advance((gone - before) * seconds)
                if gone == 1:
                    break
    return steps


def _photographs() -> tuple[FaceSet, FaceSet]:
    return load_split("cifar10", "train"), load_split("cifar10", "test")


def _describe(name: str) -> dict[str, object]:
    theirs = {"recipe": repr(RECIPES[name]), "batch": BATCH}
    return {"ours": self_supervised.describe_recipe(name), "theirs": theirs}


def _run(cell: Cell) -> Figures:
    name, seed = cell.key
    return compare(name, self_supervised.RECIPES[name], seed, *_photographs())


#: Its cells; it has no record, but rows of ``results.json``.
BESIDE_LIGHTLY = Experiment(
    name="beside_lightly",
    notebook="",
    shows=TITLE,
    datasets=("cifar10",),
    grid=lambda seeds: [Cell((name, seed), _describe(name)) for name in RECIPES for seed in range(seeds)],
    run=_run,
    data=lambda: {role: faces.describe() for role, faces in zip(("train", "test"), _photographs(), strict=True)},
    packages=("lightly",),
    extra="test",
)
