"""Pictures that show no face among the training photographs: does variational contrastive learning mind them less than SimCLR?

``09_noise`` asks for gender, race and age on UTKFace, ``09_noise_celeba`` for the 40 attributes of CelebA, as the paper does.
"""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from functools import cache, partial

import numpy as np
import torch

from facelab.augment import SUPCON
from facelab.backbones import backbone
from facelab.datasets import FaceSet, load
from facelab.datasets.contamination import contaminate
from facelab.datasets.leakage import assert_disjoint
from facelab.errors import BadParameterError
from facelab.evaluation import confusion_matrix, mean_over_seeds
from facelab.experiments.experiment import Cell, Experiment, Figures, Key, Results
from facelab.experiments.utkface_labels import has_labels, split_pool_and_test
from facelab.methods import Siamese
from facelab.methods.registry import METHODS
from facelab.protocols.few_labels import LabelTask, predict_with_few_labels, replace_backbone
from facelab.records import Metric
from facelab.training import Plan, fit

SIZE, FACES = 32, 4000  #: side in pixels, that of the pictures without faces as they come; photographs to learn from
NOISE = (0.0, 0.2, 0.4)  #: share of them that shows no face
LABELS = (0.01, 0.1)  #: share of the pool that is labelled
COLUMNS = ("gender", "race", "age band")
MEAN = "mean of attributes"
BANDS = {"0 to 17": 0, "18 to 35": 18, "36 to 60": 36, "61 and more": 61}  #: band -> its first year
PLAN = Plan(epochs=24, batch_size=32, lr=2e-3)
VIEWS = SUPCON
UNIT_SIGMA = 1 / math.sqrt(2 * math.pi)  #: the sigma at which the beta score's first factor is 1, whatever D and beta
TEMPERATURE = 0.2  #: temperature of NT-Xent, and of the beta scores in its limit: see ``losses.beta_nt_xent``
#: What trains in so few steps: the paper's head of three layers and weight 1 of the prior leave nothing active by then.
SHORT_TRAINING = {"sigma": UNIT_SIGMA, "temperature": TEMPERATURE / UNIT_SIGMA**2, "layers": 2, "prior": 0.1}
#: name -> method and its options; all but the paper's own meet NT-Xent of one temperature at beta = 0
CONTENDERS = {
    "SimCLR": ("simclr", {"temperature": TEMPERATURE}),
    "VCL without beta": ("vcl", {"beta": 0.0, **SHORT_TRAINING}),
    "VCL, beta .1": ("vcl", {"beta": 0.1, **SHORT_TRAINING}),
    "VCL, the paper's": ("vcl", {}),
}


@cache
def load_pool_and_test(dataset: str = "utkface") -> tuple[FaceSet, FaceSet]:
    """``FACES`` photographs to learn from, and a test: UTKFace with a band of age, or CelebA's own split, nobody in both.

    Raises:
        BadParameterError: another data set.
    """
    if dataset == "utkface":
        pool, test = (_banded(part) for part in split_pool_and_test(load(dataset, SIZE)))
        pool = pool.subset(has_labels(pool.attributes))
    elif dataset == "celeba":
        faces = load(dataset, SIZE)
        pool, test = (faces.subset((faces.attributes["split"] == part).to_numpy()) for part in ("train", "test"))
        assert_disjoint(pool, test, kinds=("identity", "file", "hash"))
    else:
        raise BadParameterError(f"Nothing is asked of {dataset}.", "Give utkface or celeba.")
    rows = np.random.default_rng(0).permutation(len(pool))[:FACES]
    return pool.subset(np.sort(rows)), test


def attribute_columns(faces: FaceSet) -> tuple[str, ...]:
    """The attributes that are asked for: UTKFace's three, or all that are yes or no."""
    table = faces.attributes
    return COLUMNS if set(COLUMNS) <= set(table) else tuple(table.select_dtypes(bool).columns)


@cache
def pictures_without_faces() -> FaceSet:
    """CIFAR-100's photographs for training without those of its superclass "people"."""
    pictures = load("cifar100", SIZE)
    rows = (pictures.attributes["superclass"] != "people") & (pictures.attributes["split"] == "train")
    return pictures.subset(rows.to_numpy())


def _banded(faces: FaceSet) -> FaceSet:
    names = np.array(list(BANDS))
    band = names[np.digitize(faces.attributes["age"].fillna(0), list(BANDS.values())[1:])]
    return replace(faces, attributes=faces.attributes.assign(**{"age band": band}))


def build_untrained(name: str, seed: int) -> Siamese:
    """A method before its training; all start from the same backbone."""
    kind, options = CONTENDERS[name]
    torch.manual_seed(seed)
    return METHODS[kind].method_class(backbone("resnet10", in_channels=3), VIEWS, **options)


