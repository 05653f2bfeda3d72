"""fit(): one training loop for all methods, on Lightning Fabric. Interrupt it anywhere; it goes on as if nothing had been.

Everything random is drawn from (seed, epoch) or (seed, epoch, step), never from a stream that a stop would cut. A run that
was resumed therefore sees the same batches under the same augmentations as one that never stopped. On the CPU it ends with
the same digits; a GPU adds in an order of its own, from run to run another.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers import Logger
from torch import Tensor, nn

from facelab.datasets import FaceSet
from facelab.errors import BadParameterError, TrainingError
from facelab.heap import kept_memory
from facelab.methods import Method
from facelab.methods.margin_heads import CHOSEN_BUFFERS
from facelab.methods.operations import threads_for_photographs
from facelab.optim import make_optimizer, parameter_groups, warmup_cosine
from facelab.progress import progress_bar
from facelab.training.accelerator import single_process_fabric
from facelab.training.batches import Batch, BatchLoader
from facelab.training.checkpoint import Checkpoint, CheckpointFolder, Position
from facelab.training.gradient_cache import with_gradient_cache
from facelab.training.log import TrainingLog
from facelab.training.loss_scale import own_loss_scale
from facelab.training.memory import explain_memory_errors
from facelab.training.order import SceneIndex
from facelab.training.plan import History, Plan
from facelab.training.preemption import Preemption, watch_for_preemption
from facelab.training.prefetch import prefetch
from facelab.training.terms import Terms
from facelab.training.transfer import Transfer

Validate = Callable[[Method], float]
Monitor = Callable[[Method], dict[str, float]]


@explain_memory_errors()
def fit(
    method: Method,
    faces: FaceSet,
    plan: Plan,
    *,
    labels: np.ndarray | None = None,
    scenes: np.ndarray | None = None,
    validate: Validate | None = None,
    monitors: Sequence[Monitor] = (),
    folder: CheckpointFolder | None = None,
    checkpoint_seconds: float = 30.0,
    fabric: Fabric | None = None,
    logger: Logger | None = None,
) -> History:
    """Train a method in place.

    Args:
        method: what to train; its weights at the start decide the result together with ``plan``.
        faces: the training set, and nothing else.
        plan: epochs, batch, optimiser, seed.
        labels: int (N,), a class a photograph, -1 where unknown; where not given, the people of ``faces``.
        scenes: int (N,), equal where photographs show one moment under other conditions, as the renderings of one
            photograph of orl-wild do; the second view of a photograph is then drawn from any of its scene. Not given:
            each is a scene of its own.
        validate: called after each epoch with the method in evaluation mode; larger is better. The method ends with the
            weights of its best epoch. It must never see the test set.
        monitors: called after each epoch with the method in evaluation mode; their numbers join the history.
        folder: where ``last.ckpt`` is kept. A run with the same plan and data that finds one there goes on from it. Of a
            ``ScratchFolder`` a checkpoint of another run is thrown away.
        checkpoint_seconds: how often it is written within an epoch; it is also written after each epoch.
        fabric: devices and precision; where not given, one CUDA GPU or else the CPU, in float32, and one process.
        logger: any logger of Fabric, told of each step and each epoch (``log.TrainingLog``); it is saved, never finalised.

    Returns:
        Its history.

    Raises:
        TrainingError: the loss is not a number (the step is named), or the checkpoint belongs to another run.
        BadParameterError: as ``check_batch``, labels or scenes that are not one a photograph, a label that is no class of the
            method, a scene of two people or classes, or chunks of a method that is no ``Siamese``.
        PreemptedError: a signal asked the training to make room; its checkpoint is written.
        OutOfMemoryError: it does not fit into memory.
    """
    fabric = fabric or single_process_fabric()
    with own_loss_scale(fabric):
        loop = _prepare(method, faces, plan, labels, scenes, fabric)
        checkpoint = Checkpoint(folder, fabric, method, loop.optimizer, loop.fingerprint, monitors, checkpoint_seconds)
        return _train(loop, checkpoint, validate, monitors, logger)


def _train(
    loop: TrainingLoop,
    checkpoint: Checkpoint,
    validate: Validate | None,
    monitors: Sequence[Monitor],
    logger: Logger | None,
) -> History:
    """All steps from where the checkpoint is; the method ends in evaluation mode, with its best weights."""
    method, plan = loop.method, loop.plan
    at = checkpoint.read()
    log = TrainingLog(logger, loop.fabric, loop.steps, at.epoch * loop.steps + at.step)
    terms = Terms(loop.fabric, at, log)
    upcoming = prefetch(loop.batches.load, loop.batches.upcoming(at.epoch, at.step))
    bar = progress_bar(f"training {type(method).__name__}", plan.epochs * loop.steps)
    stops = watch_for_preemption(saves=checkpoint.path is not None)
    at_once = method.views * plan.photographs_at_once(loop.fabric.world_size)
    threads = threads_for_photographs(method, loop.batches.faces.images[:1], at_once)
    with kept_memory(), threads, bar as progress, stops as preemption, upcoming as batches:
        progress.advance(at.epoch * loop.steps + at.step)
        while at.epoch < plan.epochs:
            loop.wrapped_method.train()
            while at.step < loop.steps:
                loop.step(at, next(batches), terms)
                progress.advance(note=terms.note)
                if terms.settled:
                    _save_where_due(at, checkpoint, preemption, loop, log)
            terms.settle()
            _end_epoch(method, at, loop.steps, validate, monitors, log)
            checkpoint.end_epoch(at)
            if at.epoch < plan.epochs:
                _save_where_due(at, checkpoint, preemption, loop, log)
        if at.best_weights is not None:
            method.load_state_dict(at.best_weights)
        checkpoint.finish(at)
        if preemption.asked_of_any(loop.fabric):  # while the last epoch was closed
            raise preemption.error()
    method.eval()
    return at.history


def check_batch(plan: Plan, photographs: int, processes: int) -> None:
    """Raise BadParameterError where a training set has fewer photographs than a batch, or processes cannot share it evenly."""
    if photographs < plan.batch_size:
        raise BadParameterError(
            f"The training set has {photographs} photographs, a batch {plan.batch_size}.", "Choose a smaller batch."
        )
    if plan.batch_size % processes:
        raise BadParameterError(
            f"{processes} processes cannot share a batch of {plan.batch_size} evenly.",
            f"Choose a multiple of {processes}.",
        )


def _prepare(
    method: Method, faces: FaceSet, plan: Plan, labels: np.ndarray | None, scenes: np.ndarray | None, fabric: Fabric
) -> TrainingLoop:
    """Method, optimiser and labels, set up for the devices."""
    check_batch(plan, len(faces), fabric.world_size)
    if labels is None:
        labels = np.where(faces.identity >= 0, np.searchsorted(faces.people, faces.identity), -1)
    labels = np.asarray(labels, dtype=np.int64)
    for name, given in (("labels", labels), ("scenes", scenes)):
        if given is not None and np.shape(given) != (len(faces),):
            raise BadParameterError(
                f"The {name} have the shape {np.shape(given)}, and there are {len(faces)} photographs.",
                "Give one a photograph.",
            )
    scenes = np.arange(len(faces)) if scenes is None else np.unique(scenes, return_inverse=True)[1]
    method.check_labels(labels)
    if method.views == 2:
        for name, numbers in (("person", faces.identity), ("class", labels)):
            _check_scenes(scenes, numbers, name)
    method.prepare(faces)
    method.to(memory_format=torch.channels_last)
    optimizer = make_optimizer(plan.optimizer, parameter_groups(method, plan.weight_decay), plan.lr, plan.momentum)
    wrapped, optimizer = fabric.setup(with_gradient_cache(method, plan.chunk), optimizer)
    batches = BatchLoader(
        method, faces, labels, SceneIndex(scenes), plan, Transfer(fabric.device), fabric.global_rank, fabric.world_size
    )
    return TrainingLoop(fabric, method, wrapped, optimizer, batches)


def _check_scenes(scenes: np.ndarray, labels: np.ndarray, name: str) -> None:
    """Raise BadParameterError where photographs of one scene are of two labels: the second view passes for the first's."""
    classes = labels.max() + 1
    of_scenes = np.unique((scenes * classes + labels)[labels >= 0]) // max(classes, 1)  # each class of each scene
    twice = np.unique(of_scenes[1:][of_scenes[1:] == of_scenes[:-1]])
    if len(twice):
        raise BadParameterError(
            f"{len(twice)} of {scenes.max() + 1} scenes show more than one {name}, the first of them in "
            f"{np.sum(scenes == twice[0])} photographs.",
            "A scene is one moment of one person: give what tells the moments apart.",
        )


