"""``facelab train``: any method on any data set, measured on people whom it knows or on people whom it has never seen.

The folder of a run holds ``command.txt`` (what it is a run of), ``last.ckpt`` (where the training stands), ``method.pt``
(what came out, for ``load_method``), with a head ``head/last.ckpt`` and ``head.pt``, then ``record.json`` and the plots.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.exceptions import MisconfigurationException

from facelab.commands.train.report import draw_plots, measure
from facelab.commands.train.settings import Settings, check_choice, command_line
from facelab.commands.train.task import Task, prepare_task
from facelab.errors import BadParameterError, FacelabError
from facelab.files import write_text
from facelab.methods import Method, save_method
from facelab.paths import runs_root
from facelab.protocols.closed_set import new_head, top1_scorer
from facelab.training import History, Plan, fit

STAGES = ("train", "test", "both")


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


def train_and_measure(
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
        FacelabError: as ``prepare_task``, ``new_fabric`` and ``fit``; or the folder is that of another run.
    """
    check_choice("do", do, STAGES)
    fabric = new_fabric(1 if do == "test" else devices, settings.precision)
    task = prepare_task(settings, plan, fabric)
    folder = out or default_run_folder(settings, plan)
    check_folder(folder, task)
    if do != "test":
        fabric.launch()
        if fabric.is_global_zero:
            write_text(folder / "command.txt", run_description(task))
        train_task(task, folder, fabric)
    if not fabric.is_global_zero:
        return None
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
    """What a folder is the run of: the command, and the photographs."""
    return f"{command_line(task.settings, task.plan)}\n{task.data['source']}, SHA-256 {task.data['sha256']}\n"


def check_folder(folder: Path, task: Task) -> None:
    """Raise FacelabError where something was begun in a folder by another command, or with other photographs."""
    path = folder / "command.txt"
    if not path.is_file() or (found := path.read_text(encoding="utf-8")) == run_description(task):
        return
    if any(other != path for other in folder.iterdir()):
        raise FacelabError(f"{folder} is the folder of another run: {found.strip()}.", "Choose another --out.")


def train_task(task: Task, folder: Path, fabric: Fabric) -> None:
    """Train the method, then the head where one is asked for, and store both."""
    settings, method = task.settings, task.build_untrained()
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
    )
    _store(task, method, folder / "method.pt", settings.options, history, fabric)
    if settings.head != "none":
        head = new_head(method, len(task.train.people), settings.head == "frozen", task.plan.seed)
        validate = top1_scorer(task.validation)
        history = fit(head, task.train, task.head_plan(), validate=validate, folder=folder / "head", fabric=fabric)
        _store(task, head, folder / "head.pt", {}, history, fabric)


def _store(
    task: Task, method: Method, path: Path, options: Mapping[str, str], history: History, fabric: Fabric
) -> None:
    if fabric.is_global_zero:
        classes = len(task.train.people)
        save_method(method, path, size=task.settings.size, classes=classes, options=options, notes=asdict(history))
