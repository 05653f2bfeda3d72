"""LFW View 2: one training for each half of the folds, none of which has seen anybody of its tested pairs.

Recipes are chosen on View 1 (``evaluate_view1``), never on View 2.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial

import cv2
import numpy as np
import torch

from facelab.augment import CLASSIFIER, Augmentation
from facelab.backbones import backbone
from facelab.datasets import FaceSet, load
from facelab.datasets.leakage import assert_disjoint
from facelab.datasets.pair_files import lfw_pairs
from facelab.datasets.pairs import Pairs, restrict_to_pairs
from facelab.errors import BadParameterError
from facelab.evaluation import (
    BASELINES,
    Estimate,
    View2Result,
    best_threshold,
    cosine_scores,
    lfw_view2,
    mean_over_seeds,
)
from facelab.experiments.experiment import Cell, Experiment, Figures, Results
from facelab.experiments.stopwatch import TIME_SETTING, Stopwatch, processor_seconds
from facelab.experiments.trainings import training_folder
from facelab.methods import Method, embed_faces, new_method
from facelab.methods.margin import LOSSES
from facelab.records import Metric
from facelab.training import Plan, fit

SIZE, FRAME = 48, 80  #: side that the networks see; it shows the centre 80 of LFW's 112 pixels, a tighter crop
LEAST = 2  #: photographs that a person must have to be in training
#: label, as keys of cells have it -> folds that one training is tested on
HALVES = {"folds 1-5": (1, 2, 3, 4, 5), "folds 6-10": (6, 7, 8, 9, 10)}
BASELINE_CELL = "baselines"  #: in the key of the cell that trains nothing


@dataclass(frozen=True)
class Recipe:
    """How one method is trained on LFW, on a ResNet-10.

    Attributes:
        method: a key of ``METHODS``.
        views: its augmentation.
        plan: its training; the seed is filled in.
        options: of the method.
    """

    method: str
    views: Augmentation
    plan: Plan
    options: dict[str, object] = field(default_factory=dict)

    def build_untrained(self, seed: int, people: int) -> Method:
        """The method with weights drawn from the seed, to tell so many people apart where it does that."""
        torch.manual_seed(seed)
        network = backbone("resnet10", in_channels=3)
        return new_method(self.method, network, self.views, self.options, people)

    def describe(self) -> dict[str, object]:
        """Everything that decides a training but the seed, for the record."""
        plan = {name: value for name, value in asdict(self.plan).items() if name != "seed"}
        rest = {name: value for name, value in vars(self).items() if name not in ("plan", "views")}
        return plan | rest | {"views": asdict(self.views), "least": LEAST, "size": SIZE}


#: SupCon's views were chosen on View 1 between these and larger crops (82.2 against 80.9 % after eight epochs). It learns
#: nothing from a person with one photograph that the views do not tell it; a batch of 128 holds four of most others together.
RECIPES = {
    "supcon": Recipe("supcon", CLASSIFIER, Plan(epochs=20, batch_size=128, lr=4e-3, per_class=4)),
}

#: The margin losses: one plan for all. A thousand people are too few for the papers' s = 64: on View 1 and after 12 epochs,
#: CosFace gave 80.6 % with s 30 and m .35, 81.6 % with s 16 and m .2, and 82.6 % with an embedding of 256 instead of 128; after
#: 30 epochs 85.8 %. All with one seed. A-Softmax's annealing ends after two thirds of the run.
MARGINS = {
    "softmax": {},
    "normalised": {"scale": 16.0},
    "center": {},
    "sphereface": {"annealing": 470},
    "arcface": {"scale": 16.0, "margin": 0.2},
    "cosface": {"scale": 16.0, "margin": 0.2},
    "ring": {},
}
RECIPES |= {
    loss: Recipe("margin", CLASSIFIER, Plan(20, 128, lr=3e-3), {"loss": loss, "dimension": 256, **options})
    for loss, options in MARGINS.items()
}


def get_recipe(name: str) -> Recipe:
    """A recipe by name.

    Raises:
        BadParameterError: there is none of that name.
    """
    if name not in RECIPES:
        raise BadParameterError(f"There is no recipe for {name!r}.", f"There are: {', '.join(RECIPES)}.")
    return RECIPES[name]


def crop_center(faces: FaceSet, size: int, gray: bool = False, frame: int = FRAME) -> FaceSet:
    """The centre of each photograph, as a rule 80 of LFW's 112 pixels: background is cut away that tells nothing of a face.

    Args:
        faces: in colour.
        size: side of what comes out, in pixels.
        gray: by luminance (ITU-R BT.601), as the photographs of ORL are.
        frame: side of what is kept, in pixels where the photograph has 112.
    """
    edge = round(faces.images.shape[1] * (1 - frame / 112) / 2)

    def crop_one(image: np.ndarray) -> np.ndarray:
        part = image[edge : len(image) - edge, edge : len(image) - edge]
        part = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY) if gray else part
        return cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA)

    images = np.stack([crop_one(image) for image in faces.images])
    images = images[..., None] if gray else images
    return replace(faces, images=images, source=f"lfw@{size}, centre {frame} of 112{', grey' if gray else ''}")


def load_cropped_lfw() -> FaceSet:
    """All of LFW as the recipes see it."""
    return crop_center(load("lfw", 112), SIZE)


def training_rounds(
    faces: FaceSet, pairs: Pairs, groups: Iterable[tuple[int, ...]] = HALVES.values()
) -> Iterator[tuple[FaceSet, np.ndarray]]:
    """For each group of folds: the training set without anybody of their pairs, and which pairs are theirs."""
    for folds in groups:
        tested = np.isin(pairs.fold, folds)
        yield exclude_people(faces, pairs.subset(np.flatnonzero(tested))), tested


def exclude_people(faces: FaceSet, pairs: Pairs) -> FaceSet:
    """The photographs of everybody who is in none of the pairs; proved to share nobody and no picture with them."""
    rows = np.unique(np.concatenate([pairs.first, pairs.second]))
    train = faces.subset(~np.isin(faces.identity, faces.identity[rows]))
    assert_disjoint(train, faces.subset(rows), kinds=("identity", "file", "hash"))
    return train


def train_recipe(faces: FaceSet, name: str, seed: int) -> tuple[Method, float]:
    """A method trained by its recipe, and the processor seconds that took. What was stopped goes on; what is done is read.

    Raises:
        FacelabError: as ``training_folder``.
    """
    recipe = get_recipe(name)
    photographs = np.bincount(faces.identity)
    train = faces.subset(photographs[faces.identity] >= LEAST)
    method = recipe.build_untrained(seed, len(train.people))
    plan = replace(recipe.plan, seed=seed)
    with training_folder(f"lfw_view2_{name}", f"seed {seed}", method, train, plan) as folder:
        history = fit(method, train, plan, monitors=[Stopwatch()], folder=folder)
    return method, processor_seconds(history)


def evaluate_view2(faces: FaceSet, pairs: Pairs, embed: Callable[[FaceSet, FaceSet], np.ndarray]) -> View2Result:
    """View 2 by halves of whatever makes embeddings of all photographs after it was shown a training set.

    Args:
        faces: all of LFW.
        pairs: of View 2.
        embed: training set, all photographs -> embeddings (N, D) of all. Each half has its own scale of scores, so a
            threshold is fitted on the other folds of the same half.
    """
    similarity, model = np.empty(len(pairs)), np.empty(len(pairs), dtype=np.int64)
    for number, (train, tested) in enumerate(training_rounds(faces, pairs)):
        similarity[tested] = cosine_scores(embed(train, faces), pairs.subset(np.flatnonzero(tested)))
        model[tested] = number
    return lfw_view2(similarity, pairs.same, pairs.fold, model)


def evaluate_baselines(faces: FaceSet, pairs: Pairs) -> dict[str, View2Result]:
    """View 2 by halves of each of ``BASELINES``, fitted on the same photographs as networks are."""
    return {
        name: evaluate_view2(faces, pairs, lambda train, all_, fit_on=baseline: fit_on(train.images)(all_.images))
        for name, baseline in BASELINES.items()
    }


def evaluate_view1(faces: FaceSet, name: str, seed: int = 0) -> float:
    """Accuracy of a recipe on the 1000 pairs of View 1's test, at the best threshold: good enough to compare recipes."""
    pairs = lfw_pairs(faces, "dev-test")
    method, _ = train_recipe(exclude_people(faces, pairs), name, seed)
    return best_threshold(cosine_scores(embed_faces(method, faces), pairs), pairs.same)[1]


