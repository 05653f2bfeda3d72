"""A fault of MoCo: batch norm lets a query recognise the batch that its key came with (He et al. 2019, section 3.3)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, interpolate

from facelab.backbones import backbone
from facelab.errors import BadParameterError
from facelab.exercises.faults.verdict import Fault, Verdict

Encoder = Callable[[Tensor], Tensor]
MAX_BATCH_LEAK = (
    0.65  #: of ``batch_leak``. Untrained networks: whole batches 0.74-0.92, eight groups 0.46-0.57, four up to 0.64
)


def whole_batch_encoders(network: nn.Module) -> tuple[Encoder, Encoder]:
    """As found. Queries and keys go through their encoders as whole batches, and share the statistics of the batch."""
    return network, copy.deepcopy(network)


def shuffled_group_encoders(network: nn.Module, groups: int = 8) -> tuple[Encoder, Encoder]:
    """Each batch goes through in groups with statistics of their own; the keys' groups are of other photographs."""
    key_network = copy.deepcopy(network)

    def queries(images: Tensor) -> Tensor:
        return torch.cat([network(part) for part in images.chunk(groups)])

    def keys(images: Tensor) -> Tensor:
        shuffle = torch.from_numpy(np.random.default_rng(0).permutation(len(images)))
        shuffled = torch.cat([key_network(part) for part in images[shuffle].chunk(groups)])
        return shuffled[shuffle.argsort()]

    return queries, keys


@torch.no_grad()
def batch_leak(query_encoder: Encoder, key_encoder: Encoder, first: Tensor, second: Tensor, seed: int = 0) -> float:
    """How surely a query tells whether its key was computed in its own batch: 0.5 not at all, 1 always.

    The N x N photographs stand in a random square. Its rows are the batches of the queries. Each key is computed
    twice: in the row of its query, and in its column, where no other photograph of that row is. The view is the same,
    the weights are the same, only the company differs; so the cosine to the query should be higher as often as lower.

    The sign of the difference is counted, not its size: random groups lower its mean, but above all they drown it in what
    differs from group to group, and a loss cannot use what it cannot tell apart.

    Args:
        query_encoder, key_encoder: (N, C, H, W) -> (N, D), the batch as one step of a training has it, in training mode.
            Running statistics of batch norm move, as they do in training.
        first, second: float (N * N, C, H, W), two views of the same photographs.
        seed: of the square.

    Returns:
        Share of photographs whose key is nearer to the query when it came in the same batch; a tie counts half.

    Raises:
        BadParameterError: the number of photographs is no square.
    """
    size = math.isqrt(len(first))
    if size**2 != len(first) or len(first) != len(second):
        raise BadParameterError(f"{len(first)} and {len(second)} views.", "Give two of each of N x N photographs.")
    square = torch.from_numpy(np.random.default_rng(seed).permutation(size**2)).reshape(size, size)
    query = torch.stack([query_encoder(first[batch]) for batch in square])
    same = torch.stack([key_encoder(second[batch]) for batch in square])
    other = torch.stack([key_encoder(second[batch]) for batch in square.T]).transpose(0, 1)
    difference = cosine_similarity(query, same, dim=2) - cosine_similarity(query, other, dim=2)
    return float((difference > 0).double().mean() + (difference == 0).double().mean() / 2)


def check_batch_norm(
    query_encoder: Encoder, key_encoder: Encoder, first: Tensor, second: Tensor, seed: int = 0
) -> Verdict:
    """Whether a query can tell that its key came with it: ``batch_leak`` below 65 %. Arguments as there."""
    share = batch_leak(query_encoder, key_encoder, first, second, seed)
    return Verdict(
        share < MAX_BATCH_LEAK,
        f"{share:.0%} of the keys are nearer to their query when computed in its batch than among other photographs; "
        "50 % is chance.",
    )


def check_encoders(encoders: Callable[[nn.Module], tuple[Encoder, Encoder]]) -> Verdict:
    """``check_batch_norm`` with an untrained ResNet-10 and 576 simulated photographs, in batches of 24.

    Args:
        encoders: makes the encoders of queries and keys from a network in training mode.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return check_batch_norm(*encoders(backbone("resnet10", 1)), *_simulated_views(576, 24))


def _simulated_views(photographs: int, size: int) -> tuple[Tensor, Tensor]:
    """Two noisy views of blurred patterns that differ in brightness and contrast: float (N, 1, size, size)."""
    rng = np.random.default_rng(0)
    pattern = torch.from_numpy(rng.normal(size=(photographs, 1, 4, 4)))
    contrast, brightness = (
        torch.from_numpy(rng.uniform((0.3, -1), (1, 1), (photographs, 2))).view(-1, 2, 1, 1, 1).unbind(1)
    )
    images = contrast * interpolate(pattern, size, mode="bicubic") + brightness
    first, second = (images + 0.1 * torch.from_numpy(rng.normal(size=images.shape)) for _ in range(2))
    return first.float(), second.float()


FAULTS = [
    Fault(
        "batch norm that tells",
        "Queries and keys of one batch shared its statistics. The loss can fall by recognising the batch, not the person.",
        whole_batch_encoders,
        shuffled_group_encoders,
        check_encoders,
    ),
]
