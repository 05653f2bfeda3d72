"""Networks of others in ONNX files: what their input must be is read from the file or told, and never guessed.

Keys of the file's metadata (``metadata_props``), as ``facelab export`` writes them: ``facelab.layout``, ``facelab.channels``,
``facelab.mean``, ``facelab.scale``, ``facelab.crop``, and ``facelab.side`` where the shape of the input leaves the side open.
"""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from facelab.errors import BadParameterError, FacelabError, nearest_name, one_line
from facelab.exchange import onnx_trial
from facelab.exchange.embedders import TEMPLATE_OF_CROP, CropEmbedder, fit_crops, unit_rows
from facelab.extras import needs_extra

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

LAYOUTS = ("NCHW", "NHWC")
CHANNELS = ("RGB", "BGR", "GRAY")
BATCH = 32  #: photographs at a time, where the file leaves it open
_TRIAL_BATCH = 2  # shows whether a batch that the file leaves open is open
_TRIAL_SECONDS = 120
_MOST_BYTES = 2**31 - 1  # that protobuf, and so one ONNX file, can have
_TYPES = {1: "float32", 10: "float16"}  # of TensorProto.DataType
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


class OnnxEmbedder(CropEmbedder):
    """A network in an ONNX file, run by onnxruntime on the CPU.

    The file is first run in a process of its own: a broken one can end the process that loads it.

    Args:
        path: the file, all weights inside.
        expected: what its input must be, where it does not say so itself.

    Raises:
        BadParameterError: ``expected`` disagrees with the file, or something that it leaves open is not told.
        FacelabError: no ONNX file of a network from one photograph to (N, D), or onnx or onnxruntime is missing.
    """

    def __init__(self, path: Path, expected: OnnxInput | None = None) -> None:
        onnx, onnxruntime = _libraries()
        self.name = str(path)
        try:
            content = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else b""
        except OSError as error:
            raise FacelabError(f"{path} cannot be read ({error.strerror}).", "Give an .onnx file.") from error
        self.fingerprint = hashlib.sha256(content).hexdigest()
        model = _parse(onnx, path, content)
        if _remove_idle_inputs(model):
            content = model.SerializeToString()
        self._input = _Input.read(path, model, expected or OnnxInput())
        self.side, self.crop = self._input.side, self._input.says.crop
        self._output, self.dimension = _try(path, content, self._input)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
        self._errors = _errors_of(onnxruntime)
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except self._errors as error:
            raise _not_run(path, one_line(error)) from error

    def embed_crops(self, crops: np.ndarray) -> np.ndarray:
        """See ``Embedder``."""
        images = self._input.prepare(fit_crops(crops, self.side, self._input.color_count))
        step = self._input.batch or BATCH
        found = np.empty((len(images), self.dimension), np.float32)
        for start in range(0, len(images), step):
            part = images[start : start + step]
            missing = (self._input.batch or len(part)) - len(part)
            whole = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)]) if missing else part
            try:
                (rows,) = self._session.run([self._output], {self._input.name: whole})
            except self._errors as error:
                raise _not_run(Path(self.name), one_line(error)) from error
            if rows.shape != (len(whole), self.dimension):
                raise _not_run(Path(self.name), f"of {len(whole)} photographs it gives {rows.shape}")
            found[start : start + step] = unit_rows(rows[: len(part)])
        return found


