"""VCL's own table: with and without beta, two networks, 1 and 10 % of the labels of several attributes, beside SimCLR.

Yavuz and Yanikoglu (FG 2024, arXiv 2312.00824) have CelebA with 40 attributes, and ResNet10t and VGG11-bn of full width.
``09_attributes`` has UTKFace and orl-wild, ``09_attributes_celeba`` has CelebA. Both are narrowed, so that the first takes an
hour of one core: a quarter of the width (16 channels of 64), 32 pixels, few epochs, and of CelebA as many photographs as
UTKFace has.

Head, prior and temperature are those of ``noise_robustness.SHORT_TRAINING`` and not the paper's. They were looked at twice,
never on a test: on a fifth of UTKFace's pool that was held out of a training (after four epochs the paper's own options
were a point lower than these, and ``STRENGTH`` was within a tenth of a point of the best for every row), and on six of the
twenty people of orl-wild who train. Epochs are what the hour leaves.

The two views are two crops of one rendering, as in the paper: to learn that two renderings are the same would be to forget
the sunglasses that are asked for.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, replace
from functools import cache, partial

import numpy as np
import pandas as pd
import torch

from facelab.augment import SUPCON
from facelab.backbones import backbone
from facelab.datasets import UNKNOWN, FaceSet, load
from facelab.datasets.wild.parameters import STRONG_TURN
from facelab.evaluation import (
    ATTRIBUTE_METRICS,
    Estimate,
    attribute_metrics,
    bootstrap_over_people,
    mean_over_seeds,
    whitened_pca,
)
from facelab.experiments.experiment import Cell, Experiment, Figures, Key, Results
from facelab.experiments.noise_robustness import BANDS, SHORT_TRAINING, TEMPERATURE
from facelab.experiments.utkface_labels import has_labels, split_pool_and_test
from facelab.methods import Siamese, embed_faces
from facelab.methods.registry import METHODS
from facelab.protocols.attributes import AttributeTask, predict_attributes
from facelab.protocols.unseen_people import split_unseen_people
from facelab.records import Metric
from facelab.training import Plan, fit

SIZE, FACES = 32, 17_000  #: side in pixels; most photographs to learn from
LABELS = (0.01, 0.1)  #: share of the pool whose attributes are known
STRENGTH = 0.01  #: C of all probes
NETWORKS = {  #: name -> of the registry, with its options
    "ResNet10t": {"name": "resnet10t", "width": 16, "stem": "small"},
    "VGG11-bn": {"name": "vgg11_bn", "width": 16},
}
CONTENDERS = {  #: name -> method and its options
    "SimCLR": ("simclr", {"temperature": TEMPERATURE}),
    "VCL without beta": ("vcl", {**SHORT_TRAINING, "beta": 0.0}),
    "VCL with beta": ("vcl", {**SHORT_TRAINING, "beta": 0.005}),
}
UNTRAINED, NO_NETWORK = "random start", "no network"
PCA, CONSTANTS = "whitened PCA", ("the more frequent answer", "always yes")
BASELINES, CONSTANT_ANSWERS = "baselines", "constant answers"  #: cells without a network
DRAWS = 1000  #: of the interval of a constant answer, which no seed changes
DIFFERENCES = (  #: which rows are compared, within each seed
    ("VCL with beta", "VCL without beta"),
    ("VCL with beta", "SimCLR"),
    ("VCL without beta", "SimCLR"),
    ("SimCLR", UNTRAINED),
)
VIEWS = SUPCON
PLANS = {
    "utkface": Plan(epochs=9, batch_size=128, lr=2e-3, weight_decay=0.01),
    "orl-wild": Plan(epochs=60, batch_size=64, lr=2e-3, weight_decay=0.01),
    "celeba": Plan(epochs=9, batch_size=128, lr=2e-3, weight_decay=0.01),
}


def utkface_attributes(faces: FaceSet) -> pd.DataFrame:
    """Ten columns of yes and no: gender, each race, each band of age."""
    table = faces.attributes
    found = {"male": table["gender"] == "male"}
    found |= {name: table["race"] == name for name in ("White", "Black", "Asian", "Indian", "Others")}
    band = np.digitize(table["age"], list(BANDS.values())[1:])
    return pd.DataFrame(found | {f"aged {name}": band == number for number, name in enumerate(BANDS)})


def orl_wild_attributes(faces: FaceSet) -> pd.DataFrame:
    """Seven columns of yes and no: three of the photograph, by our labels, and four of what was done to it.

    Those of the photograph are asked for under an occlusion too, where nobody can see them: no row of the table reaches 1.
    Gender (four women) and closed eyes (11 photographs) are left out; shadow, blur and noise have no border of yes and no.
    """
    table = faces.attributes
    found = {name.replace("_", " "): table[name] == 1 for name in ("glasses", "facial_hair", "smile")}
    found |= {name: table["occlusion"] == name for name in ("sunglasses", "scarf", "hand")}
    return pd.DataFrame(found | {"strong turn": table["turn_degrees"].abs() > STRONG_TURN})


def celeba_attributes(faces: FaceSet) -> pd.DataFrame:
    """All 40: the columns of the table that are yes or no."""
    return faces.attributes.select_dtypes(bool)


ATTRIBUTES = {"utkface": utkface_attributes, "orl-wild": orl_wild_attributes, "celeba": celeba_attributes}


@cache
def load_task(dataset: str) -> AttributeTask:
    """Pool, test and attributes of a data set, nobody and no picture in both.

    UTKFace by ``split_pool_and_test``, orl-wild by the stored list of people, CelebA by its own split.
    """
    faces = load(dataset, SIZE)
    if dataset == "utkface":
        pool, test = split_pool_and_test(faces)
        pool = pool.subset(has_labels(pool.attributes))
    elif dataset == "celeba":
        pool, test = (faces.subset((faces.attributes["split"] == part).to_numpy()) for part in ("train", "test"))
    else:
        pool, test = split_unseen_people(faces, seed=0)
    pool = pool.subset(np.sort(np.random.default_rng(0).permutation(len(pool))[:FACES]))
    return AttributeTask.from_tables(pool, test, ATTRIBUTES[dataset](pool), ATTRIBUTES[dataset](test))


def build_untrained(dataset: str, network: str, name: str, seed: int) -> Siamese:
    """A method before its training; all of one network and seed start from the same backbone, that of ``UNTRAINED``."""
    kind, options = CONTENDERS["SimCLR" if name == UNTRAINED else name]
    channels = load_task(dataset).pool.images.shape[3]
    torch.manual_seed(seed)
    return METHODS[kind].method_class(backbone(in_channels=channels, **NETWORKS[network]), VIEWS, **options)


def grid(datasets: tuple[str, ...], seeds: int) -> list[Cell]:
    """Every contender on every network and data set under every seed (of weights, order, views and the draw of labels).

    And the same without training, and what needs no network; constant answers once, since they draw nothing.
    """
    fixed = {"views": asdict(VIEWS), "faces": FACES, "size": SIZE, "labels": LABELS, "strength": STRENGTH}
    cells = []
    for seed in range(seeds):
        for dataset in datasets:
            for network, of_network in NETWORKS.items():
                settings = {"network": of_network, "plan": asdict(PLANS[dataset])} | fixed
                for name in CONTENDERS:
                    cells.append(Cell((dataset, network, name, seed), settings | {"contender": CONTENDERS[name]}))
                cells.append(Cell((dataset, network, UNTRAINED, seed), settings))
            cells.append(Cell((dataset, NO_NETWORK, BASELINES, seed), fixed))
    return cells + [Cell((dataset, NO_NETWORK, CONSTANT_ANSWERS, 0), fixed | {"draws": DRAWS}) for dataset in datasets]


def run(cell: Cell) -> Figures:
    """One training, or the baselines: ``NAME/SHARE/METRIC`` -> figures of the attributes, in their order, 0 to 1.

    Of constant answers it is an ``Estimate``, see ``answer_constantly``.
    """
    dataset, network, name, seed = cell.key
    task = load_task(dataset)
    if name == CONSTANT_ANSWERS:
        return {figure: estimate.as_dict() for figure, estimate in answer_constantly(task).items()}
    rows = {share: task.draw_labeled_rows(share, seed) for share in LABELS}
    if network == NO_NETWORK:
        embed = whitened_pca(task.pool.images)
        found = {PCA: _probed(task, rows, embed(task.pool.images), embed(task.test.images))}
    else:
        method = build_untrained(dataset, network, name, seed)
        if name != UNTRAINED:
            fit(method, task.pool, replace(PLANS[dataset], seed=seed))
        found = {name: _probed(task, rows, embed_faces(method, task.pool), embed_faces(method, task.test))}
    return {
        f"{row}/{share:g}/{metric}": values.tolist()
        for row, by_share in found.items()
        for share, predicted in by_share.items()
        for metric, values in attribute_metrics(task.test_labels, predicted).items()
    }


def answer_constantly(task: AttributeTask) -> dict[str, Estimate]:
    """``NAME/SHARE/METRIC`` of each of ``CONSTANTS``, means over the attributes, the same whatever share is labelled.

    The interval is a bootstrap over the people of the test, or over its photographs where people are unknown. An attribute
    that all or none of a draw have does not count in it.
    """
    person, unit = task.test.identity, "people"
    if (person == UNKNOWN).any():
        person, unit = np.arange(len(task.test)), "photographs"
    answers = (task.pool_labels.mean(axis=0) > 0.5, np.ones(len(task.names), dtype=bool))

    def mean_figure(rows: np.ndarray, answer: np.ndarray, metric: str) -> float:
        labels = task.test_labels[rows]
        both = labels.any(axis=0) & ~labels.all(axis=0)
        return float(attribute_metrics(labels[:, both], np.tile(answer[both], (len(rows), 1)))[metric].mean())

    found = {}
    for name, answer in zip(CONSTANTS, answers, strict=True):
        for metric in ATTRIBUTE_METRICS:
            estimate = bootstrap_over_people(partial(mean_figure, answer=answer, metric=metric), person, DRAWS)
            estimate = replace(estimate, method=f"bootstrap over {unit}", unit=unit)
            found |= {f"{name}/{share:g}/{metric}": estimate for share in LABELS}
    return found


def _probed(
    task: AttributeTask, rows: dict[float, np.ndarray], z: np.ndarray, test_z: np.ndarray
) -> dict[float, np.ndarray]:
    return {share: predict_attributes(z[own], task.pool_labels[own], test_z, STRENGTH) for share, own in rows.items()}


def summarise(results: Results) -> dict[str, Metric]:
    """Metrics of a record: means over the attributes, each the mean over seeds with its interval.

    - ``DATASET/NETWORK/NAME/SHARE/METRIC``, of a constant answer with the interval of ``answer_constantly``;
    - ``DATASET/NETWORK/NAME less OTHER/SHARE/METRIC`` for each of ``DIFFERENCES``, within each seed.
    """
    values: dict[Key, list[float]] = defaultdict(list)
    constant: dict[Key, Estimate] = {}
    for (dataset, network, cell, _), figures in results.items():
        for figure, found in figures.items():
            name, share, metric = figure.split("/")
            if cell == CONSTANT_ANSWERS:
                constant[dataset, network, name, share, metric] = Estimate(**found)
            else:
                values[dataset, network, name, share, metric].append(float(np.mean(found)))
    for dataset, network, name, share, metric in list(values):
        for one, other in DIFFERENCES:
            if name == one and network != NO_NETWORK:
                pair = [np.array(values[dataset, network, row, share, metric]) for row in (one, other)]
                values[dataset, network, f"{one} less {other}", share, metric] = list(pair[0] - pair[1])
    estimates = {key: mean_over_seeds(of_seeds) for key, of_seeds in values.items()} | constant
    return {"/".join(key): Metric.from_estimate(estimate) for key, estimate in estimates.items()}


def parameters(datasets: tuple[str, ...], seeds: int) -> dict[str, object]:
    """Of the record."""
    contenders = {name: {"method": kind, **options} for name, (kind, options) in CONTENDERS.items()}
    return {
        "datasets": list(datasets),
        "seeds": seeds,
        "contenders": contenders,
        "networks": NETWORKS,
        "narrowed": "width 16 of 64, 32 px, few epochs, one linear probe instead of fine-tuning: an hour of one core in all",
        "plans": {dataset: asdict(PLANS[dataset]) for dataset in datasets},
        "views": asdict(VIEWS),
        "labels": list(LABELS),
        "strength": STRENGTH,
        "faces at most": FACES,
    }


def data(datasets: tuple[str, ...]) -> dict[str, dict[str, object]]:
    """Of the record: photographs of pool and test of each data set, and the share of each attribute."""
    parts = {}
    for dataset in datasets:
        task = load_task(dataset)
        for role, part, labels in (("pool", task.pool, task.pool_labels), ("test", task.test, task.test_labels)):
            shares = dict(zip(task.names, labels.mean(axis=0).round(4).tolist(), strict=True))
            parts[f"{dataset}, {role}"] = part.describe() | {"attributes": shares}
    return parts


def _declare(name: str, datasets: tuple[str, ...], shows: str) -> Experiment:
    return Experiment(
        name=name,
        notebook="09",
        shows=f"VCL with and without beta, and SimCLR, by ResNet10t and VGG11-bn on {shows}: attributes from few labels",
        datasets=datasets,
        grid=partial(grid, datasets),
        run=run,
        summarise=summarise,
        parameters=partial(parameters, datasets),
        data=partial(data, datasets),
    )


EXPERIMENTS = (
    _declare("09_attributes", ("utkface", "orl-wild"), "UTKFace and orl-wild"),
    _declare("09_attributes_celeba", ("celeba",), "CelebA"),
)
