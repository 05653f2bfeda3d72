"""What is learned of CIFAR-10 without labels: the recipes of lightly's benchmark beside ours, in the same processor minutes.

Ours are those of the experiment ``cifar_self_supervised``; what it has trained on this machine is not trained again. Lightly's
begin with the same weights and draw views of the same parameters, by its own transforms and loader, until the processor time
of ours is over. Then the nearest training photographs vote for both. So two recipes are compared, and not only two libraries:
ours was chosen for this network on photographs held out (``TRIED``), lightly's is the published one, for a ResNet-18 and
hundreds of epochs. Autocast to bfloat16 holds for all of its step, as it would in a training by Lightning.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from joblib import delayed
from lightly.transforms.utils import IMAGENET_NORMALIZE
from lightly.utils.lars import LARS
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from benchmarks import contenders
from benchmarks.contenders import Contender
from benchmarks.end_to_end import Pictures
from benchmarks.machine import describe_machine
from benchmarks.timing import OURS, Effort, Row, Spread
from facelab import progress
from facelab.augment import Augmentation
from facelab.backbones import Backbone
from facelab.datasets import FaceSet
from facelab.errors import FacelabError
from facelab.experiments.cifar import self_supervised
from facelab.experiments.cifar.splits import SIZE, load_split
from facelab.files import read_json_object, write_json
from facelab.heap import kept_memory
from facelab.methods import Method
from facelab.paths import runs_root
from facelab.processes import single_thread_processes
from facelab.threads import most_threads

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


@dataclass(frozen=True)
class Comparison:
    """One method under one seed.

    Attributes:
        title: of the recipe.
        seconds: processor time that each had.
        ours, theirs: way of asking neighbours -> share of the test that is named rightly.
    """

    title: str
    seconds: float
    ours: dict[str, float]
    theirs: dict[str, float]

    def __str__(self) -> str:
        ways = (f"{100 * self.ours[way]:.1f}, lightly {100 * self.theirs[way]:.1f} % ({way})" for way in self.ours)
        return f"{self.title}: {'; '.join(ways)}"


def measure(effort: Effort) -> list[Row]:
    """Per cent right on the test, of each method under each seed; as many at once as there are cores, a thread each."""
    seeds = range(effort.choose(1, SEEDS))
    found: dict[str, list[Comparison]] = {name: [] for name in RECIPES}
    with single_thread_processes(most_threads(), progress.silence, ordered=False) as parallel:
        for name, one in parallel(delayed(compare)(name, seed, effort) for name in RECIPES for seed in seeds):
            print(one, flush=True)
            found[name].append(one)
    return [_row(comparisons, way) for comparisons in found.values() for way in comparisons[0].ours]


def _row(comparisons: list[Comparison], way: str) -> Row:
    of = {OURS: [one.ours[way] for one in comparisons], "lightly": [one.theirs[way] for one in comparisons]}
    minutes = np.mean([one.seconds for one in comparisons]) / 60
    values = {name: Spread.of(100 * np.array(shares)) for name, shares in of.items()}
    return Row(f"{comparisons[0].title}, {minutes:.1f} minutes, {way}", "%", values)


def compare(name: str, seed: int, effort: Effort) -> tuple[str, Comparison]:
    """A recipe of the course, and then lightly's for as long; the name too. What is done is kept below ``runs`` and not done
    again, as long as nothing that decides it has changed."""
    train, test = (load_split("cifar10", part) for part in ("train", "test"))
    if effort.small:
        train, test = (part.subset(np.arange(min(SMALL, len(part)))) for part in (train, test))
    recipe = self_supervised.RECIPES[name]
    recipe = effort.choose(replace(recipe, epochs=2), recipe)  # the warm-up takes one
    if effort.small:
        return name, _compare(name, recipe, seed, train, test, None)
    path = runs_root() / "benchmarks" / f"learning-{name}-{seed}.json"
    described = {"ours": self_supervised.describe_recipe(name), "theirs": repr(RECIPES[name]), "batch": BATCH}
    described |= {"photographs": [train.sha256, test.sha256], "versions": describe_machine()["versions"]}
    settings = json.loads(json.dumps(described))
    kept = read_json_object(path) if path.is_file() else {}
    if kept.get("settings") != settings:
        folder = runs_root() / self_supervised.NAME / f"{name}-{seed}"
        kept = {"settings": settings, "comparison": asdict(_compare(name, recipe, seed, train, test, folder))}
        write_json(path, kept)
    return name, Comparison(**kept["comparison"])


def _compare(
    name: str, recipe: self_supervised.Recipe, seed: int, train: FaceSet, test: FaceSet, folder: Path | None
) -> Comparison:
    ours = recipe.build_method(seed)
    seconds = recipe.learn(ours, train, seed, folder)
    theirs = new_start(recipe, train, seed)
    with kept_memory():  # as in ``fit``
        learn(RECIPES[name], theirs.backbone, train, seconds, seed)
    return Comparison(recipe.title, seconds, *(_shares(method, train, test) for method in (ours, theirs)))


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
