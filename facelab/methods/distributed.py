"""What several processes of one training share: a batch is theirs together, whatever the loss compares within it.

``training.fit`` gives process r of W the photographs r, r + W, r + 2W ... of a batch; here they find together again.
"""

from __future__ import annotations

import torch
from torch import Tensor, distributed
from torch.distributed.nn.functional import all_gather


def gather(rows: Tensor) -> Tensor:
    """The rows of all processes in the order of the batch: (N, ...) to (W N, ...); of one process, the rows themselves.

    The gradient flows back to every process. Each computes the same loss of the same rows, and gets W times its part
    of the gradient; DDP then takes the mean over W processes. What remains is the gradient of one process.

    Args:
        rows: equally many in each process.
    """
    if not is_distributed():
        return rows
    parts = all_gather(rows.contiguous()) if rows.requires_grad else _gather_plain(rows.contiguous())
    return torch.stack(list(parts), dim=1).flatten(0, 1)


def local_shard(rows: Tensor) -> Tensor:
    """Those rows of a gathered batch that belong to this process: (W N, ...) to (N, ...)."""
    return rows[distributed.get_rank() :: distributed.get_world_size()] if is_distributed() else rows


def weighted_mean_scale(weight: Tensor) -> Tensor:
    """Factor of this process's weighted mean, so that the mean over W processes is the weighted mean over all their rows:

        W sum_{rows of mine} w_i  /  sum_{all rows} w_i

    1 in a single process, and where every process has the same sum.

    Args:
        weight: of this process's rows: float (N,), not all 0 over the processes.
    """  # fmt: skip
    return weight.sum() / gather(weight).sum() * (distributed.get_world_size() if is_distributed() else 1)


def shared_permutation(n: int, device: torch.device) -> Tensor:
    """A random permutation of 0 ... n-1, int64 (n,), that all processes agree on."""
    permutation = torch.randperm(n, device=device)
    if is_distributed():
        distributed.broadcast(permutation, src=0)
    return permutation


def shared_normal(like: Tensor) -> Tensor:
    """Standard normal noise of the shape, type and device of ``like``, that all processes agree on."""
    noise = torch.randn_like(like)
    if is_distributed():
        distributed.broadcast(noise, src=0)
    return noise


def is_distributed() -> bool:
    """Whether this training has several processes."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def _gather_plain(rows: Tensor) -> list[Tensor]:
    parts = [torch.empty_like(rows) for _ in range(distributed.get_world_size())]
    distributed.all_gather(parts, rows)
    return parts
