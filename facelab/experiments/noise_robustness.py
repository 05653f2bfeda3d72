"""Pictures that show no face among the training photographs: does variational contrastive learning mind them less than SimCLR?

``python -m facelab.experiments.noise_robustness`` makes the record that notebook 09 shows, on UTKFace; with ``--dataset celeba`` it
asks for the 40 attributes of CelebA, as the paper does. A run that is done is kept; a second call computes what is missing.
"""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from functools import cache
from typing import Annotated

import numpy as np
import torch
import typer

from facelab.augment import SUPCON
from facelab.backbones import backbone
from facelab.datasets import FaceSet, load
from facelab.datasets.contaminated import contaminated
from facelab.datasets.leakage import assert_disjoint
from facelab.errors import BadParameterError
from facelab.evaluation import confusion, over_seeds
from facelab.experiments import command
from facelab.experiments.grid import Run, kept, over, seconds_of
from facelab.experiments.utkface_labels import has_labels, parts_of
from facelab.methods import Siamese
from facelab.methods.named import METHODS
from facelab.paths import own_data
from facelab.protocols.few_labels import Question, answers, untrained
from facelab.records import Metric, Record
from facelab.training import Plan, fit

SIZE, FACES = 32, 4000  #: side in pixels, that of the pictures without faces as they come; photographs to learn from
NOISE = (0.0, 0.2, 0.4)  #: share of them that shows no face
LABELS = (0.01, 0.1)  #: share of the pool that is labelled
COLUMNS = ("gender", "race", "age band")
MEAN = "mean of attributes"
BANDS = {"0 to 17": 0, "18 to 35": 18, "36 to 60": 36, "61 and more": 61}  #: band -> its first year
PLAN = Plan(epochs=24, batch_size=32, lr=2e-3)
VIEWS = SUPCON
LEVEL = 1 / math.sqrt(2 * math.pi)  #: the sigma at which the beta score's first factor is 1, whatever D and beta
T = 0.2  #: temperature of NT-Xent, and of the beta scores in its limit: see ``losses.beta_nt_xent``
#: What trains in so few steps: the paper's head of three layers and weight 1 of the prior leave nothing active by then.
SHORT = {"sigma": LEVEL, "temperature": T / LEVEL**2, "layers": 2, "prior": 0.1}
#: name -> method and its options; all but the paper's own meet NT-Xent of one temperature at beta = 0
RIVALS = {
    "SimCLR": ("simclr", {"temperature": T}),
    "VCL without beta": ("vcl", {"beta": 0.0, **SHORT}),
    "VCL, beta .1": ("vcl", {"beta": 0.1, **SHORT}),
    "VCL, the paper's": ("vcl", {}),
}


@cache
def parts(dataset: str = "utkface") -> tuple[FaceSet, FaceSet]:
    """``FACES`` photographs to learn from, and a test: UTKFace with a band of age, or CelebA's own split, nobody in both.

    Raises:
        BadParameterError: another data set.
    """
    if dataset == "utkface":
        pool, test = (_banded(part) for part in parts_of(load(dataset, SIZE)))
        pool = pool.subset(has_labels(pool.attributes))
    elif dataset == "celeba":
        faces = load(dataset, SIZE)
        pool, test = (faces.subset((faces.attributes["split"] == part).to_numpy()) for part in ("train", "test"))
        assert_disjoint(pool, test, by=("identity", "file", "hash"))
    else:
        raise BadParameterError(f"Nothing is asked of {dataset}.", "Give utkface or celeba.")
    rows = np.random.default_rng(0).permutation(len(pool))[:FACES]
    return pool.subset(np.sort(rows)), test


def columns(faces: FaceSet) -> tuple[str, ...]:
    """The attributes that are asked for: UTKFace's three, or all that are yes or no."""
    table = faces.attributes
    return COLUMNS if set(COLUMNS) <= set(table) else tuple(table.select_dtypes(bool).columns)


@cache
def no_faces() -> FaceSet:
    """CIFAR-100's photographs for training without those of its superclass "people"."""
    pictures = load("cifar100", SIZE)
    rows = (pictures.attributes["superclass"] != "people") & (pictures.attributes["split"] == "train")
    return pictures.subset(rows.to_numpy())


def _banded(faces: FaceSet) -> FaceSet:
    names = np.array(list(BANDS))
    band = names[np.digitize(faces.attributes["age"].fillna(0), list(BANDS.values())[1:])]
    return replace(faces, attributes=faces.attributes.assign(**{"age band": band}))


def new_rival(name: str, seed: int) -> Siamese:
    """An untrained method; all start from the same backbone."""
    kind, options = RIVALS[name]
    torch.manual_seed(seed)
    return METHODS[kind].kind(backbone("resnet10", in_channels=3), VIEWS, **options)


