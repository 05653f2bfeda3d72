"""fit(): one training loop for all methods, on Lightning Fabric. Interrupt it anywhere; it goes on as if nothing had been.

Everything random is drawn from (seed, epoch) or (seed, epoch, step), never from a stream that a stop would cut. A run that
was resumed therefore sees the same batches under the same augmentations as one that never stopped.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import math
import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from facelab.datasets import FaceSet
from facelab.errors import BadParameterError, TrainingError
from facelab.files import atomic
from facelab.methods import Method
from facelab.optim import make_optimizer, parameter_groups, warmup_cosine
from facelab.progress import bar

Validate = Callable[[Method], float]
Monitor = Callable[[Method], dict[str, float]]


@dataclass(frozen=True)
class Plan:
    """What decides the result of a training, besides the method and the photographs.

    Attributes:
        epochs: passes over the training set, 1 or more.
        batch_size: photographs a step over all devices; the last, incomplete batch of an epoch is left out.
        lr: peak learning rate.
        optimizer: a name of ``optim.OPTIMIZERS``.
        weight_decay: on kernels and matrices; biases and norms are left out.
        momentum: of SGD.
        warmup_epochs: linear rise, before the cosine.
        clip_norm: largest norm of the gradient; 0: not clipped.
        per_class: so many photographs of one class follow each other in the order of an epoch, so that a batch holds pairs
            of one person where classes are many; 1: any order.
        seed: of the order, the augmentation and dropout. The initial weights are the caller's.
    """

    epochs: int
    batch_size: int = 64
    lr: float = 2e-3
    optimizer: str = "adamw"
    weight_decay: float = 0.05
    momentum: float = 0.9
    warmup_epochs: float = 1.0
    clip_norm: float = 0.0
    per_class: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size, self.per_class) < 1:
            raise BadParameterError(
                f"{self.epochs} epochs, batches of {self.batch_size}, {self.per_class} of a class together.",
                "Give 1 or more of each.",
            )
        if not 0 <= self.warmup_epochs < self.epochs:
            raise BadParameterError(
                f"A warm-up of {self.warmup_epochs} epochs in a run of {self.epochs}.", "Give fewer than the run has."
            )

    def as_long_as(self, photographs: int, other: int) -> Plan:
        """The plan for ``other`` photographs that takes as many steps as this one does on ``photographs``."""
        steps = self.epochs * (photographs // self.batch_size)
        epochs = max(1, round(steps / max(1, other // self.batch_size)))
        return replace(self, epochs=epochs, warmup_epochs=min(self.warmup_epochs, epochs / 2))


@dataclass
class History:
    """What a training did.

    Attributes:
        epochs: one dict an epoch: mean of each term of the loss, ``lr``, and what validation and monitors said.
        best_epoch: number, from 1, of the epoch whose weights the method now has; None without validation.
        seconds: time of the training, all its pieces added where it was resumed.
    """

    epochs: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int | None = None
    seconds: float = 0.0

    def series(self, name: str) -> list[float]:
        """One value an epoch, NaN where the epoch has none."""
        return [epoch.get(name, math.nan) for epoch in self.epochs]


@dataclass
class _Position:
    """Where a training stands: what a checkpoint holds besides weights and optimiser."""

    epoch: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    history: History = field(default_factory=History)
    best_score: float = -math.inf
    best_weights: dict[str, Tensor] | None = None


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
        fabric: devices and precision; one CPU or GPU in float32 where not given.

    Returns:
        Its history.

    Raises:
        TrainingError: the loss is not a number (the step is named), or the checkpoint belongs to another run.
        BadParameterError: fewer photographs than one batch holds, or a batch that the processes cannot share evenly.
    """
    loop = _prepare(method, faces, plan, labels, scenes, fabric or Fabric(accelerator="auto", devices=1))
    checkpoint = _Checkpoint(folder, loop)
    at = checkpoint.read()
    written = started = time.monotonic()
    before = at.history.seconds

    def save() -> float:
        at.history.seconds = before + time.monotonic() - started
        checkpoint.write(at)
        return time.monotonic()

    with bar(f"training {type(method).__name__}", plan.epochs * loop.steps) as progress:
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


