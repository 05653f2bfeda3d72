"""LARS, a rate for each layer in proportion to its weights: You, Gitman and Ginsburg 2017, arXiv 1708.03888."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.linalg import vector_norm

from facelab.errors import BadParameterError
from facelab.optim.groups import split_by_shape

VARIANTS = ("simclr", "paper")


class LARS(torch.optim.Optimizer):
    """SGD with momentum whose step, for each kernel or matrix w with gradient g, is multiplied by a local rate:

        simclr:  eta |w| / |g + wd w|            the code of SimCLR and VICReg
        paper:   eta |w| / (|g| + wd |w|)        Eq. 6; never larger, since |g + wd w| <= |g| + wd |w|

    and 1 where |w| or the denominator is 0, so that weights that start at 0 move. The rates stay without weight decay: with
    wd = 0 both are eta |w| / |g|. (Implementations after Lightning Bolts, such as lightly's, then switch them off.)

    The rates are inside the momentum buffer, as in the paper's Algorithm 1 and in SimCLR's code:

        v <- momentum v + lr local (g + wd w)        w <- w - v

    VICReg's code, like ``torch.optim.SGD``, keeps lr outside, w <- w - lr v. At a constant lr that is the same; while lr
    changes, here a past step keeps the rate at which it was taken.

    Args:
        params: weights, or groups of them. A group with the key ``adapt`` is taken as it is: ``True`` gives its weights local
            rates, ``False`` leaves them at 1. Any other is split by ``split_by_shape`` (as ``parameter_groups`` does), so
            that biases and norm weights are neither adapted nor decayed. A weight without a gradient stays as it is.
        lr: global rate, > 0.
        momentum: 0 or more, below 1; 0.9 in the papers.
        weight_decay: wd, 0 or more. SimCLR and VICReg have 1e-6.
        eta: trust coefficient, > 0; 0.001 in the papers.
        variant: ``"simclr"`` or ``"paper"``.

    Raises:
        BadParameterError: a setting is out of its range, or no variant has that name.
    """  # fmt: skip

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict],
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        eta: float = 0.001,
        variant: str = "simclr",
    ) -> None:
        settings = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "eta": eta, "variant": variant}
        super().__init__(params, settings)

    def add_param_group(self, param_group: dict) -> None:
        """Add a group: one, or where it does not say ``adapt``, the two of ``split_by_shape``."""
        group = self.defaults | param_group
        _check(group)
        weights = [group["params"]] if isinstance(group["params"], Tensor) else group["params"]
        parts = [{}] if "adapt" in group else split_by_shape(weights, group["weight_decay"])
        for part in parts:
            super().add_param_group(group | part)

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """Move all weights once.

        Args:
            closure: computes the loss and its gradients before the move.

        Returns:
            Its loss; None without a closure.

        Raises:
            BadParameterError: a gradient is sparse.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is not None:
                    self._move(w, group)
        return loss

    def _move(self, w: Tensor, group: dict) -> None:
        if w.grad.is_sparse:
            raise BadParameterError("LARS met a sparse gradient.", "Build that layer with sparse=False.")
        if "momentum" not in self.state[w]:
            self.state[w]["momentum"] = torch.zeros_like(w)
        v = self.state[w]["momentum"]
        decayed = w.grad.add(w, alpha=group["weight_decay"])
        rate = group["lr"] * (_local_rate(w, decayed, group) if group["adapt"] else 1.0)
        v.mul_(group["momentum"]).add_(rate * decayed)
        w.sub_(v)


def _local_rate(w: Tensor, decayed: Tensor, group: dict) -> Tensor:
    """Scalar; ``decayed`` is g + wd w."""
    size = vector_norm(w)
    paper = group["variant"] == "paper"
    against = vector_norm(w.grad) + group["weight_decay"] * size if paper else vector_norm(decayed)
    return torch.where((size > 0) & (against > 0), group["eta"] * size / against, 1.0)


def _check(group: dict) -> None:
    if group["variant"] not in VARIANTS:
        raise BadParameterError(
            f"No variant of LARS is called {group['variant']!r}.", f"There are: {', '.join(VARIANTS)}."
        )
    for name in ("lr", "eta"):
        if not 0 < group[name] < math.inf:
            raise BadParameterError(f"{name} of LARS is {group[name]}.", "Give a positive number.")
    if not 0 <= group["momentum"] < 1:
        raise BadParameterError(f"The momentum of LARS is {group['momentum']}.", "Give 0 or more, below 1.")
    if not 0 <= group["weight_decay"] < math.inf:
        raise BadParameterError(f"The weight decay of LARS is {group['weight_decay']}.", "Give 0 or more.")
