"""Learning rates: how high for a batch, and their course over a run."""

from __future__ import annotations

import math

from facelab.errors import BadParameterError

SCALINGS = {
    "linear": lambda batch_size: 0.3 * batch_size / 256,
    "sqrt": lambda batch_size: 0.075 * math.sqrt(batch_size),
}


def scaled_lr(batch_size: int, rule: str = "linear") -> float:
    """The peak rate of SimCLR with LARS for a batch: Chen et al., arXiv 2002.05709.

    Args:
        batch_size: photographs a step over all devices, 1 or more.
        rule: ``"linear"``, 0.3 B / 256 (section 2.3); ``"sqrt"``, 0.075 sqrt(B), better for small batches and short runs
            (appendix B.1). Both give 4.8 at B = 4096.

    Raises:
        BadParameterError: no rule has that name, or the batch is empty.
    """
    if rule not in SCALINGS:
        raise BadParameterError(f"No scaling rule is called {rule!r}.", f"There are: {', '.join(SCALINGS)}.")
    if not batch_size >= 1:
        raise BadParameterError(f"The batch size is {batch_size}.", "Give 1 or more.")
    return SCALINGS[rule](batch_size)


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
