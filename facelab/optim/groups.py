"""Which weights are decayed and adapted, and which are not: the one place that decides it."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict]:
    """The trainable weights of a module in two groups, for any optimiser; see ``split_by_shape``."""
    return split_by_shape((p for p in module.parameters() if p.requires_grad), weight_decay)


def split_by_shape(parameters: Iterable[Tensor], weight_decay: float) -> list[dict]:
    """Two groups: matrices and kernels; biases and norm weights (``ndim <= 1``), which are left out of two things.

    Decaying a bias or a norm's scale only shifts what the layer can express (Goyal et al., arXiv 1706.02677, section 5.3),
    and a bias that starts at 0 would hardly move at a rate in proportion to its norm.

    Args:
        parameters: weights.
        weight_decay: of the first group, 0 or more.

    Returns:
        Groups with the keys ``weight_decay``, 0 in the second, and ``adapt``: whether ``LARS`` gives each of the group's
        weights a rate of its own. Other optimisers do not look at ``adapt``.
    """
    kernels, others = [], []
    for parameter in parameters:
        (kernels if parameter.ndim > 1 else others).append(parameter)
    return [
        {"params": kernels, "weight_decay": weight_decay, "adapt": True},
        {"params": others, "weight_decay": 0.0, "adapt": False},
    ]