def run(name: str, noise: float, seed: int, dataset: str = "utkface") -> Run:
    """One training: ``COLUMN/SHARE/NETWORK`` -> balanced accuracy of a linear probe on labelled faces, 0 to 1.

    Networks are the trained one, the same before its training, and pixels. The labelled photographs are faces in any case.

    Args:
        name: a key of ``RIVALS``.
        noise: share of the training pictures that shows no face.
        seed: of weights, order, views, of what is exchanged, and of the draw of labels.
        dataset: as ``parts``.
    """
    settings = {"rival": RIVALS[name], "noise": noise, "seed": seed, "plan": asdict(PLAN), "views": asdict(VIEWS)}
    settings |= {"faces": FACES, "size": SIZE, "labels": LABELS}
    settings |= {"bands": BANDS} if dataset == "utkface" else {"dataset": dataset}

    def compute() -> dict[str, float]:
        torch.set_num_threads(1)
        pool, test = parts(dataset)
        method = new_rival(name, seed)
        start = untrained(method, method.backbone)
        fit(method, contaminated(pool, noise, seed, no_faces()), replace(PLAN, seed=seed))
        figures = {}
        for column in columns(pool):
            asked = Question.of(column, pool, test)
            for share in LABELS:
                given = answers(asked, {"trained": method, "random start": start}, share, seed, None)
                for network, predicted in given.items():
                    matrix = confusion(asked.test_labels, predicted, len(asked.names))
                    figures[f"{column}/{share:g}/{network}"] = float(np.mean(matrix.diagonal() / matrix.sum(axis=1)))
        return figures

    return kept("noise_robustness", f"{name.replace(' ', '-')}-{noise:g}-{seed}", settings, compute)


def summary(found: dict[tuple[str, float, int], dict[str, float]]) -> dict[str, Metric]:
    """Metrics of a record, each the mean over seeds with its interval.

    Figures are those of the runs, and ``MEAN/SHARE/NETWORK``, the mean over the attributes of each run.

    - ``RIVAL/NOISE/FIGURE``;
    - ``fall/RIVAL/FIGURE``: at no noise less at the most, within each seed;
    - ``RIVAL less SimCLR/NOISE/FIGURE`` and ``fall/RIVAL less SimCLR/FIGURE``, within each seed.
    """
    names = list(dict.fromkeys(name for name, _, _ in found))
    noises, seeds = (sorted({key[place] for key in found}) for place in (1, 2))
    found = {key: figures | _over_attributes(figures) for key, figures in found.items()}
    metrics = {}
    for figure in next(iter(found.values())):
        table = {
            name: np.array([[found[name, noise, seed][figure] for noise in noises] for seed in seeds]) for name in names
        }
        table |= {f"{name} less SimCLR": table[name] - table["SimCLR"] for name in names if name != "SimCLR"}
        for name, values in table.items():
            for column, noise in enumerate(noises):
                metrics[f"{name}/{noise:g}/{figure}"] = Metric.of(over_seeds(values[:, column]))
            metrics[f"fall/{name}/{figure}"] = Metric.of(over_seeds(values[:, 0] - values[:, -1]))
    return metrics


def _over_attributes(figures: dict[str, float]) -> dict[str, float]:
    of_one: dict[str, list[float]] = {}
    for figure, value in figures.items():
        of_one.setdefault(figure.partition("/")[2], []).append(value)
    return {f"{MEAN}/{rest}": float(np.mean(values)) for rest, values in of_one.items()}


def main(
    seeds: Annotated[int, typer.Option(min=3, help="Seeds 0 ... seeds-1, of weights, views, noise and labels.")] = 3,
    dataset: Annotated[str, typer.Option(help="utkface or celeba.")] = "utkface",
) -> None:
    """Run what is missing, and write ``data/results/09_noise.json``, or ``09_noise_celeba.json``."""
    pool, test = parts(dataset)
    asked = [(name, noise, seed, dataset) for seed in range(seeds) for noise in NOISE for name in RIVALS]
    found = over(run, asked, "trainings")
    given = {"dataset": dataset, "seeds": seeds}
    given |= {"rivals": {name: {"method": kind, **options} for name, (kind, options) in RIVALS.items()}}
    given |= {"plan": asdict(PLAN), "views": asdict(VIEWS), "labels": list(LABELS), "noise": list(NOISE)}
    name, option = ("09_noise", "") if dataset == "utkface" else (f"09_noise_{dataset}", f" --dataset {dataset}")
    record = Record(name, f"python -m facelab.experiments.noise_robustness --seeds {seeds}{option}", given)
    record.data |= {"pool": pool.describe(), "test": test.describe(), "no faces": no_faces().describe()}
    record.metrics = summary({key[:3]: done.figures for key, done in found.items()})
    record.wall_seconds = seconds_of(found)
    print(record.write(own_data("results", f"{name}.json")))


if __name__ == "__main__":
    command.run(main)
