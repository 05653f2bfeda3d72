"""Batch norm over the whole batch, where several GPUs share it."""

from __future__ import annotations

from typing import TypeVar

from lightning_fabric import Fabric
from torch import nn

from facelab.errors import BadParameterError

M = TypeVar("M", bound=nn.Module)


def check_sync_batch_norm(fabric: Fabric) -> None:
    """Raise BadParameterError where batch norms have nothing to share, or PyTorch cannot let them share it."""
    if fabric.device.type != "cuda":
        raise BadParameterError(
            "Batch norm cannot be synchronised: PyTorch has SyncBatchNorm for GPUs alone.",
            "Leave --sync-batch-norm out; each process then takes the statistics of its own photographs.",
        )
    if fabric.world_size == 1:
        raise BadParameterError("--sync-batch-norm changes nothing here: one process trains.", "Leave it out.")


def synchronize_batch_norms(module: M) -> M:
    """Let all batch norms of a method take their statistics from the photographs of all processes (``torch.nn.SyncBatchNorm``).

    Without it each process normalises by those of its own part of the batch, as DDP does. Weights and buffers keep their names.

    Args:
        module: changed in place.

    Returns:
        The same module.

    Raises:
        BadParameterError: a norm that learns a shift and no scale: PyTorch's ``SyncBatchNorm`` gives it no gradient.
    """
    for name, norm in module.named_modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm) and norm.weight is None and norm.bias is not None:
            raise BadParameterError(
                f"The batch norm {name} learns a shift and no scale, which PyTorch's SyncBatchNorm does not train.",
                "Leave --sync-batch-norm out, or choose another network.",
            )
    return nn.SyncBatchNorm.convert_sync_batchnorm(module)
