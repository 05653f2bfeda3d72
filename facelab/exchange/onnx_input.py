"""What an ONNX file of a network of faces expects of its input: read from the file or told, and never guessed.

Keys of the file's metadata (``metadata_props``), as ``facelab export`` writes them: ``facelab.layout``, ``facelab.channels``,
``facelab.mean``, ``facelab.scale``, ``facelab.crop``, and ``facelab.side`` where the shape of the input leaves the side open.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facelab.errors import BadParameterError, FacelabError, nearest_name
from facelab.exchange.embedders import TEMPLATE_OF_CROP

if TYPE_CHECKING:
    from onnx import ModelProto

LAYOUTS = ("NCHW", "NHWC")
CHANNELS = ("RGB", "BGR", "GRAY")
ELEMENT_TYPES = {
    1: "float32",
    10: "float16",
}  #: numbers of TensorProto.DataType -> NumPy's names, of what an input can be
_PREFIX = "facelab."


@dataclass(frozen=True)
class OnnxInput:
    """What an ONNX file expects. None: to be read from the file.

    Attributes:
        layout: of ``LAYOUTS``; the shape of the input shows it as a rule.
        channels: of ``CHANNELS``.
        mean, scale: pixels of 0 to 255 become (pixel - mean) / scale; one number, or one a channel in the order of the network.
        crop: a key of ``embedders.TEMPLATE_OF_CROP``; ``"arcface"`` where neither the file nor the caller says it.

    Raises:
        BadParameterError: a value that cannot be.
    """

    layout: str | None = None
    channels: str | None = None
    mean: tuple[float, ...] | None = None
    scale: tuple[float, ...] | None = None
    crop: str | None = None

    def __post_init__(self) -> None:
        for name, known in (("layout", LAYOUTS), ("channels", CHANNELS), ("crop", tuple(TEMPLATE_OF_CROP))):
            value = getattr(self, name)
            if value is not None and value not in known:
                raise BadParameterError(
                    f"{name} is {value!r}.{nearest_name(value, known)}", f"Give one of: {', '.join(known)}."
                )
        for name, value in (("mean", self.mean), ("scale", self.scale)):
            if value is not None and not (len(value) in (1, 3) and all(map(math.isfinite, value))):
                raise BadParameterError(f"{name} is {value}.", "Give a number, or three: one a channel.")
        if self.scale is not None and min(self.scale) <= 0:
            raise BadParameterError(f"scale is {self.scale}.", "Give numbers above 0, such as 127.5.")

    @classmethod
    def parse(cls, text: dict[str, str | None]) -> OnnxInput:
        """From words, as on a command line or in the metadata of a file: ``{"mean": "127.5", "channels": "rgb"}``."""
        words = {name: text[name].strip() for name in text if text[name] is not None}
        values: dict[str, object] = {name: _numbers(name, words[name]) for name in ("mean", "scale") if name in words}
        values |= {name: words[name].upper() for name in ("layout", "channels") if name in words}
        return cls(**values, **({"crop": words["crop"].lower()} if "crop" in words else {}))


def _numbers(name: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise BadParameterError(f"{name} is {text!r:.60}.", "Give a number, or three with commas between.") from None


@dataclass(frozen=True)
class ResolvedInput:
    """The input of a file, all of it known.

    Attributes:
        name: of the input.
        kind: its NumPy type.
        batch: how many photographs it takes at once; None: any number.
        side: of the photographs.
        says: with no field None.
    """

    name: str
    kind: str
    batch: int | None
    side: int
    says: OnnxInput

    @property
    def color_count(self) -> int:
        """1 of grey photographs, 3 of others."""
        return 1 if self.says.channels == "GRAY" else 3

    def shape(self, photographs: int) -> list[int]:
        """Of the input for so many photographs, in the layout of the file."""
        own = [self.color_count, self.side, self.side]
        return [photographs, *(own if self.says.layout == "NCHW" else [*own[1:], own[0]])]

    def prepare(self, crops: np.ndarray) -> np.ndarray:
        """Fitted crops, RGB or grey, to what the network takes."""
        ordered = crops[..., ::-1] if self.says.channels == "BGR" else crops
        mean, scale = (np.asarray(value, np.float32) for value in (self.says.mean, self.says.scale))
        images = (ordered.astype(np.float32) - mean) / scale
        images = images.transpose(0, 3, 1, 2) if self.says.layout == "NCHW" else images
        return np.ascontiguousarray(images, self.kind)

    @classmethod
    def read(cls, path: Path, model: ModelProto, told: OnnxInput) -> ResolvedInput:
        """What the file says of its input, and what was told; refused where they disagree, or something is not known."""
        inputs = model.graph.input
        if len(inputs) != 1:
            raise FacelabError(f"{path} has {len(inputs)} inputs.", "Give a network that takes photographs alone.")
        tensor = inputs[0].type.tensor_type
        lengths = [_length(one) for one in tensor.shape.dim] if tensor.HasField("shape") else [None] * 4
        if len(lengths) != 4 or tensor.elem_type not in ELEMENT_TYPES or 0 in lengths:
            raise FacelabError(
                f"{path} takes {shown_shape(lengths)} of type {tensor.elem_type}, not photographs.",
                "Give a network of float (N, 3, H, H) or (N, H, H, 3).",
            )
        metadata = {one.key: one.value for one in model.metadata_props}
        says = _merged(path, metadata, told)
        layout = says.layout or _layout_of(path, lengths)
        _, *rest = lengths
        colors, *sides = rest if layout == "NCHW" else [rest[2], *rest[:2]]
        says = replace(says, layout=layout, channels=_channels_of(path, colors, says.channels))
        for name in ("mean", "scale"):
            if (value := getattr(says, name)) is None:
                raise _unknown(path, name, "by what its pixels are shifted and divided", "a number, such as 127.5")
            if len(value) == 3 and says.channels == "GRAY":
                raise BadParameterError(f"{name} has three numbers, {path} takes grey.", "Give one.")
        side = _side_of(path, sides, metadata.get(f"{_PREFIX}side"))
        return cls(inputs[0].name, ELEMENT_TYPES[tensor.elem_type], lengths[0], side, says)


def _length(dimension: object) -> int | None:
    """Of one axis; None where the file leaves it open: by a name, by nothing, or by -1."""
    given = dimension.HasField("dim_value") and dimension.dim_value >= 0
    return int(dimension.dim_value) if given else None


def shown_shape(lengths: Sequence[int | None]) -> str:
    """A shape as one reads it, ``?`` where an axis is open: ``(?, 3, 112, 112)``."""
    return f"({', '.join('?' if length is None else str(length) for length in lengths)})"


def _merged(path: Path, metadata: dict[str, str], told: OnnxInput) -> OnnxInput:
    try:
        own = OnnxInput.parse({one.name: metadata.get(_PREFIX + one.name) for one in fields(OnnxInput)})
    except BadParameterError as error:
        raise FacelabError(f"The metadata of {path} cannot be: {error.problem}", "Export it again.") from error
    for one in fields(OnnxInput):
        ours, theirs = getattr(told, one.name), getattr(own, one.name)
        if None not in (ours, theirs) and ours != theirs:
            raise BadParameterError(f"{path} says itself that its {one.name} is {theirs}, not {ours}.", "Leave it out.")
    given = {one.name: getattr(told, one.name) for one in fields(OnnxInput) if getattr(told, one.name) is not None}
    merged = replace(own, **given)
    return replace(merged, crop=merged.crop or "arcface")


def _layout_of(path: Path, lengths: list[int | None]) -> str:
    _, first, _, last = lengths
    by_channel = [layout for layout, length in zip(LAYOUTS, (first, last), strict=True) if length in (1, 3)]
    if len(by_channel) != 1:
        raise _unknown(path, "layout", f"which axis of {shown_shape(lengths)} holds the colours", "NCHW or NHWC")
    return by_channel[0]


def _channels_of(path: Path, colors: int | None, told: str | None) -> str:
    if colors not in (None, 1, 3):
        raise FacelabError(f"{path} takes photographs of {colors} colours.", "Give a network of 1 or 3.")
    if told is None:
        if colors == 1:
            return "GRAY"
        raise _unknown(path, "channels", "in which order its colours are", "RGB or BGR")
    if colors is not None and (colors == 1) != (told == "GRAY"):
        raise BadParameterError(f"{path} takes photographs of {colors} colours, not {told}.", "Give what it takes.")
    return told


def _side_of(path: Path, sides: list[int | None], told: str | None) -> int:
    known = {side for side in sides if side is not None}
    if not known and told is not None and told.strip().isdecimal():
        known = {int(told[:9])}
    if not known:
        raise FacelabError(
            f"{path} does not say how large its photographs are.", f"Save it with a fixed side, or with {_PREFIX}side."
        )
    side = min(known)
    if len(known) > 1 or not 8 <= side <= 1024:
        raise FacelabError(
            f"{path} takes photographs of {shown_shape(sides)} pixels.", "Give one of squares, 8 to 1024."
        )
    return side


def _unknown(path: Path, name: str, what: str, values: str) -> BadParameterError:
    return BadParameterError(
        f"{path} does not say {what}.",
        f"Give facelab verify --{name} {values}, or write {_PREFIX}{name} into its metadata.",
    )
