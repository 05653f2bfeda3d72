"""A trained network as it is handed on: crops of faces to embeddings, and nothing else of the training.

What served the training alone stays behind: the heads that only a loss sees, and what they hold of the people trained on. A
queue of keys is embeddings of their photographs, the class weights of a margin loss are a template of each person.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

import facelab
from facelab.augment import as_batch
from facelab.errors import BadParameterError
from facelab.methods import Classifier, StoredMethod
from facelab.methods.description import assign_weights, build_method, describe_method
from facelab.whole_numbers import check_whole_number

MODEL_TYPE, SCHEMA = "facelab", 1  #: by which a config.json is known to be ours; the schema rises when a field changes
CROPS = ("dataset", "arcface")  #: the square that the training's data set gives; aligned to ArcFace's five points
MAX_SIDE = 1024  #: as ``datasets.load`` has it
_CHUNK = 256  # photographs at a time


class ExportedModel(nn.Module):
    """The embedding of a method, with its preprocessing inside; in evaluation mode.

    Args:
        config: of ``new_config``, or read from a ``config.json``.
        state: of ``embedding_state``; the tensors are kept.
        labels: of a classifier that is handed on with its classes: their names, in order.

    Attributes:
        config: as given.
        size: S, side in pixels that the network takes.
        in_channels: C, 1 grey or 3 RGB.
        dimension: D, length of the embeddings.
        labels: as given.

    Raises:
        BROKEN (``methods.description``): the config says what cannot be, or the weights do not fit it.
    """

    def __init__(
        self, config: Mapping[str, object], state: Mapping[str, Tensor], labels: Sequence[str] | None = None
    ) -> None:
        super().__init__()
        stored = build_method(config["architecture"])
        method = _embedding_only(stored.method, labels is not None)
        self.config, self.labels = dict(config), None if labels is None else tuple(labels)
        self.in_channels = method.backbone.in_channels
        self.size = _side(stored)
        _check_preprocessing(stored, config)
        if labels is not None and (type(method) is not Classifier or len(set(labels)) != stored.classes):
            raise BadParameterError(
                f"There are {len(set(labels))} labels for a {stored.name} of {stored.classes} classes.",
                "Only a classifier has labels, a name for each class.",
            )
        with torch.no_grad():  # no weights yet: shapes alone, which take no memory
            blank = torch.empty((1, self.in_channels, self.size, self.size), device="meta")
            self.dimension = method.embed(blank).shape[1]
        if config["output"] != _output(self.dimension):
            raise ValueError(f"an output of {config['output']} where the network gives {self.dimension} numbers")
        assign_weights(method, state)
        self.method = method
        method.backbone.to(memory_format=torch.channels_last)  # as it was trained, and faster
        self._photographs = replace(method.augmentation, size=self.size)
        for name in ("mean", "std"):
            values = torch.tensor(getattr(method.augmentation, name))[:, None, None]
            self.register_buffer(name, values, persistent=False)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Crops of S x S pixels, float (N, C, S, S) of 0 to 255, RGB or grey, to embeddings (N, D), not normalised."""
        return self.method.embed(self._normalise(images))

    @torch.no_grad()
    def embed(self, images: np.ndarray | Tensor) -> Tensor:
        """Crops of any size, resized as ``Augmentation.preprocess`` does it.

        Args:
            images: uint8, NumPy (N, H, W, C) or torch (N, C, H, W).

        Returns:
            float32 (N, D), not normalised, where the model is.

        Raises:
            BadParameterError: not such images, or another number of channels than the network takes.
        """
        return self._in_chunks(self.method.embed, images, self.dimension)

    @torch.no_grad()
    def predict(self, images: np.ndarray | Tensor) -> Tensor:
        """Probabilities of the classes ``labels``, float32 (N, classes), rows sum to 1; images as for ``embed``.

        Raises:
            BadParameterError: as ``embed``; or the model was handed on without its classes.
        """
        if self.labels is None:
            raise BadParameterError(
                "This model was exported without its classes.", "Export a classifier: facelab export --labels."
            )
        network = self.method
        return self._in_chunks(
            lambda batch: network.head(network.backbone(batch)).softmax(dim=1), images, len(self.labels)
        )

    def _normalise(self, images: Tensor) -> Tensor:
        return (images / 255 - self.mean) / self.std

    def _in_chunks(self, function: Callable[[Tensor], Tensor], images: np.ndarray | Tensor, width: int) -> Tensor:
        batch = self._checked(images)
        found = torch.empty((len(batch), width), device=self.method.device)
        for start in range(0, len(batch), _CHUNK):
            part = batch[start : start + _CHUNK].to(found.device)
            found[start : start + _CHUNK] = function(self._photographs.preprocess(part))
        return found

    def _checked(self, images: np.ndarray | Tensor) -> Tensor:
        if not isinstance(images, np.ndarray | Tensor) or images.dtype not in (np.uint8, torch.uint8):
            raise BadParameterError(
                f"The images are {getattr(images, 'dtype', type(images).__name__)}.",
                "Give one array of uint8, such as np.stack(crops).",
            )
        batch = as_batch(images)
        if batch.shape[1] != self.in_channels or min(batch.shape[2:]) < 1:
            raise BadParameterError(
                f"The images have {batch.shape[1]} channels and {batch.shape[3]} x {batch.shape[2]} pixels.",
                f"This model takes {self.in_channels} ({channels_name(self.in_channels)}), of any size.",
            )
        return batch


