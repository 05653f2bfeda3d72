"""The live log of a training, through the loggers of Lightning Fabric: TensorBoard, CSV, or others with their interface."""

from __future__ import annotations

import csv
from pathlib import Path

from lightning_fabric import Fabric
from lightning_fabric.loggers import CSVLogger, Logger, TensorBoardLogger

from facelab.errors import BadParameterError, nearest_name
from facelab.extras import needs_extra
from facelab.files import sync_path

LOGGERS = {"tensorboard": TensorBoardLogger, "csv": CSVLogger}


def new_logger(kind: str, folder: Path) -> Logger:
    """A logger that writes below ``folder/log``, for ``fit``.

    Args:
        kind: a key of ``LOGGERS``.
        folder: of the run.

    Raises:
        BadParameterError: no logger has that name.
        FacelabError: tensorboard is not installed.
    """
    if kind not in LOGGERS:
        raise BadParameterError(
            f"No logger is called {kind!r}.{nearest_name(kind, LOGGERS)}", f"There are: {', '.join(LOGGERS)}."
        )
    with needs_extra(f"The logger {kind}", "track"):
        return LOGGERS[kind](root_dir=folder, name="", version="log")


class TrainingLog:
    """What a logger is told: every step under ``step/``, the means, monitors and validation of an epoch under ``epoch/``.

    Steps are numbered from 0 through the whole training; what belongs to an epoch has the number of its last step.

    Args:
        logger: None: nobody is told.
        fabric: the first process tells.
        epoch_steps: steps of an epoch.
        done: steps of the run that were done before. What a stopped run has logged after its last checkpoint comes again, and
            is taken out of the log first.
    """

    def __init__(self, logger: Logger | None, fabric: Fabric, epoch_steps: int, done: int) -> None:
        self.logger = logger if fabric.is_global_zero else None
        self.epoch_steps = epoch_steps
        if isinstance(self.logger, CSVLogger):
            _keep_rows_before(self.logger, done)
        elif isinstance(self.logger, TensorBoardLogger):
            _hide_events_from(self.logger, done)

    def add_step(self, epoch: int, step: int, values: dict[str, float]) -> None:
        """Log the terms of a step, numbered from 0 within its epoch."""
        self._add("step", epoch * self.epoch_steps + step, values)

    def add_epoch(self, epoch: int, values: dict[str, float]) -> None:
        """Log what is known of an epoch, numbered from 0, after its end."""
        self._add("epoch", (epoch + 1) * self.epoch_steps - 1, values)
        self.save()

    def save(self) -> None:
        """Bring to disk what was logged."""
        if self.logger is not None:
            self.logger.save()

    def _add(self, group: str, step: int, values: dict[str, float]) -> None:
        if self.logger is not None:
            self.logger.log_metrics({f"{group}/{name}": value for name, value in values.items()}, step)


def _keep_rows_before(logger: CSVLogger, step: int) -> None:
    """Of a file that is there, the rows of earlier steps stay: Fabric's logger would begin with an empty one.

    Until the logger has written them again they lie beside its folder, where the next start finds them if this one is killed.
    """
    path = Path(logger.log_dir, "metrics.csv")
    aside = path.parent.with_name(f"{path.parent.name}-before.csv")
    if not aside.is_file():  # else a start was killed, and may have written some of the rows only
        if not path.is_file():
            return
        path.replace(aside)
    path.unlink(missing_ok=True)
    with aside.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if int(row["step"]) < step]
    for row in rows:
        number = int(row.pop("step"))
        logger.log_metrics({name: float(value) for name, value in row.items() if value}, number)
    logger.save()
    if rows:
        sync_path(path)
    aside.unlink()


def _hide_events_from(logger: TensorBoardLogger, step: int) -> None:
    """Events are only ever added; a session that starts at a step tells TensorBoard to forget those from that step on."""
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog

    logger.experiment.file_writer.add_event(Event(step=step, file_version="brain.Event:2"))
    logger.experiment.file_writer.add_event(Event(step=step, session_log=SessionLog(status=SessionLog.START)))