def score_folds(name: str, seed: int, folds: tuple[int, ...]) -> Figures:
    """The pairs of some folds as one training without their people scores them.

    Returns:
        ``scores``, ``same`` and ``fold`` of each pair, and ``processor seconds`` of the training.
    """
    faces = load_cropped_lfw()
    pairs = lfw_pairs(faces)
    ((train, tested),) = training_rounds(faces, pairs, (folds,))
    method, seconds = train_recipe(train, name, seed)
    shown, own = restrict_to_pairs(faces, pairs.subset(tested))
    similarity = cosine_scores(embed_faces(method, shown), own)
    found = {"scores": similarity.tolist(), "same": own.same.tolist(), "fold": own.fold.tolist()}
    return found | {"processor seconds": seconds}


def score_baselines(name: str) -> Figures:
    """What needs no training, and the recipe's network before it: name -> ``Estimate`` over the folds."""
    faces = load_cropped_lfw()
    pairs, start = lfw_pairs(faces), get_recipe(name).build_untrained(0, 2)
    results = evaluate_baselines(faces, pairs)
    results["random network"] = evaluate_view2(faces, pairs, lambda train, all_: embed_faces(start, all_))
    return {label: result.estimate.as_dict() for label, result in results.items()}


def join_folds(parts: Sequence[Figures]) -> View2Result:
    """View 2 of one seed, out of what ``score_folds`` gives of its two trainings: each has thresholds of its own."""
    similarity, same, fold = (np.concatenate([part[name] for part in parts]) for name in ("scores", "same", "fold"))
    model = np.repeat(np.arange(len(parts)), [len(part["fold"]) for part in parts])
    return lfw_view2(similarity, same, fold, model)


