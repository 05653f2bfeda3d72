"""A method's training as the objective of ``facelab sweep METHOD``, measured on validation photographs alone."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch
import typer
from typer.main import get_command

from facelab.augment import PRESETS
from facelab.backbones import backbone, freeze
from facelab.commands.parameters import parse_parameters
from facelab.commands.train.command import train
from facelab.commands.train.effects import check_effects
from facelab.commands.train.run import run_description
from facelab.commands.train.settings import Settings, command_line, settings_and_plan
from facelab.commands.train.task import Task, prepare_task
from facelab.errors import BadParameterError, TrainingError, nearest_name
from facelab.evaluation import wilson
from facelab.methods.registry import method_options, new_method, parse_options
from facelab.protocols.closed_set import rank_by_nearest_photograph, split_closed_set
from facelab.sweeps import Space, choice, numeric_range
from facelab.training import Plan, ScratchFolder, check_batch, explain_memory_errors, fit, single_process_fabric

BATCH_SIZES = (16, 32, 64, 128)  #: of which the training photographs fill two or more
LR_FACTOR = 10  #: the learning rate is sought from a tenth to ten times that of the recipe

#: Where nobody says what is searched: range of each option, where a method has it; True: in the logarithm.
OPTION_RANGES = {
    "temperature": (0.03, 1.0, True),
    "queue": (16, 4096, True),
    "momentum": (0.9, 0.999, False),
    "label_smoothing": (0.0, 0.3, False),
}

#: Options of ``facelab train`` that may be searched, and their types. Others decide which photographs are measured, so that
#: trials could not be compared, or change nothing that is.
SEARCHABLE = {
    "lr": float, "batch_size": int, "epochs": int, "optimizer": str, "weight_decay": float, "momentum": float,
    "warmup_epochs": float, "clip_norm": float, "per_class": int, "augmentation": str, "backbone": str, "width": int,
    "freeze": int,
}  # fmt: skip
#: Options that are no part of what is trained.
NOT_FOR_SWEEPS = {"method", "recipe", "param", "do", "plots", "devices", "sync_batch_norm", "logger", "out"}


class MethodObjective:
    """Top-1 of the validation photographs among the training photographs, by the nearest one.

    A trial is a whole training. With unseen people, both are photographs of those who train; the test is nowhere in it.

    Args:
        method: a key of ``METHODS``.
        fixed: what stays as it is, as text: options of the method, and those of ``facelab train`` by their names, such as
            ``{"dataset": "lfw", "batch_size": "64"}``. Where both have a name (``momentum`` of moco), it is the method's.

    Raises:
        FacelabError: as ``facelab train`` with these options.
    """

    metric = "top-1 of the validation photographs"
    maximize = True

    def __init__(self, method: str, fixed: Mapping[str, str]) -> None:
        self.method, self.fixed = method, dict(fixed)
        settings, plan = self._parse({})
        check_effects(settings, plan, "both", None, None)
        self._fabric = single_process_fabric(settings.precision)
        task = prepare_task(settings, plan, self._fabric)
        seen = task_without_test(task)
        self.description, self.seed = run_description(task).strip(), plan.seed
        self._photographs, self._trained_on = len(seen.validation), len(seen.train)
        self._channels, self._people = seen.train.images.shape[3], len(seen.train.people)
        options = {name: option.default for name, option in method_options(method).items()}
        options |= parse_options(method, settings.options)
        self.start = {
            name: value for name, value in (asdict(settings) | asdict(plan) | options).items() if name in self.types
        }

    @property
    def types(self) -> dict[str, type]:
        """What may be searched: what has no fixed value."""
        known = method_options(self.method)
        options = {name: one.type if one.type in (int, float, bool) else str for name, one in known.items()}
        return {name: kind for name, kind in (SEARCHABLE | options).items() if name not in self.fixed}

    def check(self, name: str, value: object) -> object:
        """Raise BadParameterError where a parameter cannot have a value."""
        settings, plan = self._parse({name: value})
        check_batch(plan, self._trained_on, self._fabric.world_size)
        with torch.device("meta"):  # as it would be built, without its memory
            network = backbone(settings.backbone, in_channels=self._channels, width=settings.width)
            network, augmentation = freeze(network, settings.freeze), PRESETS[settings.augmentation]
            new_method(self.method, network, augmentation, settings.options, self._people)
        return value

    def default_space(self) -> Space:
        """Rate and batch around those of the recipe, and the options of ``OPTION_RANGES``, but for what has a fixed value."""
        rate, batch = self.start.get("lr"), self.start.get("batch_size")
        space = {}
        if rate is not None:
            space["lr"] = numeric_range(float, rate / LR_FACTOR, rate * LR_FACTOR, log=True)
        if batch is not None:
            sizes = sorted({batch, *(size for size in BATCH_SIZES if 2 * size <= self._trained_on)})
            space["batch_size"] = choice(sizes)
        for name, (low, high, log) in OPTION_RANGES.items():
            if name in method_options(self.method) and name not in self.fixed:
                space[name] = numeric_range(self.types[name], low, high, log=log)
        if not space:
            raise BadParameterError("Every parameter has a fixed value.", "Leave some -p out, or name a --search file.")
        return space

    def measure(self, values: Mapping[str, object], folder: Path) -> float:
        """Train with these values and measure; a loss that leaves the numbers makes a network that finds nobody: 0.

        Raises:
            FacelabError: as ``prepare_task`` and ``fit``.
        """
        settings, plan = self._parse(values)
        with explain_memory_errors():
            task = task_without_test(prepare_task(settings, plan, self._fabric))
            method = task.build_untrained()
            labels, scenes = task.labels(), task.scene_ids()
            try:
                fit(
                    method,
                    task.train,
                    plan,
                    labels=labels,
                    scenes=scenes,
                    folder=ScratchFolder(folder),
                    fabric=self._fabric,
                )
            except TrainingError:
                return 0.0
            found = rank_by_nearest_photograph(method, task.train, task.validation).accuracy(1).value
        shutil.rmtree(folder, ignore_errors=True)  # its checkpoint served a trial that was killed
        return float(found)

    def describe_value(self, value: float) -> str:
        """The number with its interval."""
        return str(wilson(round(value * self._photographs), self._photographs, unit="validation photographs"))

    def command(self, values: Mapping[str, object]) -> str:
        """The line that trains with these values, and tests."""
        return command_line(*self._parse(values))

    def _parse(self, values: Mapping[str, object]) -> tuple[Settings, Plan]:
        return parse_train_options(
            self.method, {**self.fixed, **{name: _text(value) for name, value in values.items()}}
        )


def parse_train_options(method: str, values: Mapping[str, str]) -> tuple[Settings, Plan]:
    """What ``facelab train`` would make of options.

    Args:
        method: a key of ``METHODS``.
        values: options of the method and of the command by their names, as text.

    Raises:
        BadParameterError: a name that neither has, or a value that cannot be.
    """
    application = typer.Typer(add_completion=False)
    application.command()(train)
    command, options = get_command(application), method_options(method)
    names = [one.name for one in command.params if one.name not in {*NOT_FOR_SWEEPS, "help"}]
    words = [method]
    for name, value in values.items():
        if name not in options and name not in names:
            raise BadParameterError(
                f"Neither {method} nor facelab train has an option {name!r}.{nearest_name(name, [*options, *names])}",
                f"There are: {', '.join(dict.fromkeys([*options, *names]))}.",
            )
        words += ["-p", f"{name}={value}"] if name in options else [f"--{name.replace('_', '-')}={value}"]
    try:
        typed = dict(command.make_context("facelab train", words).params)
    except typer.BadParameter as error:
        raise BadParameterError(f"{error.format_message().rstrip('.')}.", "See: facelab train --help.") from error
    given = parse_parameters(list(typed["param"] or []))
    return settings_and_plan(method, given, **{name: typed[name] for name in (*names, "sync_batch_norm")})


def task_without_test(task: Task) -> Task:
    """What a search may see: training photographs, and others of the same people to judge by."""
    train_part, validation = task.train, task.validation
    if validation is None:
        split = split_closed_set(train_part, task.plan.seed)
        train_part, validation = train_part.subset(split.train), train_part.subset(split.validation)
    return replace(task, train=train_part, validation=validation, test=train_part.subset([]))


def _text(value: object) -> str:
    """As one types it."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
