"""How much memory tensors take: counted, since what an operating system reports differs from run to run."""

from __future__ import annotations

import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class PeakMemory(TorchDispatchMode):
    """Counts the bytes of the tensors that are made under it.

        with PeakMemory() as memory:
            method.training_step(views, labels, scenes)["loss"].backward()
        memory.peak

    Attributes:
        current: bytes that they take now.
        peak: the most that they took at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._known, self.current, self.peak = set(), 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self._meet((args, kwargs), new=False)
        result = function(*args, **(kwargs or {}))
        self._meet(result, new=True)
        return result

    def _meet(self, tensors, new: bool) -> None:
        for tensor in tree_leaves(tensors):
            if isinstance(tensor, torch.Tensor) and (storage := tensor.untyped_storage())._cdata not in self._known:
                self._known.add(storage._cdata)
                self._add(storage.nbytes() * new)
                weakref.finalize(storage, self._forget, storage._cdata, storage.nbytes() * new)

    def _add(self, count: int) -> None:
        self.current += count
        self.peak = max(self.peak, self.current)

    def _forget(self, storage: int, count: int) -> None:
        self._known.discard(storage)
        self._add(-count)
