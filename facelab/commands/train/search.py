"""``facelab train METHOD --trials N``: a search for better settings, by optuna, on the validation photographs alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from facelab.commands.train.run import begin_folder, check_folder, default_run_folder, new_fabric
from facelab.commands.train.settings import Settings, command_line
from facelab.commands.train.task import Task, prepare_task
from facelab.errors import BadParameterError, FacelabError, TrainingError
from facelab.evaluation import Estimate, wilson
from facelab.files import lock_folder
from facelab.methods.registry import method_options
from facelab.progress import progress_bar
from facelab.protocols.closed_set import rank_by_nearest_photograph, split_closed_set
from facelab.training import Plan, explain_memory_errors, fit

if TYPE_CHECKING:
    import optuna

BATCH_SIZES = (16, 32, 64, 128)  #: of which the training photographs fill two or more
LR_FACTOR = 10  #: the learning rate is sought from a tenth to ten times the one given

#: Range of each option that is searched, where a method has it; True: in the logarithm.
OPTION_RANGES = {
    "temperature": (0.03, 1.0, True),
    "queue": (16, 4096, True),
    "momentum": (0.9, 0.999, False),
    "label_smoothing": (0.0, 0.3, False),
}


def search_settings(
    settings: Settings,
    plan: Plan,
    trials: int,
    fixed_options: Collection[str] = (),
    out: Path | None = None,
    devices: int = 1,
) -> tuple[Estimate, str]:
    """Try settings, the given ones first; call it again to go on, with more trials if you like.

    A trial is a whole training. It is judged by the nearest photograph: top-1 of the validation photographs among the
    training photographs. With unseen people, both are photographs of those who train; the test is nowhere in it.

    Args:
        settings: where the search starts.
        plan: its training.
        trials: how many, those of earlier calls included.
        fixed_options: those of the method that stay as they are in ``settings``.
        out: folder of ``search.db``; that of the run with the given settings by default.
        devices: 1.

    Returns:
        The best trial's top-1, too good by having been chosen for it; and the command that trains and tests its settings.

    Raises:
        FacelabError: optuna is not installed, or as ``run.train_and_measure``.
    """
    optuna = _optuna()
    fabric = new_fabric(devices, settings.precision)
    if fabric.world_size > 1:
        raise BadParameterError("A search by several processes.", "Search on one device, then train on several.")
    task = prepare_task(settings, plan, fabric)
    folder = out or default_run_folder(settings, plan)
    check_folder(folder, task)
    with lock_folder(folder, "facelab train"), explain_memory_errors():
        begin_folder(folder, task)
        seen, start = task_without_test(task), start_parameters(task, fixed_options)
        study = open_study(folder / "search.db", " ".join(start))

        def objective(trial) -> float:
            candidate = suggest_task(trial, seen, start)
            method = candidate.build_untrained()
            try:
                fit(method, seen.train, candidate.plan, labels=seen.labels(), scenes=seen.scene_ids(), fabric=fabric)
            except TrainingError:
                return 0.0  # the loss left the numbers: such a network finds nobody
            return rank_by_nearest_photograph(method, seen.train, seen.validation).accuracy(1).value

        with progress_bar("trials", trials) as progress:
            while (done := len(study.get_trials(states=[optuna.trial.TrialState.COMPLETE]))) < trials:
                # a draw follows from the number of the trial, so that a search that was stopped goes on as if it had not been
                seed = np.random.SeedSequence([plan.seed, done]).generate_state(1)[0]
                study.sampler = optuna.samplers.TPESampler(seed=int(seed))
                if not done:
                    study.enqueue_trial(start)
                study.optimize(objective, n_trials=1)
                progress.advance()
    photographs = len(seen.validation)
    best = suggest_task(optuna.trial.FixedTrial(study.best_params), seen, start)
    found = wilson(round(study.best_value * photographs), photographs, unit="validation photographs")
    return found, command_line(best.settings, best.plan)


def open_study(database: Path, name: str) -> optuna.Study:
    """The study kept in a database; ``name`` says what is searched, so that trials of other parameters are another study.

    Raises:
        FacelabError: optuna is not installed, the file is no database, or it cannot be written.
    """
    optuna = _optuna()
    from sqlalchemy.engine import URL  # comes with optuna
    from sqlalchemy.exc import SQLAlchemyError

    # built, not pasted: a folder may be called 50% or why?
    url = URL.create("sqlite", database=str(database.resolve())).render_as_string(hide_password=False)
    try:
        return optuna.create_study(storage=url, study_name=name, direction="maximize", load_if_exists=True)
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise FacelabError(
            f"{database} cannot be used as the database of trials ({str(error).splitlines()[0]}).",
            "Choose another --out.",
        ) from error


def task_without_test(task: Task) -> Task:
    """What a search may see: training photographs, and others of the same people to judge by."""
    train, validation = task.train, task.validation
    if validation is None:
        split = split_closed_set(train, task.plan.seed)
        train, validation = train.subset(split.train), train.subset(split.validation)
    return replace(task, train=train, validation=validation, test=train.subset([]))


def start_parameters(task: Task, fixed_options: Collection[str] = ()) -> dict[str, object]:
    """The parameters of the first trial: rate, batch and searched options as they were asked for, or by default."""
    known, asked = method_options(task.settings.method), task.settings.options
    names = [name for name in OPTION_RANGES if name in known and name not in fixed_options]
    options = {name: type(known[name].default)(asked.get(name, known[name].default)) for name in names}
    return {"lr": task.plan.lr, "batch_size": task.plan.batch_size} | options


def suggest_task(trial, task: Task, start_values: dict[str, object]) -> Task:
    """The task with rate, batch and options as a trial of optuna has them; ``start_values`` as of ``start_parameters``."""
    plan, settings = task.plan, task.settings
    batches = sorted({plan.batch_size, *(size for size in BATCH_SIZES if 2 * size <= len(task.train))})
    lr = trial.suggest_float("lr", plan.lr / LR_FACTOR, plan.lr * LR_FACTOR, log=True)
    batch_size = trial.suggest_categorical("batch_size", batches)
    options = dict(settings.options)
    for name, (low, high, log) in OPTION_RANGES.items():
        if name not in start_values:
            continue
        draw = trial.suggest_int if isinstance(start_values[name], int) else trial.suggest_float
        options[name] = str(draw(name, low, high, log=log))
    return replace(task, plan=replace(plan, lr=lr, batch_size=batch_size), settings=replace(settings, options=options))


def _optuna() -> ModuleType:
    try:
        import optuna
    except ImportError as error:
        raise FacelabError("A search needs optuna, which is not installed.", "pip install facelab[track]") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
