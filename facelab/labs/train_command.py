"""``facelab train``: any method on any data set, measured on people whom it knows or on people whom it has never seen.

The folder of a run holds ``command.txt`` (what it is a run of), ``last.ckpt`` (where the training stands), ``method.pt``
(what came out, for ``load_method``), with a head ``head/last.ckpt`` and ``head.pt``, then ``record.json`` and the plots.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.exceptions import MisconfigurationException

from facelab.augment import PRESETS
from facelab.backbones import backbone, freeze
from facelab.datasets import FaceSet, load
from facelab.datasets.leakage import assert_disjoint
from facelab.datasets.pairs import all_pairs
from facelab.datasets.splits import identity_disjoint, stored_people
from facelab.errors import BadParameterError, FacelabError
from facelab.evaluation import BASELINES, Estimate, scores, topk_by_scores, verification_figures
from facelab.evaluation.clusters import silhouette_of
from facelab.evaluation.verification import MIN_EXPECTED
from facelab.files import atomic, write_text
from facelab.labs.closed_set import by_embeddings, new_head, right_share, split_closed, with_photos, without_training
from facelab.methods import Classifier, Method, embed_faces, load_method, new_method, save_method
from facelab.methods.named import named
from facelab.paths import runs_root
from facelab.records import Metric, Record, read
from facelab.training import History, Plan, fit

CHOICES = {
    "people": ("known", "unseen"),
    "head": ("none", "frozen", "finetuned"),
    "precision": ("32-true", "bf16-mixed", "16-mixed"),
}
STAGES = ("train", "test", "both")

#: Epochs and peak learning rate of each method where none are given; ``None``: of any other.
RECIPES = {"classifier": (40, 3e-3), "supcon": (40, 2e-3), "moco": (60, 2e-3), None: (40, 2e-3)}
HEAD_RATES = {"frozen": 3e-3, "finetuned": 1e-3}
FARS = (0.1, 0.01, 0.001)  #: those of them that the impostor pairs can show


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise BadParameterError unless ``value`` is one of the choices of an option."""
    if value not in choices:
        raise BadParameterError(f"--{name} is {value!r}.", f"Give one of: {', '.join(choices)}.")


@dataclass(frozen=True)
class Settings:
    """What decides a run besides its ``Plan``: data, method, network, head.

    Attributes:
        method: a key of ``METHODS``.
        options: of the method, as typed: ``{"temperature": "0.07"}``.
        dataset: a name for ``datasets.load``.
        min_photos: only people with at least so many photographs.
        size: working size in pixels.
        people: "known": photographs are held out of every person; "unseen": half of the people are.
        augmentation: a name of ``augment.PRESETS``; None: the method's own.
        backbone: name of the network.
        width: of its first stage; None: its own.
        weights: that it starts with, a published name or a file; None: random ones.
        freeze: how many of its first layers stay as they are.
        head: an MLP trained on the names afterwards, on the backbone as it is ("frozen") or learning on ("finetuned").
        head_epochs: of that training.
        precision: as Fabric names it.
    """

    method: str
    options: dict[str, str]
    dataset: str
    min_photos: int
    size: int
    people: str
    augmentation: str | None
    backbone: str
    width: int | None
    weights: str | None
    freeze: int
    head: str
    head_epochs: int
    precision: str

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            check_choice(name, getattr(self, name), choices)
        check_choice("augmentation", self.augmentation or named(self.method).augmentation, tuple(PRESETS))
        if self.head != "none" and self.people == "unseen":
            raise BadParameterError(
                "A head tells known people apart, --people unseen asks for others.", "Leave one of them out."
            )


def recipe(method: str) -> tuple[int, float]:
    """Epochs and peak learning rate of a method where none are given."""
    named(method)
    return RECIPES.get(method, RECIPES[None])


