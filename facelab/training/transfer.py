"""From the memory of the CPU to the device that trains, beside the work of that device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PendingTransfer:
    """Tensors on their way to a device; ``receive`` gives them."""

    tensors: list[Tensor]
    arrival: torch.cuda.Event | None = None

    def receive(self) -> list[Tensor]:
        """The tensors, for the work that follows on the device: it waits for them, the caller does not."""
        if self.arrival is not None:
            stream = torch.cuda.current_stream(self.tensors[0].device)
            stream.wait_event(self.arrival)
            for tensor in self.tensors:
                tensor.record_stream(stream)  # its memory is not given to a next batch while this work still reads it
        return self.tensors


class Transfer:
    """Moves tensors to a device; to a GPU from pinned memory and in a stream of its own, so that nothing waits for them.

    Args:
        device: where to.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def move(self, tensors: list[Tensor]) -> PendingTransfer:
        """Begin to move some tensors. May be called from any thread."""
        if self.stream is None:
            return PendingTransfer([tensor.to(self.device) for tensor in tensors])
        with torch.cuda.stream(self.stream):
            moved = [tensor.pin_memory().to(self.device, non_blocking=True) for tensor in tensors]
            return PendingTransfer(moved, self.stream.record_event())
