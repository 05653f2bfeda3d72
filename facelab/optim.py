"""Optimisers and learning-rate schedules by name."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from facelab.errors import BadParameterError

OPTIMIZERS = ("sgd", "adamw")


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict]:
    """Two groups: matrices and kernels with weight decay; biases and norm weights (``ndim == 1``) without.

    Decaying a bias or a norm's scale only shifts what the layer can express (Goyal et al., arXiv 1706.02677, section 5.3).
    """
    trainable = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]


def make_optimizer(name: str, parameters: Iterable[dict], lr: float, momentum: float = 0.9) -> torch.optim.Optimizer:
    """The optimiser called ``name`` over parameter groups.

    Raises:
        BadParameterError: no optimiser has that name, or the learning rate is not positive.
    """
    if not lr > 0:
        raise BadParameterError(f"The learning rate is {lr}.", "Give a positive one.")
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=lr, momentum=momentum, nesterov=momentum > 0)
    if name == "adamw":
        return torch.optim.AdamW(parameters, lr=lr)
    raise BadParameterError(f"No optimiser is called {name!r}.", f"There are: {', '.join(OPTIMIZERS)}.")


def warmup_cosine(step: int, total: int, warmup: int) -> float:
    """Factor of the learning rate at a step: linear from 1/warmup to 1, then half a cosine to 0 (SGDR, arXiv 1608.03983).

    Args:
        step: 0 ... total-1.
        total: steps of the whole run.
        warmup: steps of the rise, fewer than ``total``.
    """
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