def grid(name: str, seeds: int) -> list[Cell]:
    """One training for each seed and each of ``HALVES``, and the baselines."""
    settings = {"recipe": get_recipe(name).describe(), "frame": FRAME} | TIME_SETTING
    keys = [(name, seed, half) for seed in range(seeds) for half in HALVES]
    return [Cell(key, settings) for key in [(name, BASELINE_CELL), *keys]]


def run(cell: Cell) -> Figures:
    """See ``score_folds`` and ``score_baselines``."""
    name, *rest = cell.key
    if rest == [BASELINE_CELL]:
        return score_baselines(name)
    seed, label = rest
    return score_folds(name, seed, HALVES[label])


def summarise(results: Results) -> dict[str, Metric]:
    """``accuracy/NAME`` of each baseline and seed over folds, of the recipe over three seeds or more; the longest training.

    Its seconds are of the processor. (A record whose parameters do not say so has those of the clock on the wall.)
    """
    metrics, by_seed, (name, *_) = {}, defaultdict(list), next(iter(results))
    for (_, *rest), figures in results.items():
        if rest == [BASELINE_CELL]:
            metrics |= {f"accuracy/{label}": Metric.from_estimate(Estimate(**own)) for label, own in figures.items()}
        else:
            by_seed[rest[0]].append(figures)
    view2 = {seed: join_folds(parts) for seed, parts in by_seed.items()}
    metrics |= {f"accuracy/seed {seed}": Metric.from_estimate(result.estimate) for seed, result in view2.items()}
    if len(view2) >= 3:
        metrics[f"accuracy/{name}"] = Metric.from_estimate(mean_over_seeds([result.mean for result in view2.values()]))
    seconds = [part["processor seconds"] for parts in by_seed.values() for part in parts]
    return metrics | {"longest training, seconds": Metric(max(seconds), len(seconds))}


def parameters(name: str, seeds: int) -> dict[str, object]:
    """Of the record."""
    return {"dataset": "lfw", "frame": FRAME, "seeds": seeds, **TIME_SETTING, **get_recipe(name).describe()}


def data() -> dict[str, dict[str, object]]:
    """Of the record: all photographs."""
    return {"faces": load_cropped_lfw().describe()}


def _experiment(name: str, notebook: str, title: str) -> Experiment:
    return Experiment(
        name=f"lfw_view2_{name}",
        notebook=notebook,
        shows=f"View 2 of LFW by {title}, trained without the people of the tested folds",
        datasets=("lfw",),
        grid=partial(grid, name),
        run=run,
        summarise=summarise,
        parameters=partial(parameters, name),
        data=data,
    )


EXPERIMENTS = (
    _experiment("supcon", "03", "SupCon"),
    *(_experiment(loss, "07", LOSSES[loss].title) for loss in MARGINS),
)
