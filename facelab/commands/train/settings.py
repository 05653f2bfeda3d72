"""What a run of ``facelab train`` is a run of: its settings, what they are where none are given, and the line to type."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

from facelab.augment import PRESETS
from facelab.datasets.sources import absolute_name
from facelab.errors import BadParameterError, nearest_name
from facelab.methods.registry import method_entry
from facelab.training import Plan

CHOICES = {
    "people": ("known", "unseen"),
    "head": ("none", "frozen", "finetuned"),
    "precision": ("32-true", "bf16-mixed", "16-mixed"),
    "augmentation": tuple(PRESETS),
}


@dataclass(frozen=True)
class Recipe:
    """What a method gets where nothing is given: epochs, peak learning rate, augmentation, and options as typed."""

    epochs: int
    lr: float
    augmentation: str
    options: Mapping[str, str] = field(default_factory=dict)


#: Measured on orl-wild at 48 pixels in batches of 32, where mild views beat the papers' crops.
RECIPES = {
    "classifier": Recipe(40, 3e-3, "classifier"),
    "supcon": Recipe(40, 4e-3, "classifier"),
    "moco": Recipe(60, 2e-3, "classifier", {"queue": "64", "temperature": "0.1"}),
    "simclr": Recipe(40, 3e-3, "classifier", {"temperature": "0.2"}),
    "vicreg": Recipe(40, 3e-3, "classifier", {"expander": "256,256,256"}),
}


def recipe(method: str) -> Recipe:
    """The recipe of a method; of one that has none in ``RECIPES``, 40 epochs at 2e-3 with its own augmentation.

    Raises:
        BadParameterError: no method has that name.
    """
    own = method_entry(method).augmentation
    return RECIPES.get(method, Recipe(40, 2e-3, own))


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise BadParameterError unless ``value`` is one of the choices of an option."""
    if value not in choices:
        raise BadParameterError(
            f"--{name} is {value!r}.{nearest_name(value, choices)}", f"Give one of: {', '.join(choices)}."
        )


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
        scene: column of the attribute table; photographs with one value there are one scene for ``fit``.
        augmentation: a name of ``augment.PRESETS``.
        backbone: name of the network.
        width: of its first stage; None: its own.
        weights: that it starts with, a published name or a file; None: random ones.
        freeze: how many of its first layers stay as they are.
        head: an MLP trained on the names afterwards, on the backbone as it is ("frozen") or learning on ("finetuned").
        head_epochs: of that training.
        precision: as Fabric names it.
        sync_batch_norm: whether batch norms take their statistics from the photographs of all processes.
        recipe: name of the earlier project's settings that it began with (``recipes``); what was changed of them, the other
            fields say. None: it began with none.
    """

    method: str
    options: dict[str, str]
    dataset: str
    min_photos: int
    size: int
    people: str
    scene: str | None
    augmentation: str
    backbone: str
    width: int | None
    weights: str | None
    freeze: int
    head: str
    head_epochs: int = 16
    precision: str = "32-true"
    sync_batch_norm: bool = False
    recipe: str | None = None

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            check_choice(name, getattr(self, name), choices)
        kind = method_entry(self.method).method_class
        if self.scene is not None and kind.views < 2:
            raise BadParameterError(f"--scene is for second views, {self.method} has one.", "Leave it out.")
        if self.head != "none" and self.people == "unseen":
            raise BadParameterError(
                "A head tells known people apart, --people unseen asks for others.", "Leave one of them out."
            )


def settings_and_plan(
    method: str,
    options: Mapping[str, str],
    *,
    dataset: str,
    augmentation: str | None,
    width: int,
    epochs: int | None,
    lr: float | None,
    warmup_epochs: float | None,
    **others: object,
) -> tuple[Settings, Plan]:
    """What options of the command amount to, where those that were not given are the recipe's.

    Args:
        method: a key of ``METHODS``.
        options: of the method, as typed.
        dataset, augmentation, width, epochs, lr, warmup_epochs: as typed; None, and 0 for the width: not given.
        others: all other fields of ``Settings`` and ``Plan``.

    Raises:
        BadParameterError: a value that cannot be.
    """
    own = recipe(method)
    epochs = epochs or own.epochs
    plan = Plan(
        epochs=epochs,
        lr=own.lr if lr is None else lr,
        warmup_epochs=min(1.0, epochs / 2) if warmup_epochs is None else warmup_epochs,
        **{one.name: others.pop(one.name) for one in fields(Plan) if one.name in others},
    )
    settings = Settings(
        method=method,
        options={**own.options, **options},
        dataset=absolute_name(dataset),
        augmentation=augmentation or own.augmentation,
        width=width or None,
        **others,
    )
    return settings, plan


def command_line(settings: Settings, plan: Plan) -> str:
    """The line to type for this run, defaults included."""
    typed = {name: value for name, value in (asdict(settings) | asdict(plan)).items() if value is not None}
    method, options, synchronised = (typed.pop(name) for name in ("method", "options", "sync_batch_norm"))
    words = [word for name, value in typed.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    words += ["--sync-batch-norm"] * synchronised
    words += [word for name, value in options.items() for word in ("-p", f"{name}={value}")]
    return shlex.join(["facelab", "train", method, *words])
