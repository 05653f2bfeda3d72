"""A batch larger than memory, its loss whole: gradient caching. Gao et al. 2021, arXiv 2101.06983."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from facelab.errors import BadParameterError
from facelab.methods import Method, Siamese
from facelab.methods.distributed import gather


def with_gradient_cache(method: Method, chunk: int) -> nn.Module:
    """What ``fit`` calls for the loss: the method itself, or the method in chunks.

    Args:
        method: to be trained.
        chunk: photographs that go through its network at a time; 0: the whole batch.

    Raises:
        BadParameterError: chunks of a method that is no ``Siamese``.
    """
    if not chunk:
        return method
    if not isinstance(method, Siamese):
        raise BadParameterError(
            f"{type(method).__name__} cannot train in chunks of {chunk}.", "Leave chunk at 0, and take a smaller batch."
        )
    return GradientCache(method, chunk)


class GradientCache(nn.Module):
    """``Siamese.training_step`` of a large batch in the memory of a small one; the price is a second forward pass.

    To add up the gradients of several small batches would not do: each photograph would be compared with the few of its
    chunk. Here the chunks are projected one by one without keeping what lies between, the loss compares all projections,
    and its gradient is kept for each of them. Then chunk by chunk is projected again, with the same dropout, and the kept
    gradient goes back through it. That is checkpointing of each chunk, and PyTorch's does it.

    The gradient is that of the whole batch, exactly so where no batch norm is. A batch norm takes its statistics from each
    chunk, as it does on several devices; its running statistics see each chunk once.
    """

    def __init__(self, method: Siamese, chunk: int) -> None:
        super().__init__()
        self.method, self.chunk = method, chunk

    def forward(self, views: list[Tensor], labels: Tensor, scenes: Tensor) -> dict[str, Tensor]:
        """The terms that ``Siamese.training_step`` gives."""
        z = [gather(self._project(view)) for view in views]
        return self.method.compare(z, gather(labels), gather(scenes))

    def _project(self, view: Tensor) -> Tensor:
        """In parts as equal as can be. One has a photograph more than asked for where else one would be left alone."""
        parts = math.ceil(len(view) / self.chunk)
        if parts > 1 and len(view) < 2 * parts:
            parts -= 1
        return torch.cat([self._checkpointed(part) for part in view.tensor_split(parts)])

    def _checkpointed(self, part: Tensor) -> Tensor:
        return checkpoint(self.method.project, part, use_reentrant=False, context_fn=self._both_passes)

    def _both_passes(self) -> tuple[AbstractContextManager, AbstractContextManager]:
        return nullcontext(), _buffers_kept(self.method)


@contextmanager
def _buffers_kept(module: nn.Module) -> Iterator[None]:
    """Put back what a forward pass does to buffers: the running statistics of batch norm."""
    before = [buffer.clone() for buffer in module.buffers()]
    try:
        yield
    finally:  # PyTorch leaves the second pass as soon as it has what it needs
        for buffer, value in zip(module.buffers(), before, strict=True):
            buffer.copy_(value)
