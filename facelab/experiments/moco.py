"""MoCo turned one screw at a time, on people whom it never saw: the table of notebook 04.

``04_experiments`` also pretrains on LFW, the larger set, and goes on with the small one; ``04_experiments_orl`` does without.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, field, replace

import torch

from facelab.augment import CLASSIFIER, Augmentation
from facelab.backbones import Backbone, backbone, freeze
from facelab.datasets import FaceSet, load
from facelab.datasets.pairs import Pairs, all_pairs
from facelab.datasets.splits import stored_people_split
from facelab.evaluation import cosine_scores, eer, mean_over_seeds, roc
from facelab.experiments.experiment import Cell, Experiment, Figures, Results
from facelab.experiments.lfw.view2 import crop_center
from facelab.methods import Method, MoCo, embed_faces
from facelab.protocols.unseen_people import scene_ids
from facelab.records import Metric
from facelab.training import Plan, fit

SIZE = 48
BASE = Plan(epochs=40, batch_size=32, lr=2e-3)
PRETRAINING_PLAN = Plan(epochs=5, batch_size=128, lr=2e-3)  #: of the pretraining on LFW
PRETRAINING_OPTIONS = {"queue": 2048, "momentum": 0.99, "temperature": 0.2}
#: views of one photograph that must do without renderings: parts of a face, other light
PRETRAINING_VIEWS = replace(CLASSIFIER, crop_scale=(0.5, 1.0), brightness=0.4, contrast=0.4)
FROZEN_LAYERS = (0, 6)  #: of the networks that go on from the pretraining
OPTIONS = {"queue": 64, "momentum": 0.99, "temperature": 0.1}


@dataclass(frozen=True)
class Setting:
    """What one experiment changes.

    Attributes:
        plan: fields of ``Plan``.
        options: of ``MoCo``.
        views: fields of ``Augmentation``.
        network: name and width of the backbone.
        scenes: whether the second view is another rendering of the same photograph.
    """

    plan: dict[str, object] = field(default_factory=dict)
    options: dict[str, object] = field(default_factory=dict)
    views: dict[str, object] = field(default_factory=dict)
    network: tuple[str, int] = ("resnet10", 16)
    scenes: bool = True


#: group/value -> what differs from the base
SETTINGS = {
    "base": Setting(),
    "views/of one rendering": Setting(scenes=False),
    "network/resnet18, width 8": Setting(network=("resnet18", 8)),
    "batch/64": Setting(plan={"batch_size": 64}),
    "queue/256": Setting(options={"queue": 256}),
    "temperature/0.2": Setting(options={"temperature": 0.2}),
    "momentum/0.9": Setting(options={"momentum": 0.9}),
    "momentum/0.999": Setting(options={"momentum": 0.999}),
    "jitter/0.6": Setting(views={"brightness": 0.6, "contrast": 0.6}),
    "groups/4": Setting(options={"groups": 4}),
}


@dataclass(frozen=True)
class StoredHalves:
    """The stored halves of ORL's people: who trains, and all pairs of the others."""

    train: FaceSet
    test: FaceSet
    pairs: Pairs

    @classmethod
    def from_faces(cls, faces: FaceSet) -> StoredHalves:
        """The halves of orl-wild."""
        split = stored_people_split(faces)
        test = faces.subset(split.test)
        return cls(faces.subset(split.train), test, all_pairs(test, exclude_same="photo"))

    def eer(self, method: Method) -> float:
        """EER of the test people."""
        return eer(roc(cosine_scores(embed_faces(method, self.test), self.pairs), self.pairs.same))


def new_moco(network: Backbone, setting: Setting = Setting()) -> MoCo:
    """MoCo around a network, as a setting has it."""
    views: Augmentation = replace(CLASSIFIER, **setting.views)
    return MoCo(network, views, **(OPTIONS | setting.options))


def measure(people: StoredHalves, setting: Setting, seed: int, plan: Plan = BASE) -> float:
    """EER of one training. Every setting has as many epochs, and the base's learning rate."""
    torch.manual_seed(seed)
    name, width = setting.network
    method = new_moco(backbone(name, in_channels=1, width=width, stem="small"), setting)
    return _fitted(people, method, replace(plan, **setting.plan, seed=seed), setting.scenes)


