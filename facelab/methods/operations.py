"""How much a network computes, and how many threads it gets for that."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from facelab.augment import as_batch
from facelab.threads import threads_for

if TYPE_CHECKING:  # which imports this
    from facelab.methods.base import Method


@torch.no_grad()
def count_operations(network: nn.Module, images: Tensor) -> int:
    """Floating-point operations of a forward pass; only those of convolutions and of products of matrices count.

    Args:
        network: left as it is, so it is best in evaluation mode.
        images: float (N, C, H, W), on the device of the network.
    """
    with FlopCounterMode(display=False) as counter:
        network.forward(images)  # not called: nobody's hooks shall count this pass
    return counter.get_total_flops()


def threads_for_photographs(method: Method, photographs: np.ndarray, count: int) -> AbstractContextManager[None]:
    """A block with as many threads as a method is worth; on a GPU it changes nothing.

    Args:
        method: whose backbone computes; left in the mode that it is in.
        photographs: uint8 (N, H, W, C), one or more, of which the first is tried.
        count: how many views or photographs pass the network at once.
    """
    if method.device.type != "cpu" or not len(photographs):
        return nullcontext()
    return threads_for(count * count_photograph(method, photographs))


def count_photograph(method: Method, photographs: np.ndarray) -> int:
    """Floating-point operations of a photograph's pass through the backbone of a method.

    Args:
        method: on the CPU; left in the mode that it is in.
        photographs: uint8 (N, H, W, C), one or more, of which the first is tried.
    """
    image = method.augmentation.preprocess(as_batch(photographs[:1])).to(next(method.parameters()).dtype)
    was_training = method.training
    method.eval()
    found = count_operations(method.backbone, image)
    method.train(was_training)
    return found
