"""``facelab train``: any method on any data set, measured on people whom it knows or on people whom it has never seen.

The folder of a run holds ``command.txt`` (what it is a run of), ``last.ckpt`` (where the training stands), ``method.pt``
(what came out, for ``load_method``), with a head ``head/last.ckpt`` and ``head.pt``, with a logger ``log``, then
``record.json`` and the plots. Its hidden ``.lock`` keeps a second training out of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from lightning_fabric import Fabric

from facelab.backbones import PUBLISHED_WEIGHTS
from facelab.commands.train.processes import new_fabric
from facelab.commands.train.report import draw_plots, measure
from facelab.commands.train.settings import Settings, check_choice, command_line
from facelab.commands.train.task import Task, prepare_task
from facelab.datasets.trees import sorted_entries
from facelab.errors import FacelabError
from facelab.files import lock_folder, remove_partials, write_text
from facelab.methods import Method, save_method
from facelab.paths import runs_root, user_path
from facelab.protocols.closed_set import new_head, top1_scorer
from facelab.training import (
    History,
    Plan,
    check_sync_batch_norm,
    explain_memory_errors,
    fit,
    new_logger,
    synchronize_batch_norms,
)

STAGES = ("train", "test", "both")


def train_and_measure(
    settings: Settings,
    plan: Plan,
    out: Path | None = None,
    do: str = "both",
    plots: bool = False,
    devices: int | None = None,
    logger: str | None = None,
) -> Path | None:
    """Train, measure, or both; stop it anywhere and call it again.

    Args:
        settings: data, method, network, head.
        plan: the training; its seed also decides split and initial weights.
        out: folder of the run; below ``runs/train`` by default, named after what it is a run of.
        do: "train": nothing is measured; "test": what was trained in the folder is measured; or "both".
        plots: whether the pictures are made too.
        devices: how many processes train, each on a device of its own; None: as ``new_fabric``.
        logger: a key of ``training.LOGGERS``, for a live log in the folder.

    Returns:
        The folder; None in all processes but the first, which alone measures and writes.

    Raises:
        FacelabError: as ``prepare_task``, ``new_fabric`` and ``fit``; or the folder is that of another run.
    """
    check_choice("do", do, STAGES)
    fabric = new_fabric(devices, settings.precision)
    folder = out or default_run_folder(settings, plan)
    if settings.sync_batch_norm:
        check_sync_batch_norm(fabric)
    if logger is not None:
        new_logger(logger, folder)  # refused before the photographs are loaded; nothing is written yet
    with explain_memory_errors(), ExitStack() as stack:
        task = prepare_task(settings, plan, fabric)
        check_folder(folder, task)
        if do != "test":
            fabric.launch()
            if not _take_folder(folder, task, fabric, stack):
                return None
            train_task(task, folder, fabric, logger)
        if not fabric.is_global_zero:
            return None
        if do == "test":
            stack.enter_context(lock_folder(folder, "facelab train"))
        if do != "train":
            measure(task, folder, fabric.device)
        if plots:
            draw_plots(task, folder)
    return folder


def default_run_folder(settings: Settings, plan: Plan) -> Path:
    """A folder below ``runs/train`` that no other run has."""
    text = command_line(settings, plan)
    name = f"{settings.method}-{settings.dataset}-{settings.backbone}-{plan.seed}"
    plain = "".join(c if c.isalnum() or c in "-_+" else "_" for c in name)
    return runs_root() / "train" / f"{plain[:80]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def run_description(task: Task) -> str:
    """What a folder is the run of: the command, the photographs, and the file of weights that it starts from."""
    said = f"{command_line(task.settings, task.plan)}\n{task.data['source']}, SHA-256 {task.data['sha256']}\n"
    weights = task.settings.weights
    if weights is not None and weights not in PUBLISHED_WEIGHTS:
        said += f"{weights}, SHA-256 {hashlib.sha256(user_path(weights).read_bytes()).hexdigest()}\n"
    return said


def check_folder(folder: Path, task: Task) -> None:
    """Raise FacelabError where a folder holds the run of another command or of other photographs, or something else."""
    if folder.exists() and not folder.is_dir():
        raise FacelabError(f"{folder} is a file.", "Choose another --out.")
    others = {entry.name for entry in sorted_entries(folder)} - {"command.txt"} if folder.exists() else set()
    if not others:
        return
    path = folder / "command.txt"
    if not path.is_file():
        raise FacelabError(f"{folder} holds something else than a training: {min(others)}.", "Choose another --out.")
    found = path.read_text(encoding="utf-8")
    if found != run_description(task):
        raise FacelabError(f"{folder} is the folder of another run: {found.strip()}.", "Choose another --out.")


def begin_folder(folder: Path, task: Task) -> None:
    """Note what the folder is the run of, and remove what a killed process left of files that it was writing."""
    write_text(folder / "command.txt", run_description(task))
    remove_partials(folder)


def _take_folder(folder: Path, task: Task, fabric: Fabric, stack: ExitStack) -> bool:
    """Lock the folder and begin it, in the first process. The others learn whether it could, and do not wait for it in vain.

    Raises:
        FacelabError: in the first process: another has the folder, or it cannot be written.
    """
    taken = False
    try:
        if fabric.is_global_zero:
            stack.enter_context(lock_folder(folder, "facelab train"))
            begin_folder(folder, task)
        taken = True
    finally:
        taken = fabric.broadcast(taken)
    return taken


def train_task(task: Task, folder: Path, fabric: Fabric, logger: str | None = None) -> None:
    """Train the method, then the head where one is asked for, and store both. ``logger`` as for ``train_and_measure``."""
    settings, method = task.settings, task.build_untrained()
    if settings.sync_batch_norm:
        method = synchronize_batch_norms(method)
    chooses = hasattr(method, "predict") and task.validation is not None
    history = fit(
        method,
        task.train,
        task.plan,
        labels=task.labels(),
        scenes=task.scene_ids(),
        validate=top1_scorer(task.validation) if chooses else None,
        folder=folder,
        fabric=fabric,
        logger=None if logger is None else new_logger(logger, folder),
    )
    _store(task, method, folder / "method.pt", settings.options, history, fabric)
    if settings.head != "none":
        head = new_head(method, len(task.train.people), settings.head == "frozen", task.plan.seed)
        if settings.sync_batch_norm:
            head = synchronize_batch_norms(head)
        place = folder / "head"
        history = fit(
            head,
            task.train,
            task.head_plan(),
            validate=top1_scorer(task.validation),
            folder=place,
            fabric=fabric,
            logger=None if logger is None else new_logger(logger, place),
        )
        _store(task, head, folder / "head.pt", {}, history, fabric)


def _store(
    task: Task, method: Method, path: Path, options: Mapping[str, str], history: History, fabric: Fabric
) -> None:
    if fabric.is_global_zero:
        classes = len(task.train.people)
        save_method(method, path, size=task.settings.size, classes=classes, options=options, notes=asdict(history))