@dataclass(frozen=True)
class _Input:
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
        return 1 if self.says.channels == "GRAY" else 3

    def shape(self, photographs: int) -> list[int]:
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
    def read(cls, path: Path, model: ModelProto, told: OnnxInput) -> _Input:
        """What the file says of its input, and what was told; refused where they disagree, or something is not known."""
        inputs = model.graph.input
        if len(inputs) != 1:
            raise FacelabError(f"{path} has {len(inputs)} inputs.", "Give a network that takes photographs alone.")
        tensor = inputs[0].type.tensor_type
        lengths = [_length(one) for one in tensor.shape.dim] if tensor.HasField("shape") else [None] * 4
        if len(lengths) != 4 or tensor.elem_type not in _TYPES or 0 in lengths:
            raise FacelabError(
                f"{path} takes {_shown(lengths)} of type {tensor.elem_type}, not photographs.",
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
        return cls(inputs[0].name, _TYPES[tensor.elem_type], lengths[0], side, says)


def _length(dimension: object) -> int | None:
    """Of one axis; None where the file leaves it open: by a name, by nothing, or by -1."""
    given = dimension.HasField("dim_value") and dimension.dim_value >= 0
    return int(dimension.dim_value) if given else None


def _shown(lengths: Sequence[int | None]) -> str:
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
        raise _unknown(path, "layout", f"which axis of {_shown(lengths)} holds the colours", "NCHW or NHWC")
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
        raise FacelabError(f"{path} takes photographs of {_shown(sides)} pixels.", "Give one of squares, 8 to 1024.")
    return side


def _unknown(path: Path, name: str, what: str, values: str) -> BadParameterError:
    return BadParameterError(
        f"{path} does not say {what}.",
        f"Give facelab verify --{name} {values}, or write {_PREFIX}{name} into its metadata.",
    )


def _libraries() -> tuple:
    with needs_extra("An .onnx file", "exchange"):
        import onnx
        import onnxruntime
    return onnx, onnxruntime


def _errors_of(onnxruntime: object) -> tuple[type[Exception], ...]:
    state = onnxruntime.capi.onnxruntime_pybind11_state
    own = [one for one in vars(state).values() if isinstance(one, type) and issubclass(one, Exception)]
    return (*own, RuntimeError, ValueError, MemoryError)


def _parse(onnx: object, path: Path, content: bytes) -> ModelProto:
    """The file's description of itself; nothing of it is run.

    Raises:
        FacelabError: it is no ONNX file, or keeps weights in other files.
    """
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(content)
    except (DecodeError, ValueError) as error:
        raise FacelabError(f"{path} is no ONNX file, or a damaged one.", "Get it again.") from error
    if not model.graph.node:
        raise FacelabError(f"{path} is no ONNX file, or one of an empty network.", "Get it again.")
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    if any(one.data_location == onnx.TensorProto.EXTERNAL for one in (*model.graph.initializer, *_constants(nodes))):
        raise FacelabError(f"{path} keeps its weights in another file.", "Save it with all weights inside.")
    return model


def _constants(nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    """The tensors that nodes hold, those of the graphs within them too."""
    for node in nodes:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for graph in (attribute.g, *attribute.graphs):
                yield from graph.initializer
                yield from _constants(graph.node)


def _remove_idle_inputs(model: ModelProto) -> bool:
    """Take out inputs that are weights, as old files list them, or that nothing reads, as quantising leaves them.

    Returns:
        Whether there were any.
    """
    graph = model.graph
    weights = {one.name for one in graph.initializer}
    read = {name for node in graph.node for name in node.input}
    kept = [one for one in graph.input if one.name in read and one.name not in weights]
    idle = len(graph.input) - len(kept)
    if kept and idle:
        del graph.input[:]
        graph.input.extend(kept)
    return bool(kept and idle)


def _try(path: Path, content: bytes, taken: _Input) -> tuple[str, int]:
    """Name and length of the embeddings that one pass gives, in a process of its own.

    Raises:
        FacelabError: the pass fails, takes too long, or gives something else than embeddings.
    """
    batch = taken.batch or _TRIAL_BATCH
    head = json.dumps([taken.name, taken.kind, taken.shape(batch)]).encode() + b"\n"
    command = [sys.executable, onnx_trial.__file__]
    try:
        done = subprocess.run(command, input=head + content, capture_output=True, timeout=_TRIAL_SECONDS)
    except subprocess.TimeoutExpired:
        raise _not_run(path, f"one pass lasts longer than {_TRIAL_SECONDS} s") from None
    if done.returncode < 0:
        raise _not_run(path, f"it ends the process, signal {-done.returncode}")
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise _not_run(path, lines[-1][:200] if lines else f"exit code {done.returncode}")
    outputs = json.loads(done.stdout.decode().strip().splitlines()[-1])
    fitting = [
        (name, shape[1])
        for name, kind, shape in outputs
        if kind in _TYPES.values() and len(shape) == 2 and shape[0] == batch and shape[1] > 1
    ]
    if len(fitting) != 1:
        shown = ", ".join(_shown(shape) for _, _, shape in outputs)
        raise FacelabError(
            f"Of {batch} photographs {path} gives {shown}.", f"Give a network whose one output is ({batch}, D)."
        )
    return fitting[0]


def _not_run(path: Path, why: str) -> FacelabError:
    return FacelabError(f"onnxruntime cannot run {path} ({why}).", "Export it again, or get it again.")
