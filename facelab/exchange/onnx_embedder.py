"""Networks of others in ONNX files, run by onnxruntime; what their input must be says ``onnx_input``."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from facelab.errors import FacelabError, one_line
from facelab.exchange import onnx_trial
from facelab.exchange.embedders import CropEmbedder, fit_crops, unit_rows
from facelab.exchange.onnx_input import ELEMENT_TYPES, OnnxInput, ResolvedInput, shown_shape
from facelab.extras import needs_extra

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

BATCH = 32  #: photographs at a time, where the file leaves it open
_TRIAL_BATCH = 2  # shows whether a batch that the file leaves open is open
_TRIAL_SECONDS = 120
_MOST_BYTES = 2**31 - 1  # that protobuf, and so one ONNX file, can have


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
        self._input = ResolvedInput.read(path, model, expected or OnnxInput())
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


def _try(path: Path, content: bytes, taken: ResolvedInput) -> tuple[str, int]:
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
        if kind in ELEMENT_TYPES.values() and len(shape) == 2 and shape[0] == batch and shape[1] > 1
    ]
    if len(fitting) != 1:
        shown = ", ".join(shown_shape(shape) for _, _, shape in outputs)
        raise FacelabError(
            f"Of {batch} photographs {path} gives {shown}.", f"Give a network whose one output is ({batch}, D)."
        )
    return fitting[0]


def _not_run(path: Path, why: str) -> FacelabError:
    return FacelabError(f"onnxruntime cannot run {path} ({why}).", "Export it again, or get it again.")
