"""Too little memory, in one line that says what to lower, whoever of NumPy, PyTorch and Python ran out of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch
from torch import nn

from facelab.errors import OutOfMemoryError

REMEDY = (
    "Lower the batch size, the size of the photographs, the width of the network or the sizes of the method's options."
)

# torch has a class for GPUs alone; the last two are sizes whose product no 64-bit number holds
_TOLD = re.compile(
    r"out of memory|can't allocate memory|not enough memory|overflowed|multiplication overflow", re.IGNORECASE
)
_COPIES = 4  #: of each learning weight in a training: itself, its gradient, and two moments of AdamW


@contextmanager
def explain_memory_errors() -> Iterator[None]:
    """Raise OutOfMemoryError where the block ran out of memory, in main memory or a GPU's."""
    try:
        yield
    except OutOfMemoryError:
        raise
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not _TOLD.search(str(error)):
            raise
        size = re.search(r"[Tt]ried to allocate ([\d.]+ ?\w+)", str(error))
        wanted = f" ({size[1]} more were asked for)" if size else ""
        raise OutOfMemoryError(f"This does not fit into memory{wanted}.", REMEDY) from error


def check_weights_fit(module: nn.Module, device: torch.device) -> None:
    """Raise OutOfMemoryError where the weights of a network, trained by AdamW, exceed the free memory of a device.

    To try would not do: a system that promises more memory than it has ends the process instead.

    Args:
        module: on the device "meta", where weights have shapes alone.
        device: that shall train it.
    """
    learning = sum(p.numel() * p.element_size() for p in module.parameters() if p.requires_grad)
    rest = sum(t.numel() * t.element_size() for t in module.state_dict().values()) - learning
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    if (needed := _COPIES * learning + rest) > free:
        raise OutOfMemoryError(
            f"The weights alone need {needed / 1e9:.1f} GB in a training, and {free / 1e9:.1f} GB are free.", REMEDY
        )