def epoch_order(labels: np.ndarray, per_class: int, generator: np.random.Generator) -> np.ndarray:
    """Every photograph once, in random order; ``per_class`` of one class stand together, while the class has them.

    Args:
        labels: int (N,), class of each photograph.
        per_class: 1 or more. What is left of a class after the last full group stands together too.
        generator: that draws the order.

    Returns:
        int (N,), rows.
    """
    order = generator.permutation(len(labels))
    if per_class == 1:
        return order
    by_class = order[np.argsort(labels[order], kind="stable")]
    sorted_labels = labels[by_class]
    first = np.searchsorted(sorted_labels, sorted_labels)  # where the class of each photograph begins
    within = np.arange(len(labels)) - first
    group = np.cumsum(within % per_class == 0) - 1
    place = generator.permutation(group[-1] + 1)
    return by_class[np.argsort(place[group], kind="stable")]


def same_scene(scenes: np.ndarray, rows: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """For each of some rows, one of the rows of its scene, itself included: int (n,).

    Args:
        scenes: int (N,), scene of each photograph, numbered from 0 without a gap.
        rows: int (n,).
        generator: that draws; left alone where every scene has one photograph.
    """
    sizes = np.bincount(scenes)
    if len(sizes) == len(scenes):
        return rows
    by_scene, first = np.argsort(scenes, kind="stable"), np.cumsum(sizes) - sizes
    drawn = (generator.random(len(rows)) * sizes[scenes[rows]]).astype(np.int64)
    return by_scene[first[scenes[rows]] + drawn]


def _prepare(
    method: Method, faces: FaceSet, plan: Plan, labels: np.ndarray | None, scenes: np.ndarray | None, fabric: Fabric
) -> _Loop:
    """Method, optimiser and labels, set up for the devices."""
    if len(faces) < plan.batch_size:
        raise BadParameterError(
            f"The training set has {len(faces)} photographs, a batch {plan.batch_size}.", "Choose a smaller batch."
        )
    if plan.batch_size % fabric.world_size:
        raise BadParameterError(
            f"{fabric.world_size} processes cannot share a batch of {plan.batch_size} evenly.",
            f"Choose a multiple of {fabric.world_size}.",
        )
    if labels is None:
        labels = faces.labels() if (faces.identity >= 0).all() else np.full(len(faces), -1)
    scenes = np.arange(len(faces)) if scenes is None else np.unique(scenes, return_inverse=True)[1]
    method.to(memory_format=torch.channels_last)
    optimizer = make_optimizer(plan.optimizer, parameter_groups(method, plan.weight_decay), plan.lr, plan.momentum)
    wrapped, optimizer = fabric.setup(method, optimizer)
    return _Loop(fabric, method, wrapped, optimizer, faces, labels, scenes, plan)


@dataclass
class _Loop:
    """What stays the same from step to step. ``wrapped`` is the method as Fabric calls it (DDP, mixed precision)."""

    fabric: Fabric
    method: Method
    wrapped: Method
    optimizer: torch.optim.Optimizer
    faces: FaceSet
    labels: np.ndarray
    scenes: np.ndarray
    plan: Plan

    @property
    def steps(self) -> int:
        """Steps of one epoch."""
        return len(self.faces) // self.plan.batch_size

    def step(self, at: _Position, rows: np.ndarray) -> float:
        """One step of the optimiser on some photographs; ``at`` moves on by one; the loss, the mean over the processes."""
        plan, fabric = self.plan, self.fabric
        seeds = np.random.SeedSequence([plan.seed, at.epoch, at.step])
        torch.manual_seed(int(seeds.generate_state(1)[0]))  # dropout, and whatever else a method draws
        # Each process augments the whole batch and keeps its part: many processes then see exactly what one would.
        mine = slice(fabric.global_rank, None, fabric.world_size)
        generator = np.random.default_rng(seeds)
        others = same_scene(self.scenes, rows, generator)
        views = self.method.draw_views(self.faces.images[rows], generator, self.faces.images[others])
        self.wrapped.train()
        labels, scenes = (
            torch.from_numpy(numbers[rows][mine]).to(fabric.device) for numbers in (self.labels, self.scenes)
        )
        terms = self.wrapped([view[mine] for view in views], labels, scenes)
        means = fabric.all_reduce(torch.stack([term.detach().float() for term in terms.values()]), reduce_op="mean")
        values = dict(zip(terms, means.tolist(), strict=True))
        if not all(map(math.isfinite, values.values())):
            raise TrainingError(
                f"Epoch {at.epoch + 1}, step {at.step + 1}: {values}.",
                "Lower the learning rate, or look at this batch.",
            )
        self._descend(terms["loss"], at.epoch * self.steps + at.step)
        for name, value in values.items():
            at.sums[name] = at.sums.get(name, 0.0) + value
        at.step += 1
        return values["loss"]

    def _descend(self, loss: Tensor, step: int) -> None:
        """One move of the optimiser. The rate follows from the step's number: nothing to remember, so nothing to resume."""
        plan, total = self.plan, self.plan.epochs * self.steps
        for group in self.optimizer.param_groups:
            group["lr"] = plan.lr * warmup_cosine(step, total, round(plan.warmup_epochs * self.steps))
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        if plan.clip_norm:
            self.fabric.clip_gradients(self.wrapped, self.optimizer, max_norm=plan.clip_norm, error_if_nonfinite=False)
        self.optimizer.step()
        self.method.after_step()


def _end_epoch(
    method: Method, at: _Position, steps: int, validate: Validate | None, monitors: Sequence[Monitor]
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
            at.best_weights = copy.deepcopy(method.state_dict())
    at.history.epochs.append(entry)
    at.epoch, at.step, at.sums = at.epoch + 1, 0, {}


def _fingerprint(loop: _Loop) -> str:
    """Differs where a checkpoint of the one run would be wrong for the other."""
    method, faces, plan = loop.method, loop.faces, loop.plan
    shapes = {name: list(value.shape) for name, value in method.state_dict().items()}
    settings = {name: value for name, value in vars(method).items() if isinstance(value, int | float | str)}
    parts = [type(method).__name__, settings | {"training": None}, shapes, faces.sha256]
    parts += [hashlib.sha256(numbers.tobytes()).hexdigest() for numbers in (loop.labels, loop.scenes)]
    parts += [asdict(plan), asdict(method.augmentation)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class _Checkpoint:
    """``last.ckpt`` of a run; does nothing where no folder was asked for."""

    def __init__(self, folder: Path | None, loop: _Loop) -> None:
        self.path = None if folder is None else Path(folder) / "last.ckpt"
        self.fabric, self.method, self.optimizer = loop.fabric, loop.method, loop.optimizer
        self.fingerprint = _fingerprint(loop)

    def read(self) -> _Position:
        """The position to go on from, weights and optimiser put back; the start where there is no checkpoint."""
        if self.path is None or not self.path.is_file():
            return _Position()
        try:
            state = torch.load(self.path, map_location=self.fabric.device, weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise TrainingError(
                f"{self.path} cannot be read ({type(error).__name__}).", "Remove it to start again."
            ) from error
        if not isinstance(state, dict) or state.get("fingerprint") != self.fingerprint:
            raise TrainingError(
                f"{self.path} belongs to a run with another method, plan or data.",
                "Remove it, or choose another folder.",
            )
        self.method.load_state_dict(state["method"])
        self.optimizer.load_state_dict(state["optimizer"])
        return _Position(**state["position"] | {"history": History(**state["history"])})

    def write(self, at: _Position) -> None:
        """Write the state of the run, whole or not at all, from the first process."""
        if self.path is None or not self.fabric.is_global_zero:
            return
        position = {name: getattr(at, name) for name in ("epoch", "step", "sums", "best_score", "best_weights")}
        state = {
            "fingerprint": self.fingerprint,
            "method": self.method.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "position": position,
            "history": asdict(at.history),
        }
        packed = (
            io.BytesIO()
        )  # torch.save to a full disk raises what only a programmer can read; a plain write does not
        torch.save(state, packed)
        with atomic(self.path) as partial:
            partial.write_bytes(packed.getbuffer())