def grid(dataset: str, seeds: int) -> list[Cell]:
    """Every contender at every share of noise under every seed: of weights, order, views, noise and the draw of labels."""
    fixed = {"plan": asdict(PLAN), "views": asdict(VIEWS), "faces": FACES, "size": SIZE, "labels": LABELS}
    fixed |= {"bands": BANDS} if dataset == "utkface" else {}
    return [
        Cell((dataset, name, noise, seed), {"contender": CONTENDERS[name]} | fixed)
        for seed in range(seeds)
        for noise in NOISE
        for name in CONTENDERS
    ]


def run(cell: Cell) -> Figures:
    """One training: ``COLUMN/SHARE/NETWORK`` -> balanced accuracy of a linear probe on labelled faces, 0 to 1.

    Networks are the trained one, the same before its training, and pixels. The labelled photographs are faces in any case.
    """
    dataset, name, noise, seed = cell.key
    pool, test = load_pool_and_test(dataset)
    method = build_untrained(name, seed)
    start = replace_backbone(method, method.backbone)
    fit(method, contaminate(pool, noise, seed, pictures_without_faces()), replace(PLAN, seed=seed))
    figures = {}
    for column in attribute_columns(pool):
        question = LabelTask.from_column(column, pool, test)
        for share in LABELS:
            networks = {"trained": method, "random start": start}
            for network, predicted in predict_with_few_labels(question, networks, share, seed, None).items():
                matrix = confusion_matrix(question.test_labels, predicted, len(question.names))
                figures[f"{column}/{share:g}/{network}"] = float(np.mean(matrix.diagonal() / matrix.sum(axis=1)))
    return figures


def summarise(results: Results) -> dict[str, Metric]:
    """Metrics of a record, each the mean over seeds with its interval.

    Figures are those of the runs, and ``MEAN/SHARE/NETWORK``, the mean over the attributes of each run.

    - ``CONTENDER/NOISE/FIGURE``;
    - ``fall/CONTENDER/FIGURE``: at no noise less at the most, within each seed;
    - ``CONTENDER less SimCLR/NOISE/FIGURE`` and ``fall/CONTENDER less SimCLR/FIGURE``, within each seed.
    """
    found: dict[Key, Figures] = {key[1:]: own | _mean_of_attributes(own) for key, own in results.items()}
    names = list(dict.fromkeys(name for name, _, _ in found))
    noises, seeds = (sorted({key[place] for key in found}) for place in (1, 2))
    metrics = {}
    for figure in next(iter(found.values())):
        table = {
            name: np.array([[found[name, noise, seed][figure] for noise in noises] for seed in seeds]) for name in names
        }
        table |= {f"{name} less SimCLR": table[name] - table["SimCLR"] for name in names if name != "SimCLR"}
        for name, values in table.items():
            for column, noise in enumerate(noises):
                metrics[f"{name}/{noise:g}/{figure}"] = Metric.from_estimate(mean_over_seeds(values[:, column]))
            metrics[f"fall/{name}/{figure}"] = Metric.from_estimate(mean_over_seeds(values[:, 0] - values[:, -1]))
    return metrics


def _mean_of_attributes(figures: Figures) -> Figures:
    of_one: dict[str, list[float]] = {}
    for figure, value in figures.items():
        of_one.setdefault(figure.partition("/")[2], []).append(value)
    return {f"{MEAN}/{rest}": float(np.mean(values)) for rest, values in of_one.items()}


def parameters(dataset: str, seeds: int) -> dict[str, object]:
    """Of the record."""
    contenders = {name: {"method": kind, **options} for name, (kind, options) in CONTENDERS.items()}
    settings = {"plan": asdict(PLAN), "views": asdict(VIEWS), "labels": list(LABELS), "noise": list(NOISE)}
    return {"dataset": dataset, "seeds": seeds, "rivals": contenders} | settings


def data(dataset: str) -> dict[str, dict[str, object]]:
    """Of the record: the photographs that are learned from, those of the test, and the pictures without a face."""
    pool, test = load_pool_and_test(dataset)
    return {"pool": pool.describe(), "test": test.describe(), "no faces": pictures_without_faces().describe()}


def _experiment(dataset: str, shows: str, suffix: str = "") -> Experiment:
    return Experiment(
        name=f"09_noise{suffix}",
        notebook="09",
        shows=f"SimCLR and VCL on {shows}, 0 to 40 % of the training pictures without a face, then few labels",
        datasets=(dataset, "cifar100"),
        grid=partial(grid, dataset),
        run=run,
        summarise=summarise,
        parameters=partial(parameters, dataset),
        data=partial(data, dataset),
    )


EXPERIMENTS = (_experiment("utkface", "UTKFace"), _experiment("celeba", "CelebA", "_celeba"))