def measure_pretraining(
    faces: FaceSet, people: StoredHalves, seed: int, large: Plan = PRETRAINING_PLAN, small: Plan = BASE
) -> dict[str, float]:
    """EER after a pretraining on a larger set, and after going on with the small one, its first layers frozen or not.

    Args:
        faces: the larger set, grey, of the size of the small one.
        people: the small set.
        seed: of weights and order.
        large: plan of the pretraining.
        small: plan of what follows.
    """
    torch.manual_seed(seed)
    # a scene of LFW is one photograph: crops and jitter must make its views
    method = MoCo(backbone("resnet10", in_channels=1), PRETRAINING_VIEWS, **PRETRAINING_OPTIONS)
    fit(method, faces, replace(large, seed=seed))
    errors = {"pretrained on LFW, as it is": people.eer(method)}
    for layers in FROZEN_LAYERS:
        network = freeze(copy.deepcopy(method.backbone), layers)
        torch.manual_seed(seed)  # one head and one queue for both
        name = "pretrained on LFW, then orl-wild" + (f", {layers} layers frozen" if layers else "")
        errors[name] = _fitted(people, new_moco(network), replace(small, seed=seed), scenes=True)
    return errors


def load_pretraining_set() -> FaceSet:
    """All of LFW, grey and framed about as tightly as ORL's photographs."""
    return crop_center(load("lfw", 112), SIZE, gray=True)


def _fitted(people: StoredHalves, method: MoCo, plan: Plan, scenes: bool) -> float:
    fit(method, people.train, plan, scenes=scene_ids(people.train, "photo" if scenes else None))
    return people.eer(method)


def run(cell: Cell) -> Figures:
    """EERs by name, of one setting under one seed; ``"pretraining"`` stands for all that begins on LFW."""
    name, seed = cell.key
    people = StoredHalves.from_faces(load("orl-wild", SIZE))
    if name != "pretraining":
        return {name: measure(people, SETTINGS[name], seed)}
    errors = measure_pretraining(load_pretraining_set(), people, seed)
    return {f"pretraining/{what}": value for what, value in errors.items()}


def summarise(results: Results) -> dict[str, Metric]:
    """``eer/NAME``: mean over the seeds with its interval."""
    values: dict[str, list[float]] = {}
    for figures in results.values():
        for name, error in figures.items():
            values.setdefault(name, []).append(error)
    return {f"eer/{name}": Metric.from_estimate(mean_over_seeds(of_seeds)) for name, of_seeds in values.items()}


def _declare(name: str, shows: str, pretraining: bool) -> Experiment:
    fixed = {"size": SIZE, "options": OPTIONS, "base": asdict(BASE), "views": asdict(CLASSIFIER)}
    large = {"plan": asdict(PRETRAINING_PLAN), "options": PRETRAINING_OPTIONS, "views": asdict(PRETRAINING_VIEWS)}
    settings = {"pretraining": fixed | {"large": large, "frozen layers": FROZEN_LAYERS}} if pretraining else {}
    settings |= {setting: fixed | {"setting": asdict(changed)} for setting, changed in SETTINGS.items()}

    def grid(seeds: int) -> list[Cell]:
        return [Cell((setting, seed), decides) for seed in range(seeds) for setting, decides in settings.items()]

    def parameters(seeds: int) -> dict[str, object]:
        base = {"epochs": BASE.epochs, "batch_size": BASE.batch_size, "lr": BASE.lr}
        given = {"dataset": "orl-wild", "size": SIZE, "seeds": seeds, **OPTIONS, **base}
        return given | ({"pretraining": asdict(PRETRAINING_PLAN) | PRETRAINING_OPTIONS} if pretraining else {})

    def data() -> dict[str, dict[str, object]]:
        people = StoredHalves.from_faces(load("orl-wild", SIZE))
        described = {"train": people.train.describe(), "test": people.test.describe()}
        return described | ({"pretraining": load_pretraining_set().describe()} if pretraining else {})

    datasets = ("orl-wild", "lfw") if pretraining else ("orl-wild",)
    return Experiment(name, "04", shows, datasets, grid, run, summarise, parameters, data)


EXPERIMENTS = (
    _declare("04_experiments", "MoCo, one setting changed at a time, and pretrained on LFW", pretraining=True),
    _declare("04_experiments_orl", "MoCo, one setting changed at a time, without LFW", pretraining=False),
)
