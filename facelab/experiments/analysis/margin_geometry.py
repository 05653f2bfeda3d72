"""Margin losses that can be seen: embeddings of two dimensions, and how large scale and margin may or must be.

    start = train_network(faces, Plan(24, batch_size=32, lr=3e-3), seed=0)           # the people's features, by softmax
    panel = train_plane(faces, "cosface", Plan(12, batch_size=32, lr=1e-3), 0, start, scale=8, margin=0.25)
    plots.embedding_plane({"CosFace": panel})

"""  # fmt: skip

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from torch import Tensor

from facelab.augment import CLASSIFIER
from facelab.backbones import Backbone, backbone
from facelab.datasets import FaceSet
from facelab.errors import BadParameterError
from facelab.losses import margin_softmax, no_margin
from facelab.losses.margin import MarginFunction
from facelab.methods import Margin, embed_faces
from facelab.plots import MarginGeometry
from facelab.training import Plan, fit


def train_network(faces: FaceSet, plan: Plan, seed: int = 0) -> Backbone:
    """A ResNet-10 of width 16 that tells the people of a set apart, by softmax over 128 dimensions.

    What ``train_plane`` starts from: many people would still be mixed after as many steps in two dimensions alone.
    """
    method = _new(faces, "softmax", seed, None, dimension=128)
    fit(method, faces, plan)
    return method.backbone


def train_plane(
    faces: FaceSet, loss: str, plan: Plan, seed: int = 0, network: Backbone | None = None, **options: float
) -> MarginGeometry:
    """Embeddings of two dimensions that a loss makes of some people, and the directions of their classes.

    The directions start evenly spaced on the circle, for all losses alike. On a circle no class can get past another, and
    those that are drawn at random beside each other stay there; 128 dimensions know nothing of this.

    Args:
        faces: photographs of a few known people: they are trained on, and they are shown.
        loss: a key of ``methods.margin.LOSSES``.
        plan: the training of everything, network included.
        seed: of the weights; that of the order is the plan's.
        network: where to start, from ``train_network``; it stays as it is. None: untrained.
        options: of ``Margin``: margin, scale, annealing. Two dimensions and a few people bear a scale of 8 and margins
            below ``largest_margin``, not those of the papers.

    Raises:
        BadParameterError: as ``Margin``.
    """
    method = _new(faces, loss, seed, network, dimension=2, **options)
    weight = method.head.linear.weight if hasattr(method.head, "linear") else method.head.weight
    turn = 2 * math.pi * torch.arange(len(weight)) / len(weight)
    with torch.no_grad():
        weight.copy_(weight.norm(dim=1).mean() * torch.stack([turn.cos(), turn.sin()], dim=1))
    fit(method, faces, plan)
    names = tuple(faces.names[person] for person in faces.people)
    return MarginGeometry(embed_faces(method, faces), faces.labels(), weight.detach().cpu().numpy(), names)


def _new(faces: FaceSet, loss: str, seed: int, network: Backbone | None, **options: float) -> Margin:
    torch.manual_seed(seed)
    start = backbone("resnet10", in_channels=faces.images.shape[3], width=16) if network is None else network
    return Margin(copy.deepcopy(start), CLASSIFIER, len(faces.people), loss, **options)


def min_scale(classes: int, probability: float) -> float:
    """The least s at which a perfect embedding gets that probability. CosFace, arXiv 1801.09414, section 3.3:

        s  >=  (C - 1) / C  log( (C - 1) P / (1 - P) )

    Perfect is the simplex: each embedding on its class, all classes as far from each other as C directions can be.

    Args:
        classes: C, 2 or more.
        probability: P, between 1/C, which s = 0 gives, and 1.

    Raises:
        BadParameterError: a value out of its range.
    """  # fmt: skip
    if classes < 2 or not 1 / classes <= probability < 1:
        raise BadParameterError(
            f"{classes} classes, probability {probability}.", "Give 2 classes or more, and from 1 / classes to below 1."
        )
    return (classes - 1) / classes * math.log((classes - 1) * probability / (1 - probability))


def largest_margin(classes: int, dimension: int) -> float:
    """The largest m of CosFace that an embedding can keep, all of them on their class: 1 - the cosine of two classes.

    CosFace, arXiv 1801.09414, section 3.4: 1 - cos(2 pi / C) in two dimensions, C / (C - 1) for up to D + 1 classes. For
    more of them the paper says only that m is far smaller; there it is 1, reached up to C = 2D and not beyond (Rankin,
    Proc. Glasgow Math. Assoc. 2, 1955).

    Args:
        classes: C, 2 or more.
        dimension: D, 2 or more.

    Raises:
        BadParameterError: fewer of either.
    """
    if classes < 2 or dimension < 2:
        raise BadParameterError(f"{classes} classes in dimension {dimension}.", "Give 2 or more of each.")
    if dimension == 2:
        return 1 - math.cos(2 * math.pi / classes)
    return classes / (classes - 1) if classes <= dimension + 1 else 1.0


def target_probability(
    degrees: np.ndarray,
    classes: int,
    scale: float,
    margin_function: MarginFunction = no_margin,
    other_degrees: float = 90.0,
) -> np.ndarray:
    """The probability that a loss sees for the target, which it raises: exp(-loss), over the angle to the own class.

    Args:
        degrees: float (N,), angles to the own class, 0 to 180.
        classes: C, 2 or more.
        scale: s > 0.
        margin_function: of the target's cosine, as for ``margin_softmax``: ``partial(cos_face, margin=0.35)``.
        other_degrees: angle to all other classes in degrees; in many dimensions nearly all of them are at a right angle.

    Returns:
        float64 (N,), 0 to 1.
    """
    target = torch.from_numpy(np.asarray(degrees, dtype=np.float64)).deg2rad().cos()
    rest = torch.full((classes - 1,), math.cos(math.radians(other_degrees)), dtype=torch.float64)
    label = torch.zeros(1, dtype=torch.int64)

    def one(cosine: Tensor) -> float:
        return math.exp(-margin_softmax(torch.cat([cosine[None], rest])[None], label, margin_function, scale))

    return np.array([one(cosine) for cosine in target])