def new_config(stored: StoredMethod, crop: str = "dataset") -> dict[str, object]:
    """What a ``config.json`` says of a method, in the types that JSON gives back.

    Args:
        stored: the method.
        crop: one of ``CROPS``.

    Raises:
        BadParameterError: no such crop, or a method that cannot be handed on.
    """
    if crop not in CROPS:
        raise BadParameterError(f"crop is {crop!r}.", f"Give one of: {', '.join(CROPS)}.")
    architecture = describe_method(stored.method, stored.size, stored.classes, stored.options)
    with torch.no_grad():
        side, channels = _side(stored), stored.method.backbone.in_channels
        blank = torch.zeros((1, channels, side, side), device=stored.method.device)
        dimension = stored.method.embed(blank).shape[1]
    config = {
        "model_type": MODEL_TYPE,
        "schema": SCHEMA,
        "facelab_version": facelab.__version__,
        "architecture": architecture,
        "preprocessing": _preprocessing(stored, crop),
        "output": _output(dimension),
    }
    return json.loads(json.dumps(config, allow_nan=False))


def embedding_state(method: nn.Module, with_classes: bool) -> dict[str, Tensor]:
    """The weights of the embedding of a method, in its own names; with those of a classifier's head where asked for."""
    parts = _kept_parts(method, with_classes)
    state = method.state_dict()
    return {key: value.detach().cpu() for key, value in state.items() if key.partition(".")[0] in parts}


def channels_name(channels: int) -> str:
    """How the channels of a photograph are called in ``config.json`` and in ONNX files: ``"RGB"`` or ``"GRAY"``."""
    return "GRAY" if channels == 1 else "RGB"


def _kept_parts(method: nn.Module, with_classes: bool) -> tuple[str, ...]:
    return (*method.embedding_parts, *(("head",) if with_classes else ()))


def _embedding_only(method: nn.Module, with_classes: bool) -> nn.Module:
    """The method without the modules and tensors that its ``embed`` does without."""
    kept = _kept_parts(method, with_classes)
    own = (method._modules, method._parameters, method._buffers)
    for name in [name for table in own for name in table if name not in kept]:
        delattr(method, name)
    return method


def _side(stored: StoredMethod) -> int:
    """Of the photographs that the network takes: that of its views where these have one, else that of the training's."""
    augmented = stored.method.augmentation.size
    return check_whole_number(
        stored.size if augmented is None else augmented, "The side of the photographs", 1, MAX_SIDE
    )


def _preprocessing(stored: StoredMethod, crop: str) -> dict[str, object]:
    """From a crop to what the network gets, stated plainly: resized to ``side``, then (pixel / 255 - mean) / std."""
    augmentation, channels = stored.method.augmentation, stored.method.backbone.in_channels
    return {
        "crop": crop,
        "side": _side(stored),
        "channels": channels_name(channels),
        "layout": "NCHW",
        "pixels": "0 to 255",
        "divided_by": 255,
        "mean": list(augmentation.mean),
        "std": list(augmentation.std),
    }


def _output(dimension: int) -> dict[str, object]:
    return {"dimension": dimension, "normalised": False, "comparison": "cosine"}


def _check_preprocessing(stored: StoredMethod, config: Mapping[str, object]) -> None:
    """Raise ValueError unless what is stated is what the network does, and can be done."""
    found, channels = stored.method.augmentation, stored.method.backbone.in_channels
    stated = config["preprocessing"]
    if channels not in (1, 3):
        raise ValueError(f"{channels} channels, which no photograph has")
    for values in (found.mean, found.std):
        numbers = all(type(value) in (int, float) and math.isfinite(value) for value in values)
        if not numbers or len(values) not in (1, channels):
            raise ValueError("a mean or std that is not a number, or one a channel")
    if stated["crop"] not in CROPS or stated != _preprocessing(stored, stated["crop"]):
        raise ValueError("a preprocessing that is not the one of its architecture")
