"""Which network a notebook trains: the preset's, or one that its reader named."""

from __future__ import annotations

import torch

from facelab.backbones import backbone
from facelab.datasets import FaceSet
from facelab.errors import BadParameterError


def choose_network(network: str, preset: tuple[str, int | None], faces: FaceSet) -> tuple[str, int | None]:
    """Name and width for ``backbones.backbone``.

    Args:
        network: the notebook's parameter: name of a backbone, as wide as published; empty: the preset's.
        preset: name and width of the preset's network.
        faces: photographs that the network will see.

    Raises:
        BadParameterError: no backbone has that name, or it cannot take photographs as small as these.
    """
    name, width = (network, None) if network else preset
    with torch.device("meta"):  # as it would be built, without its memory
        least = backbone(name, in_channels=faces.images.shape[3], width=width).min_side
    side = min(faces.images.shape[1:3])
    if side < least:
        raise BadParameterError(
            f"{name} takes photographs of {least} pixels or more, and these have {side}.",
            "Give another network, such as -p network=resnet18.",
        )
    return name, width
