"""Optimisers by name: what ``Plan(optimizer=...)`` and ``facelab train --optimizer`` understand."""

from __future__ import annotations

from collections.abc import Iterable

from torch.optim import SGD, AdamW, Optimizer

from facelab.errors import BadParameterError, nearest_name
from facelab.optim.lars import LARS
from facelab.optim.muon import Muon

_MAKERS = {
    "sgd": lambda groups, lr, momentum: SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0),
    "adamw": lambda groups, lr, momentum: AdamW(groups, lr=lr),
    "lars": lambda groups, lr, momentum: LARS(groups, lr=lr, momentum=momentum),
    "lars_paper": lambda groups, lr, momentum: LARS(groups, lr=lr, momentum=momentum, variant="paper"),
    "muon": lambda groups, lr, momentum: Muon(groups, lr=lr, momentum=momentum),
}
OPTIMIZERS = tuple(_MAKERS)


def make_optimizer(name: str, parameters: Iterable[dict], lr: float, momentum: float = 0.9) -> Optimizer:
    """The optimiser called ``name`` over parameter groups.

    Args:
        name: one of ``OPTIMIZERS``; ``"lars"`` is the variant of SimCLR's code, ``"lars_paper"`` the paper's.
        parameters: groups, as of ``parameter_groups``; each brings its weight decay.
        lr: learning rate, > 0.
        momentum: of SGD, then Nesterov's, of LARS, and of the convolutions in Muon.

    Raises:
        BadParameterError: no optimiser has that name, or the learning rate is not positive.
    """
    if not lr > 0:
        raise BadParameterError(f"The learning rate is {lr}.", "Give a positive one.")
    check_optimizer(name)
    return _MAKERS[name](parameters, lr, momentum)


def check_optimizer(name: str) -> None:
    """Raise BadParameterError unless an optimiser has that name."""
    if name not in _MAKERS:
        raise BadParameterError(
            f"No optimiser is called {name!r}.{nearest_name(name, OPTIMIZERS)}", f"There are: {', '.join(OPTIMIZERS)}."
        )
