"""Muon, momentum whose steps are made orthogonal: Jordan et al., Muon: an optimizer for hidden layers in neural networks, 2024.

https://kellerjordan.github.io/posts/muon and https://github.com/KellerJordan/Muon
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from facelab.errors import BadParameterError

#: a, b, c of the quintic a x + b x^3 + c x^5, steepest at 0, of the authors' code
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
RMS_OF_ADAMW = 0.2  #: of an update of AdamW: Liu et al., arXiv 2502.16982, section 2.2


class Muon(torch.optim.Optimizer):
    """Convolutions by Muon, everything else by AdamW. For a kernel w with gradient g, as a matrix (out, in x height x width):

        v <- momentum v + g
        u  = orthogonalize(g + momentum v)                    Nesterov's momentum, as in the authors' code
        w <- w (1 - lr wd) - lr 0.2 sqrt(max(rows, columns)) u

    Every direction of the step is as long as every other one, so that directions that few photographs ask for are learned too.
    The factor gives u the root mean square of a step of AdamW (arXiv 2502.16982, Eq. 4): one learning rate serves both.

    Linear layers stay with AdamW, as the authors advise for the last: here most of them are, or are the weights of classes.

    Args:
        params: weights, or groups of them; in a group, kernels of convolutions (4 dimensions) are told from the rest.
        lr: > 0.
        momentum: of the kernels, 0 or more, below 1. The authors have .95, in their short trainings on CIFAR-10 .6.
        weight_decay: wd, 0 or more, as AdamW has it.
        steps: of ``orthogonalize``, 1 or more; 5 in the paper, 3 in the authors' short trainings on CIFAR-10.

    Raises:
        BadParameterError: a setting is out of its range.
    """  # fmt: skip

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        steps: int = 3,
    ) -> None:
        settings = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "steps": steps}
        super().__init__(params, settings | {"betas": (0.9, 0.999), "eps": 1e-8})

    def add_param_group(self, param_group: dict) -> None:
        """Add a group as two: kernels of convolutions, and the rest."""
        group = self.defaults | param_group
        _check(group)
        weights = [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])
        for orthogonal in (True, False):
            part = [weight for weight in weights if (weight.ndim == 4) == orthogonal]
            if part:
                super().add_param_group(group | {"params": part, "orthogonal": orthogonal})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """Move all weights once.

        Args:
            closure: computes the loss and its gradients before the move.

        Returns:
            Its loss; None without a closure.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            move = self._move_kernel if group["orthogonal"] else self._move_by_adamw
            for weight in group["params"]:
                if weight.grad is not None:
                    move(weight, group)
        return loss

    def _move_kernel(self, w: Tensor, group: dict) -> None:
        if "momentum" not in self.state[w]:
            self.state[w]["momentum"] = torch.zeros_like(w)
        v = self.state[w]["momentum"]
        v.mul_(group["momentum"]).add_(w.grad)
        direction = w.grad.add(v, alpha=group["momentum"]).flatten(1)
        rate = group["lr"] * RMS_OF_ADAMW * math.sqrt(max(direction.shape))
        w.mul_(1 - group["lr"] * group["weight_decay"])
        w.sub_(rate * orthogonalize(direction, group["steps"]).view(w.shape))

    def _move_by_adamw(self, w: Tensor, group: dict) -> None:
        """One step of AdamW (Loshchilov and Hutter, arXiv 1711.05101, Algorithm 2)."""
        state, (beta1, beta2) = self.state[w], group["betas"]
        if not state:
            state |= {"step": torch.zeros(()), "first": torch.zeros_like(w), "second": torch.zeros_like(w)}
        state["step"] += 1
        t = float(state["step"])
        w.mul_(1 - group["lr"] * group["weight_decay"])
        state["first"].lerp_(w.grad, 1 - beta1)
        state["second"].mul_(beta2).addcmul_(w.grad, w.grad, value=1 - beta2)
        size = (state["second"] / (1 - beta2**t)).sqrt_().add_(group["eps"])
        w.addcdiv_(state["first"], size, value=-group["lr"] / (1 - beta1**t))


def orthogonalize(matrix: Tensor, steps: int) -> Tensor:
    """Nearly U V^T of the singular value decomposition U S V^T, by Newton-Schulz steps: matrix products only.

    Each step moves every singular value s, from 0 to 1, to a s + b s^3 + c s^5. After five steps all that were not tiny lie
    between about .7 and 1.2; the coefficients are chosen for speed and not to end at 1. A matrix of zeros stays one.

    Args:
        matrix: float (M, N).
        steps: 1 or more.

    Returns:
        Float (M, N).
    """
    a, b, c = COEFFICIENTS
    wide = matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix
    x = wide / (torch.linalg.vector_norm(wide) + 1e-7)  # the greatest singular value is at most this norm
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if matrix.shape[0] > matrix.shape[1] else x


def _check(group: dict) -> None:
    if not 0 < group["lr"] < math.inf:
        raise BadParameterError(f"lr of Muon is {group['lr']}.", "Give a positive number.")
    if not 0 <= group["momentum"] < 1:
        raise BadParameterError(f"The momentum of Muon is {group['momentum']}.", "Give 0 or more, below 1.")
    if not 0 <= group["weight_decay"] < math.inf:
        raise BadParameterError(f"The weight decay of Muon is {group['weight_decay']}.", "Give 0 or more.")
    if group["steps"] < 1:
        raise BadParameterError(f"Muon with {group['steps']} steps of Newton and Schulz.", "Give 1 or more.")