@dataclass
class TrainingLoop:
    """What stays the same from step to step; ``wrapped_method`` is the method as Fabric calls it (DDP, precision, chunks)."""

    fabric: Fabric
    method: Method
    wrapped_method: nn.Module
    optimizer: torch.optim.Optimizer
    batches: BatchLoader

    @property
    def plan(self) -> Plan:
        """Of the training."""
        return self.batches.plan

    @property
    def fingerprint(self) -> str:
        """Differs where a checkpoint of the one run would be wrong for the other."""
        shapes = {name: list(value.shape) for name, value in self.method.state_dict().items()}
        settings = {name: value for name, value in vars(self.method).items() if isinstance(value, int | float | str)}
        known = self.batches
        frozen = [name for name, weight in self.method.named_parameters() if not weight.requires_grad]
        network = [repr(self.method), frozen]  # its strides, which no shape shows, and what of it learns
        chosen = {
            name: value.tolist()
            for name, value in self.method.named_buffers()
            if name.rpartition(".")[2] in CHOSEN_BUFFERS
        }
        parts = [chosen, type(self.method).__name__, settings | {"training": None}, shapes, network, known.faces.sha256]
        parts += [hashlib.sha256(numbers.tobytes()).hexdigest() for numbers in (known.labels, known.scenes.scenes)]
        parts += [asdict(self.plan), asdict(self.method.augmentation)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def steps(self) -> int:
        """Steps of one epoch."""
        return self.batches.steps

    def step(self, position: Position, batch: Batch, terms: Terms) -> None:
        """One step of the optimiser on a prepared batch; moves ``position`` on."""
        # dropout, and whatever else a method draws; ``torch.manual_seed`` looks for every kind of device, which takes its time
        (torch.default_generator if self.fabric.device.type == "cpu" else torch).manual_seed(batch.seed)
        images, labels, scenes = batch.tensors.receive()
        views = self.method.make_views(images, batch.parameters, batch.own)
        found = self.wrapped_method(views, labels, scenes)
        terms.add(position.step, found)
        self._descend(found["loss"], position.epoch * self.steps + position.step)
        position.step += 1

    def _descend(self, loss: Tensor, step: int) -> None:
        """One move of the optimiser. The rate follows from the step's number: nothing to remember, so nothing to resume."""
        plan, total = self.plan, self.plan.epochs * self.steps
        for group in self.optimizer.param_groups:
            group["lr"] = plan.lr * warmup_cosine(step, total, round(plan.warmup_epochs * self.steps))
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        if plan.clip_norm:
            self.fabric.clip_gradients(
                self.wrapped_method, self.optimizer, max_norm=plan.clip_norm, error_if_nonfinite=False
            )
        self.optimizer.step()
        self.method.after_step()


def _save_where_due(
    at: Position, checkpoint: Checkpoint, preemption: Preemption, loop: TrainingLoop, log: TrainingLog
) -> None:
    """Write a checkpoint where it is time to, or where the training is to make room; then it ends here.

    Called where all processes are at the same step and no loss is left unseen. What came for one process stops all of them.

    Raises:
        PreemptedError: the training was asked to make room.
    """
    asked = preemption.asked_of_any(loop.fabric)
    if asked or (checkpoint.is_due() and at.step < loop.steps):  # at the end of an epoch it is written anyway
        log.save()
        checkpoint.write(at)
    if asked:
        raise preemption.error()


def _end_epoch(
    method: Method,
    at: Position,
    steps: int,
    validate: Validate | None,
    monitors: Sequence[Monitor],
    log: TrainingLog,
) -> None:
    """Close the epoch in ``at``: means of the terms, validation, monitors, the best weights so far."""
    entry = {name: total / steps for name, total in at.sums.items()}
    method.eval()
    for monitor in monitors:
        entry |= {name: float(value) for name, value in monitor(method).items()}
    if validate is not None:
        score = entry["validation"] = float(validate(method))
        if math.isnan(score):
            raise TrainingError(f"The validation of epoch {at.epoch + 1} is not a number.", "Look at what it computes.")
        if score > at.best_score:
            at.best_score, at.history.best_epoch = score, at.epoch + 1
            at.best_weights = copy.deepcopy(dict(method.state_dict()))
    at.history.epochs.append(entry)
    log.add_epoch(at.epoch, entry)
    at.epoch, at.step, at.sums = at.epoch + 1, 0, {}
