"""fit(): one training loop for all methods, on Lightning Fabric. Interrupt it anywhere; it goes on as if nothing had been.

Everything random is drawn from (seed, epoch) or (seed, epoch, step), never from a stream that a stop would cut. A run that
was resumed therefore sees the same batches under the same augmentations as one that never stopped.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from facelab.datasets import FaceSet
from facelab.errors import BadParameterError, TrainingError
from facelab.methods import Method
from facelab.optim import make_optimizer, parameter_groups, warmup_cosine
from facelab.progress import progress_bar
from facelab.training.accelerator import single_process_fabric
from facelab.training.checkpoint import Checkpoint, Position
from facelab.training.gradient_cache import with_gradient_cache
from facelab.training.memory import explain_memory_errors
from facelab.training.order import draw_scene_partners, epoch_order
from facelab.training.plan import History, Plan

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
    folder: Path | None = None,
    checkpoint_seconds: float = 30.0,
    fabric: Fabric | None = None,
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
        folder: where ``last.ckpt`` is kept. A run with the same plan and data that finds one there goes on from it.
        checkpoint_seconds: how often it is written within an epoch; it is also written after each epoch.
        fabric: devices and precision; where not given, one CUDA GPU or else the CPU, in float32.

    Returns:
        Its history.

    Raises:
        TrainingError: the loss is not a number (the step is named), or the checkpoint belongs to another run.
        BadParameterError: as ``check_batch``, or chunks of a method that is no ``Siamese``.
        OutOfMemoryError: it does not fit into memory.
    """
    loop = _prepare(method, faces, plan, labels, scenes, fabric or single_process_fabric())
    checkpoint = Checkpoint(folder, loop.fabric, method, loop.optimizer, loop.fingerprint)
    at = checkpoint.read()
    written = started = time.monotonic()
    before = at.history.seconds

    def save() -> float:
        at.history.seconds = before + time.monotonic() - started
        checkpoint.write(at)
        return time.monotonic()

    with progress_bar(f"training {type(method).__name__}", plan.epochs * loop.steps) as progress:
        progress.advance(at.epoch * loop.steps + at.step)
        while at.epoch < plan.epochs:
            order = epoch_order(loop.labels, plan.per_class, np.random.default_rng([plan.seed, at.epoch]))
            while at.step < loop.steps:
                loss = loop.step(at, order[at.step * plan.batch_size : (at.step + 1) * plan.batch_size])
                progress.advance(note=f"epoch {at.epoch + 1}, loss {loss:.3f}")
                if time.monotonic() - written > checkpoint_seconds:
                    written = save()
            _end_epoch(method, at, loop.steps, validate, monitors)
            written = save()
    if at.best_weights is not None:
        method.load_state_dict(at.best_weights)
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
        labels = faces.labels() if (faces.identity >= 0).all() else np.full(len(faces), -1)
    scenes = np.arange(len(faces)) if scenes is None else np.unique(scenes, return_inverse=True)[1]
    method.to(memory_format=torch.channels_last)
    optimizer = make_optimizer(plan.optimizer, parameter_groups(method, plan.weight_decay), plan.lr, plan.momentum)
    wrapped, optimizer = fabric.setup(with_gradient_cache(method, plan.chunk), optimizer)
    return TrainingLoop(fabric, method, wrapped, optimizer, faces, labels, scenes, plan)


@dataclass
class TrainingLoop:
    """What stays the same from step to step; ``wrapped_method`` is the method as Fabric calls it (DDP, precision, chunks)."""

    fabric: Fabric
    method: Method
    wrapped_method: nn.Module
    optimizer: torch.optim.Optimizer
    faces: FaceSet
    labels: np.ndarray
    scenes: np.ndarray
    plan: Plan

    @property
    def fingerprint(self) -> str:
        """Differs where a checkpoint of the one run would be wrong for the other."""
        shapes = {name: list(value.shape) for name, value in self.method.state_dict().items()}
        settings = {name: value for name, value in vars(self.method).items() if isinstance(value, int | float | str)}
        parts = [type(self.method).__name__, settings | {"training": None}, shapes, self.faces.sha256]
        parts += [hashlib.sha256(numbers.tobytes()).hexdigest() for numbers in (self.labels, self.scenes)]
        parts += [asdict(self.plan), asdict(self.method.augmentation)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def steps(self) -> int:
        """Steps of one epoch."""
        return len(self.faces) // self.plan.batch_size

    def step(self, position: Position, rows: np.ndarray) -> float:
        """One step of the optimiser on some photographs; moves ``position`` on. The mean loss over the processes."""
        plan, fabric = self.plan, self.fabric
        seeds = np.random.SeedSequence([plan.seed, position.epoch, position.step])
        torch.manual_seed(int(seeds.generate_state(1)[0]))  # dropout, and whatever else a method draws
        # Each process augments the whole batch and keeps its part: many processes then see exactly what one would.
        mine = slice(fabric.global_rank, None, fabric.world_size)
        generator = np.random.default_rng(seeds)
        others = draw_scene_partners(self.scenes, rows, generator)
        views = self.method.draw_views(self.faces.images[rows], generator, self.faces.images[others])
        self.wrapped_method.train()
        labels, scenes = (
            torch.from_numpy(numbers[rows][mine]).to(fabric.device) for numbers in (self.labels, self.scenes)
        )
        terms = self.wrapped_method([view[mine] for view in views], labels, scenes)
        means = fabric.all_reduce(torch.stack([term.detach().float() for term in terms.values()]), reduce_op="mean")
        values = dict(zip(terms, means.tolist(), strict=True))
        if not all(map(math.isfinite, values.values())):
            raise TrainingError(
                f"Epoch {position.epoch + 1}, step {position.step + 1}: {values}.",
                "Lower the learning rate, or look at this batch.",
            )
        self._descend(terms["loss"], position.epoch * self.steps + position.step)
        for name, value in values.items():
            position.sums[name] = position.sums.get(name, 0.0) + value
        position.step += 1
        return values["loss"]

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


def _end_epoch(
    method: Method, at: Position, steps: int, validate: Validate | None, monitors: Sequence[Monitor]
) -> None:
    """Close the epoch in ``at``: means of the terms, validation, monitors, the best weights so far."""
    entry = {name: total / steps for name, total in at.sums.items()}
    method.eval()
    for monitor in monitors:
        entry |= monitor(method)
    if validate is not None:
        score = entry["validation"] = float(validate(method))
        if math.isnan(score):
            raise TrainingError(f"The validation of epoch {at.epoch + 1} is not a number.", "Look at what it computes.")
        if score > at.best_score:
            at.best_score, at.history.best_epoch = score, at.epoch + 1
            at.best_weights = copy.deepcopy(dict(method.state_dict()))
    at.history.epochs.append(entry)
    at.epoch, at.step, at.sums = at.epoch + 1, 0, {}
