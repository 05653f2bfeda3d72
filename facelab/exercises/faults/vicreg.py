"""Two faults of VICReg: a covariance over rows that are not there, and the expander kept instead of the backbone."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from facelab.augment import Augmentation
from facelab.backbones import backbone
from facelab.exercises.faults.verdict import Fault, Verdict
from facelab.losses.vicreg import covariance
from facelab.methods import Method, VICReg


def covariance_of_full_batches(z: Tensor, batch_size: int = 256) -> Tensor:
    """As found. The covariance term, divided by the batch size of the settings; the last batch of an epoch has fewer rows."""
    centred = z - z.mean(dim=0)
    between = centred.T @ centred / (batch_size - 1)
    return (between - between.diag().diag()).square().sum() / z.shape[1]


def check_covariance(term: Callable[[Tensor], Tensor]) -> Verdict:
    """Whether the covariance is divided by N - 1, of the N rows really there.

    A batch twice over has twice the sum of products, in 2N rows: its covariances are 2 (N - 1) / (2N - 1) times those of
    the batch, and the term, which squares them, that squared. Divided by a constant it is 4 times, by N once.

    Args:
        term: z (N, D) -> scalar, quadratic in the covariances, as ``losses.vicreg.covariance``.
    """
    n = 8
    z = torch.from_numpy(np.random.default_rng(0).normal(size=(n, 4)))
    once, twice = float(term(z)), float(term(z.repeat(2, 1)))
    ratio, expected = twice / once if once else math.nan, (2 * (n - 1) / (2 * n - 1)) ** 2
    return Verdict(
        math.isclose(ratio, expected, rel_tol=1e-4),
        f"{n} photographs twice over have {ratio:.3f} times the covariance term; divided by N - 1 it is {expected:.3f} times.",
    )


def second_output(method: VICReg, images: Tensor) -> Tensor:
    """As found. The network gives the embedding and what the expander makes of it, and the index was one too high."""
    embedding = method.backbone(images)
    return (embedding, method.head(embedding))[1]


@torch.no_grad()
def check_embedding(embed: Callable[[VICReg, Tensor], Tensor]) -> Verdict:
    """Whether the embedding is the backbone's: of its length, and the same whatever the weights of the head are.

    Args:
        embed: (method with ``backbone`` and ``head``, images (N, C, H, W)) -> (N, D), as ``Method.embed``.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        method = VICReg(backbone("resnet10", 1, width=8), Augmentation(), expander=(32, 32)).eval()
        images = torch.randn(8, 1, 32, 32)
        before = embed(method, images).clone()
        for weight in method.head.parameters():
            weight.normal_()
        same = torch.allclose(embed(method, images), before)
    length, features = before.shape[1], method.backbone.num_features
    return Verdict(
        same and length == features,
        f"the vectors have {length} numbers, the backbone's {features}; "
        f"with other weights in the head they {'stay the same' if same else 'change'}.",
    )


FAULTS = [
    Fault(
        "covariance over a constant",
        "The last batch of an epoch was smaller than the number it was divided by, and its covariance term too small.",
        covariance_of_full_batches,
        covariance,
        check_covariance,
    ),
    Fault(
        "the expander instead of the backbone",
        "Faces were compared by what the loss sees. The expander is there to be thrown away; what is kept stands before it.",
        second_output,
        Method.embed,
        check_embedding,
    ),
]