def command(settings: Settings, plan: Plan) -> str:
    """The line to type for this run, defaults included."""
    typed = {name: value for name, value in (asdict(settings) | asdict(plan)).items() if value is not None}
    method, options = typed.pop("method"), typed.pop("options")
    words = [word for name, value in typed.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    words += [word for name, value in options.items() for word in ("-p", f"{name}={value}")]
    return shlex.join(["facelab", "train", method, *words])


@dataclass(frozen=True)
class Task:
    """A run that was checked.

    Attributes:
        settings, plan: what was asked for.
        data: of all photographs, for the record.
        train: photographs to train on.
        validation: photographs of the same people that choose the epoch; None where others are tested.
        test: photographs for the test: of the same people, or of others.
    """

    settings: Settings
    plan: Plan
    data: dict[str, object]
    train: FaceSet
    validation: FaceSet | None
    test: FaceSet

    @property
    def start(self) -> str:
        """What the network is called before it has learned."""
        return "random network" if self.settings.weights is None else "network before training"

    def untrained(self) -> Method:
        """The method as it starts, its random weights drawn from the seed of the plan."""
        known = self.settings
        torch.manual_seed(self.plan.seed)
        channels = self.train.images.shape[3]
        network = backbone(known.backbone, in_channels=channels, width=known.width, weights=known.weights)
        augmentation = PRESETS[known.augmentation or named(known.method).augmentation]
        classes = len(self.train.people)
        return new_method(known.method, freeze(network, known.freeze), augmentation, known.options, classes)

    def labels(self) -> np.ndarray:
        """Classes of the training photographs; -1 for all where the method is not to know them."""
        return self.train.labels() if named(self.settings.method).labels else np.full(len(self.train), -1)

    def head_plan(self) -> Plan:
        """Of the head's training."""
        epochs, rate = self.settings.head_epochs, HEAD_RATES[self.settings.head]
        return Plan(epochs, self.plan.batch_size, rate, warmup_epochs=min(1.0, epochs / 2), seed=self.plan.seed)


def prepare(settings: Settings, plan: Plan, fabric: Fabric) -> Task:
    """Load, split, and check what can be checked before a training: one step of it is tried.

    Raises:
        BadParameterError: an option that cannot be, or too few people or photographs for it.
        FacelabError: as ``datasets.load`` and ``backbones.backbone``.
    """
    faces = with_photos(load(settings.dataset, settings.size), settings.min_photos)
    if settings.people == "known":
        split = split_closed(faces, plan.seed)
        parts = [faces.subset(rows) for rows in (split.train, split.validation, split.test)]
    else:
        stored = faces.source.startswith("orl")
        split = stored_people(faces) if stored else identity_disjoint(faces, train=0.5, seed=plan.seed)
        train, test = faces.subset(split.train), faces.subset(split.test)
        assert_disjoint(train, test, by=("identity", "file", "hash"))
        parts = [train, None, test]
    task = Task(settings, plan, faces.describe(), *parts)
    if len(task.test.people) < 3:
        raise BadParameterError(
            f"The test photographs show {len(task.test.people)} people.", "Take 3 or more; lower --min-photos."
        )
    if not named(settings.method).labels and plan.per_class > 1:
        raise BadParameterError(f"--per-class tells {settings.method} who is who.", "Leave it out.")
    _try_a_step(task, fabric)
    return task


@torch.no_grad()
def _try_a_step(task: Task, fabric: Fabric) -> None:
    """The loss of one batch of one process, by a method that is then thrown away."""
    method = task.untrained().to(fabric.device)
    rows = np.arange(min(max(task.plan.batch_size // fabric.world_size, 1), len(task.train)))
    views = method.draw_views(task.train.images[rows], np.random.default_rng(0))
    labels, numbers = (torch.from_numpy(values).to(fabric.device) for values in (task.labels()[rows], rows))
    try:
        method.training_step(views, labels, numbers)
    except ValueError as error:  # of losses and layers, which know nothing of the command
        if isinstance(error, FacelabError):
            raise
        raise BadParameterError(
            f"{task.settings.method} cannot learn so: {error}", "Change -p, --size or --batch-size."
        ) from error


def new_fabric(devices: int, precision: str) -> Fabric:
    """Devices and precision; under torchrun as many processes as it has started.

    Raises:
        BadParameterError: there are not so many devices, or they do not have that precision.
    """
    nodes = 1
    if torch.distributed.is_available() and torch.distributed.is_torchelastic_launched():
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // devices
    if precision == "16-mixed" and not torch.cuda.is_available():
        raise BadParameterError("--precision 16-mixed needs a GPU.", "Give 32-true or bf16-mixed.")
    strategy = "ddp" if devices * nodes > 1 else "auto"
    try:
        return Fabric(accelerator="auto", strategy=strategy, devices=devices, num_nodes=nodes, precision=precision)
    except MisconfigurationException as error:
        raise BadParameterError(f"--devices {devices} cannot be had ({error}).", "Give fewer.") from error


def run(
    settings: Settings, plan: Plan, out: Path | None = None, do: str = "both", plots: bool = False, devices: int = 1
) -> Path | None:
    """Train, measure, or both; stop it anywhere and call it again.

    Args:
        settings: data, method, network, head.
        plan: the training; its seed also decides split and initial weights.
        out: folder of the run; below ``runs/train`` by default, named after what it is a run of.
        do: "train": nothing is measured; "test": what was trained in the folder is measured; or "both".
        plots: whether the pictures are made too.
        devices: how many processes train, each on a device of its own.

    Returns:
        The folder; None in all processes but the first, which alone measures and writes.

    Raises:
        FacelabError: as ``prepare``, ``new_fabric`` and ``fit``; or the folder is that of another run.
    """
    check_choice("do", do, STAGES)
    fabric = new_fabric(1 if do == "test" else devices, settings.precision)
    task = prepare(settings, plan, fabric)
    folder = out or default_folder(settings, plan)
    check_folder(folder, task)
    if do != "test":
        fabric.launch()
        if fabric.is_global_zero:
            write_text(folder / "command.txt", told(task))
        train(task, folder, fabric)
    if not fabric.is_global_zero:
        return None
    if do != "train":
        measure(task, folder, fabric.device)
    if plots:
        draw(task, folder)
    return folder


def default_folder(settings: Settings, plan: Plan) -> Path:
    """A folder below ``runs/train`` that no other run has."""
    text = command(settings, plan)
    name = f"{settings.method}-{settings.dataset}-{settings.backbone}-{plan.seed}"
    plain = "".join(c if c.isalnum() or c in "-_+" else "_" for c in name)
    return runs_root() / "train" / f"{plain[:80]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def told(task: Task) -> str:
    """What a folder is the run of: the command, and the photographs."""
    return f"{command(task.settings, task.plan)}\n{task.data['source']}, SHA-256 {task.data['sha256']}\n"


def check_folder(folder: Path, task: Task) -> None:
    """Raise FacelabError where something was begun in a folder by another command, or with other photographs."""
    path = folder / "command.txt"
    if not path.is_file() or (found := path.read_text(encoding="utf-8")) == told(task):
        return
    if any(other != path for other in folder.iterdir()):
        raise FacelabError(f"{folder} is the folder of another run: {found.strip()}.", "Choose another --out.")


def train(task: Task, folder: Path, fabric: Fabric) -> None:
    """Train the method, then the head where one is asked for, and store both."""
    settings, method = task.settings, task.untrained()
    chooses = hasattr(method, "predict") and task.validation is not None
    history = fit(
        method,
        task.train,
        task.plan,
        labels=task.labels(),
        validate=right_share(task.validation) if chooses else None,
        folder=folder,
        fabric=fabric,
    )
    _store(task, method, folder / "method.pt", settings.options, history, fabric)
    if settings.head != "none":
        head = new_head(method, len(task.train.people), settings.head == "frozen", task.plan.seed)
        validate = right_share(task.validation)
        history = fit(head, task.train, task.head_plan(), validate=validate, folder=folder / "head", fabric=fabric)
        _store(task, head, folder / "head.pt", {}, history, fabric)


def _store(task: Task, method: Method, path: Path, options: dict[str, str], history: History, fabric: Fabric) -> None:
    if fabric.is_global_zero:
        classes = len(task.train.people)
        save_method(method, path, size=task.settings.size, classes=classes, options=options, notes=asdict(history))


def measure(task: Task, folder: Path, device: torch.device) -> None:
    """Measure what was trained in a folder, on a device, and write its ``record.json``.

    Raises:
        FacelabError: nothing was trained there, or not to the end.
    """
    stored = [load_method(folder / f"{name}.pt") for name in _made(task)]
    methods = [task.untrained().to(device), *(one.method.to(device) for one in stored)]
    found = known_people(task, *methods) if task.settings.people == "known" else unseen_people(task, *methods)
    record = Record(f"train {task.settings.method}", command(task.settings, task.plan), {})
    record.parameters = asdict(task.settings) | asdict(task.plan)
    record.data["faces"] = task.data
    record.metrics = {name: Metric.of(estimate) for name, estimate in found.items()}
    # of the trainings, all their pieces where they were resumed
    record.wall_seconds = round(sum(one.notes["seconds"] for one in stored), 1)
    record.write(folder / "record.json")


def _made(task: Task) -> list[str]:
    """What a training leaves in its folder, each as NAME.pt."""
    return ["method"] if task.settings.head == "none" else ["method", "head"]


def known_people(task: Task, untrained: Method, method: Method, head: Classifier | None = None) -> dict[str, Estimate]:
    """Top-1, 2 and 3 on other photographs of the people who were in training, and how far these people stand apart."""
    name, test = task.settings.method, task.test
    ranks = without_training(untrained, task.train, test)
    ranks[task.start] = ranks.pop("random network")
    ranks |= {f"{name}, {way}": found for way, found in by_embeddings(method, task.train, test).items()}
    if hasattr(method, "predict"):
        ranks[f"{name}, class scores"] = topk_by_scores(method.predict(test), test.labels())
    if head is not None:
        ranks[f"{name} + MLP, {task.settings.head}"] = topk_by_scores(head.predict(test), test.labels())
    found = {f"top{k}/{way}": rank.accuracy(k) for way, rank in ranks.items() for k in (1, 2, 3)}
    return found | {f"silhouette/{name}": silhouette_of(embed_faces(method, test), test.identity)}


def unseen_people(task: Task, untrained: Method, method: Method) -> dict[str, Estimate]:
    """EER, AUC and TAR on all pairs of photographs of people who were in no training."""
    test = task.test
    pairs = all_pairs(test, exclude_same="photo" if "photo" in test.attributes else None)
    embeddings = {name: baseline(task.train.images)(test.images) for name, baseline in BASELINES.items()}
    embeddings |= {task.start: embed_faces(untrained, test), task.settings.method: embed_faces(method, test)}
    fars = [far for far in FARS if far >= MIN_EXPECTED / (~pairs.same).sum()]
    return {
        f"{figure}/{name}": estimate
        for name, rows in embeddings.items()
        for figure, estimate in verification_figures(
            scores(rows, pairs), pairs, test.identity, fars, seed=task.plan.seed
        ).items()
    }


def draw(task: Task, folder: Path) -> None:
    """The learning curves of method and head, and top-1 or EER with their intervals where they were measured, as PNG."""
    import matplotlib.pyplot as plt  # takes a second to come

    from facelab import plots

    plots.use_course_style()
    made = {}
    for name in _made(task):
        history = History(**load_method(folder / f"{name}.pt").notes)
        made[f"{name}-loss"] = plots.curves({"loss": history.series("loss")}, "epoch", "loss", name)
        shares = {term: history.series(term) for term in ("accuracy", "validation") if term in history.epochs[0]}
        if shares:
            made[f"{name}-accuracy"] = plots.curves(shares, "epoch", "share right", name)
    if (folder / "record.json").is_file():
        first, label = ("top1/", "top-1") if task.settings.people == "known" else ("eer/", "equal error rate")
        metrics = read(folder / "record.json").metrics.items()
        rows = {name.removeprefix(first): metric for name, metric in metrics if name.startswith(first)}
        made["results"] = plots.intervals({"": rows}, f"{label}, per cent")
    for name, figure in made.items():
        with atomic(folder / f"{name}.png") as partial:
            figure.savefig(partial, format="png")
        plt.close(figure)
