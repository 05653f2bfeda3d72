"""Every method of the course on the same faces, with the same budget, by the same protocols: for notebook 11.

A method trains on some photographs of twenty people. It is asked about other photographs of these people (closed set), whether
two photographs of twenty strangers show one person (verification), and which of the strangers are enrolled (open set). The
budget is the number of views that go through the network with their gradient: who looks at two views of a photograph sees half
as many photographs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cache

import numpy as np
import torch

from facelab.augment import CLASSIFIER
from facelab.backbones import backbone
from facelab.cropping import YuNetDetector
from facelab.datasets import FaceSet, load
from facelab.datasets.leakage import assert_disjoint
from facelab.datasets.splits import stratified_split
from facelab.errors import BadParameterError
from facelab.evaluation import (
    BASELINES,
    Estimate,
    OpenSetSplit,
    accuracy_over_people,
    cosine_scores,
    fnir_estimate,
    mean_over_seeds,
    open_set_split,
    search_gallery,
    topk_by_neighbors,
    verification_estimates,
)
from facelab.evaluation.verification import MIN_EXPECTED
from facelab.exchange.embedders import cut_out_largest, new_embedder
from facelab.experiments.experiment import Cell, Experiment, Figures, Results
from facelab.experiments.stopwatch import TIME_SETTING, Stopwatch, processor_seconds
from facelab.methods import Method, embed_faces, new_method
from facelab.methods.registry import method_entry
from facelab.protocols.unseen_people import MIN_TEST_PEOPLE, scene_ids, split_unseen_people, verification_pairs
from facelab.records import Metric
from facelab.training import CheckpointFolder, Plan, Training

SIZE, BUDGET = 48, 24_000  #: side in pixels, and the views of a training
FIGURES = ("closed set, rank 1", "EER of strangers", "FNIR at FPIR 10 %")
FPIR, ENROLLED = 0.1, 3  #: of the open set: strangers that may raise an alarm, photographs of each enrolled person
CEILING, CEILING_SIZE = "SFace, pretrained", 112  #: and the side of its photographs
NO_TRAINING = "without training"  #: name of the cell of all that need none
DRAWS = 100  #: of the bootstrap of a run, whose intervals the record does not hold
#: Of a run in seconds of the processor; of a record over that of softmax, with the same seed.
COST = "time of training"
REFERENCES = ("whitened PCA", "softmax")  #: what learns no weights, and what learns names without a margin

#: Photographs, uint8 in a set, to embeddings (N, D).
Embed = Callable[[FaceSet], np.ndarray]


@dataclass(frozen=True)
class Contender:
    """How one method trains here: the recipe of its own notebook, but for the number of epochs.

    Attributes:
        method: a key of ``METHODS``.
        options: of the method.
        batch_size, lr: of its plan.
        scenes: whether its second view may be another rendering of the same photograph.
    """

    method: str
    options: dict[str, object] = field(default_factory=dict)
    batch_size: int = 32
    lr: float = 4e-3
    scenes: bool = False

    @property
    def views(self) -> int:
        """Views of each photograph that go through the network with a gradient, or as keys."""
        return method_entry(self.method).method_class.views

    @property
    def learns_names(self) -> bool:
        """Whether it learns from who is on a photograph."""
        return method_entry(self.method).labels


_MARGIN = {"dimension": 128, "scale": 16.0}
CONTENDERS = {
    "CNN + MLP": Contender("classifier"),
    "SupCon": Contender("supcon"),
    "MoCo v2": Contender("moco", {"queue": 64, "momentum": 0.99, "temperature": 0.1}, lr=2e-3, scenes=True),
    "SimCLR": Contender("simclr", {"temperature": 0.2}, batch_size=64, lr=3e-3, scenes=True),
    "VICReg": Contender("vicreg", {"expander": (256, 256, 256)}, batch_size=64, lr=3e-3, scenes=True),
    "VCL": Contender(
        "vcl", {"layers": 2, "prior": 0.1, "beta": 0.1, "sigma": 0.4, "temperature": 1.25}, lr=2e-3, scenes=True
    ),
    "softmax": Contender("margin", {"loss": "softmax", "dimension": 128}, lr=3e-3),
    "center": Contender("margin", {"loss": "center", "dimension": 128}, lr=3e-3),
    "Ring": Contender("margin", {"loss": "ring", "dimension": 128}, lr=3e-3),
    "A-Softmax": Contender("margin", {"loss": "sphereface", "dimension": 128}, lr=3e-3),
    "ArcFace": Contender("margin", {"loss": "arcface", "margin": 0.2, **_MARGIN}, lr=3e-3),
    "CosFace": Contender("margin", {"loss": "cosface", "margin": 0.2, **_MARGIN}, lr=3e-3),
}


@dataclass(frozen=True)
class Parts:
    """The same photographs for all.

    Attributes:
        train: of the people who are in training; also the gallery of the closed set.
        known: other photographs of these people.
        strangers: photographs of people who are in no training.
    """

    train: FaceSet
    known: FaceSet
    strangers: FaceSet

    @classmethod
    def from_faces(cls, faces: FaceSet, seed: int) -> Parts:
        """Half of the people train, with 70 % of their photographs; renderings of one photograph stay together.

        Proved: no stranger is in training, and no picture of the closed test.
        """
        people, strangers = split_unseen_people(faces, seed)
        split = stratified_split(people, train=0.7, seed=seed, group="photo" if "photo" in people.attributes else None)
        train, known = people.subset(split.train), people.subset(split.test)
        assert_disjoint(train, known, kinds=("file", "hash"))
        assert_disjoint(train, strangers, kinds=("identity", "file", "hash"))
        return cls(train, known, strangers)

    def first_people(self, people: int) -> Parts:
        """Only so many people who train, and so many strangers."""
        known = self.train.people[:people]
        strangers = self.strangers.select_people(self.strangers.people[:people])
        return Parts(self.train.select_people(known), self.known.select_people(known), strangers)


def plan_for_budget(contender: Contender, photographs: int, views: int, seed: int) -> Plan:
    """As many epochs as the budget has, one at least; a batch is never larger than the photographs are many."""
    batch_size = min(contender.batch_size, photographs)
    steps = photographs // batch_size * batch_size * contender.views
    epochs = max(1, round(views / steps))
    return Plan(epochs, batch_size, contender.lr, warmup_epochs=min(1.0, epochs / 2), seed=seed)


def select(names: str) -> dict[str, Contender]:
    """Some of ``CONTENDERS`` by their names, with commas between them.

    Raises:
        BadParameterError: no contender has that name.
    """
    selected = [name.strip() for name in names.split(",")]
    for name in selected:
        if name not in CONTENDERS:
            raise BadParameterError(f"No contender is called {name!r}.", f"There are: {', '.join(CONTENDERS)}.")
    return {name: CONTENDERS[name] for name in selected}


def build_untrained(contender: Contender, faces: FaceSet, plan: Plan) -> Method:
    """The method before its training on these photographs. All start from the same backbone."""
    options = dict(contender.options)
    if options.get("loss") == "sphereface":  # belongs to the length of the run: notebook 07
        options["annealing"] = plan.epochs * (len(faces) // plan.batch_size) * 2 // 3
    torch.manual_seed(plan.seed)
    network = backbone("resnet10", in_channels=faces.images.shape[3])
    return new_method(contender.method, network, CLASSIFIER, options, len(faces.people))


def new_training(
    contender: Contender, faces: FaceSet, views: int, seed: int, folder: CheckpointFolder | None = None
) -> Training:
    """The training of a method with its budget; its checkpoint is kept in ``folder``."""
    plan = plan_for_budget(contender, len(faces), views, seed)
    method = build_untrained(contender, faces, plan)
    photo = "photo" if contender.scenes and "photo" in faces.attributes else None
    return Training(method, faces, plan, scenes=scene_ids(faces, photo), folder=folder)


def fit_baselines(parts: Parts, seed: int) -> dict[str, Embed]:
    """The baselines, fitted on the training photographs, and the network of all methods before it learns."""
    embeds: dict[str, Embed] = {}
    for name, baseline in BASELINES.items():
        fitted = baseline(parts.train.images)
        embeds[name] = lambda faces, fitted=fitted: fitted(faces.images)
    torch.manual_seed(seed)
    network = backbone("resnet10", in_channels=parts.train.images.shape[3])
    start = new_method("simclr", network, CLASSIFIER, {}, 0)
    return embeds | {"random network": lambda faces: embed_faces(start, faces)}


def load_sface(large: FaceSet) -> Embed:
    """SFace, which learned from millions of photographs: what can be had on these faces, not what is to be compared with.

    Where YuNet finds no face the embedding is 0, like nobody's.

    Args:
        large: the photographs in a size that a detector can use, each with a ``file`` of its own.
    """
    embedder, detector = new_embedder(), YuNetDetector()
    images = dict(zip(large.attributes["file"], large.images, strict=True))

    @cache
    def embed_one(file: str) -> np.ndarray:
        crop = cut_out_largest(embedder, images[file], detector)
        return np.zeros(embedder.dimension, np.float32) if crop is None else embedder.embed_crops(crop[None])[0]

    return lambda faces: np.stack([embed_one(file) for file in faces.attributes["file"]])


def measurable_figures(parts: Parts, seed: int) -> tuple[str, ...]:
    """Those of ``FIGURES`` that these photographs can show."""
    return FIGURES[:2] if _measurable_open_set(parts, seed) is None else FIGURES


def _measurable_open_set(parts: Parts, seed: int) -> OpenSetSplit | None:
    """The open set takes three enrolled people, three others, and so many photographs of the others that ten false alarms are
    ``FPIR`` of them; None where these are not there.
    """
    try:
        split = open_set_split(parts.strangers, 0.5, ENROLLED, seed)
    except BadParameterError:
        return None
    enrolled, others = (len(np.unique(parts.strangers.identity[rows])) for rows in (split.gallery, split.non_mated))
    enough = min(enrolled, others) >= MIN_TEST_PEOPLE and len(split.non_mated) * FPIR >= MIN_EXPECTED
    return split if enough else None


def measure(embed: Embed, parts: Parts, seed: int, draws: int = 300) -> dict[str, Estimate]:
    """All ``measurable_figures``, with intervals over people.

    Args:
        embed: a method that learned from ``parts.train`` or from nobody of ``parts``.
        parts: of the seed.
        seed: of the split of the open set, and of the bootstrap.
        draws: of the bootstrap.
    """
    strangers = embed(parts.strangers)
    near = topk_by_neighbors(embed(parts.train), parts.train.identity, embed(parts.known), parts.known.identity)
    pairs = verification_pairs(parts.strangers)
    verified = verification_estimates(cosine_scores(strangers, pairs), pairs, parts.strangers.identity, (), draws, seed)
    found = {
        FIGURES[0]: accuracy_over_people(near, parts.known.identity, draws=draws, seed=seed),
        FIGURES[1]: verified["eer"],
    }
    split = _measurable_open_set(parts, seed)
    if split is not None:
        searched = search_gallery(strangers, parts.strangers.identity, split)
        found[FIGURES[2]] = fnir_estimate(searched, FPIR, draws=draws, seed=seed)
    return found


def grid(seeds: int) -> list[Cell]:
    """Every contender, and all that need no training together, under every seed: of split, weights, order and views."""
    fixed = {"views": BUDGET, "size": SIZE, "fpir": FPIR, "enrolled": ENROLLED} | TIME_SETTING
    names: dict[str, dict[str, object]] = {NO_TRAINING: {"ceiling size": CEILING_SIZE}}
    names |= {name: {"contender": asdict(contender)} for name, contender in CONTENDERS.items()}
    return [Cell((name, seed), fixed | own) for seed in range(seeds) for name, own in names.items()]


def run(cell: Cell) -> Figures:
    """The figures of one training and its processor seconds, or of all that need none, on orl-wild: FIGURE/NAME -> value."""
    name, seed = cell.key
    parts = Parts.from_faces(load("orl-wild", SIZE), seed)
    if name == NO_TRAINING:
        ceiling = load_sface(load("orl-wild", CEILING_SIZE))
        embeds, cost = fit_baselines(parts, seed) | {CEILING: ceiling}, {}
    else:
        training = replace(new_training(CONTENDERS[name], parts.train, BUDGET, seed), monitors=[Stopwatch()])
        cost = {f"{COST}/{name}": processor_seconds(training.fit())}
        embeds = {name: lambda faces: embed_faces(training.method, faces)}
    return cost | {
        f"{figure}/{one}": estimate.value
        for one, embed in embeds.items()
        for figure, estimate in measure(embed, parts, seed, DRAWS).items()
    }


def summarise(results: Results) -> dict[str, Metric]:
    """Metrics of a record, each the mean over seeds with its interval.

    - ``FIGURE/NAME``;
    - ``FIGURE/NAME less OTHER``, within each seed, for the others of ``REFERENCES``;
    - ``COST/NAME``: processor seconds over those of softmax, within each seed. (A record whose parameters do not say so has
      seconds of the clock on the wall, while other cells ran.)
    """
    seeds = sorted({seed for _, seed in results})
    values: dict[str, list[float]] = {}
    for seed in seeds:
        of_seed = {key: value for (_, at), figures in results.items() if at == seed for key, value in figures.items()}
        for key, value in of_seed.items():
            figure, name = key.split("/")
            if figure == COST:
                values.setdefault(key, []).append(value / of_seed[f"{COST}/softmax"])
                continue
            values.setdefault(key, []).append(value)
            for other in REFERENCES:
                if name != other:
                    values.setdefault(f"{key} less {other}", []).append(value - of_seed[f"{figure}/{other}"])
    return {key: Metric.from_estimate(mean_over_seeds(rows)) for key, rows in values.items()}


def parameters(seeds: int) -> dict[str, object]:
    """Of the record."""
    settings = {"seeds": seeds, "views": BUDGET, "size": SIZE, "fpir": FPIR, "enrolled photographs": ENROLLED}
    return settings | TIME_SETTING | {"rivals": {name: asdict(contender) for name, contender in CONTENDERS.items()}}


def data() -> dict[str, dict[str, object]]:
    """Of the record: all photographs."""
    return {"faces": load("orl-wild", SIZE).describe()}


SHOWS = "every method on orl-wild with one budget: closed set, verification, open set, time"
EXPERIMENTS = (
    Experiment("11_comparison", "11", SHOWS, ("orl-wild",), grid, run, summarise, parameters, data, seeds=5),
)
