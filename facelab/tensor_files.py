"""Files of tensors that are read as they were written: each carries a hash of its content, and reading checks it.

``torch.load`` reads them like any file of ``torch.save``. It does not look at the checksums of its own format: one flipped bit
gives other weights without a word.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path
from typing import Any

import torch

from facelab.errors import one_line
from facelab.extras import needs_extra
from facelab.files import atomic_write, is_lfs_pointer

DIGEST = "content_sha256"  #: key of the hash in a file's content
_WEIGHTS = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
)  # int64: batches that a norm has seen
_ZIP = b"PK\x03\x04"  # how a file of torch.save begins
# stands in the first bytes of those before torch 1.6
_OLD_MAGIC = torch.serialization.MAGIC_NUMBER.to_bytes(10, "little")


class DamagedFileError(ValueError):
    """A file of tensors cannot be read, or is not what was written; says what is wrong as the end of "The file ..."."""


def save_tensors(content: dict[str, Any], path: Path) -> None:
    """``torch.save`` with a hash of the content under ``DIGEST``, whole or not at all.

    Args:
        content: tensors, numbers, text, None, and dicts, lists and tuples of them; no subclasses of these.
        path: the file.

    Raises:
        TypeError: the content holds something else, which reading would refuse.
        FacelabError: the file cannot be written.
    """
    packed = io.BytesIO()  # torch.save to a full disk raises what only a programmer can read; a plain write does not
    torch.save(content | {DIGEST: content_digest(content)}, packed)
    with atomic_write(path) as partial:
        partial.write_bytes(packed.getbuffer())


def load_tensors(path: Path) -> tuple[dict[str, Any], bool]:
    """The content of a file of ``save_tensors``, or of any dict of tensors and plain types; on the CPU, never code.

    Returns:
        The content without ``DIGEST``, and whether it had one: a file of others has none, and cannot be verified.

    Raises:
        DamagedFileError: the file cannot be read, holds no dict, or not the content that was written.
    """
    if not path.is_file():  # a pipe would be waited for
        raise DamagedFileError("is no file" if path.exists() else "is not there")
    _refuse_pointer(path)
    try:
        with path.open("rb") as file:
            start = file.read(32)
    except OSError as error:
        raise DamagedFileError(f"cannot be read ({error.strerror})") from error
    if not start.startswith(_ZIP) and _OLD_MAGIC not in start:
        raise DamagedFileError("cannot be read: it is not a PyTorch file")
    try:
        with warnings.catch_warnings():  # torch's doubts about a foreign file would stand before our line
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what torch's reader raises where bytes are wrong is nowhere listed
        raise DamagedFileError(f"cannot be read ({one_line(error)})") from error
    if not isinstance(content, dict):
        raise DamagedFileError(f"holds a {type(content).__name__}")
    written = content.pop(DIGEST, None)
    if written is None:
        return content, False
    try:
        same = content_digest(content) == written
    except (TypeError, RuntimeError):  # a flipped bit made another type of something
        same = False
    if not same:
        raise DamagedFileError("is damaged: its content is not what was written")
    return content, True


def load_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file of Hugging Face's safetensors, on the CPU; the format holds nothing that could be run.

    It carries no hash. Checked is what can be: that its header is one, that each tensor's bytes lie in the file as its type
    and shape need them, without gap or overlap, and that no weight is infinite or NaN, as flipped bits make some of them.

    Raises:
        DamagedFileError: it cannot be read, or a tensor of it is of no type of weights or not finite.
        FacelabError: the package safetensors is not installed.
    """
    with needs_extra("A .safetensors file", "exchange"):
        from safetensors import SafetensorError, safe_open
    if not path.is_file():
        raise DamagedFileError("is no file" if path.exists() else "is not there")
    _refuse_pointer(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    # what its reader does not check: types that this torch lacks, lengths beyond a machine's numbers
    except (
        SafetensorError,
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RuntimeError,
        MemoryError,
    ) as error:
        raise DamagedFileError(f"cannot be read ({one_line(error)})") from error
    for name, tensor in tensors.items():
        if tensor.dtype not in _WEIGHTS:
            raise DamagedFileError(f"holds {name[:80]!r} as {tensor.dtype}, which is no type of plain weights")
        if not torch.isfinite(tensor).all():
            raise DamagedFileError(
                f"is damaged, or its training was: {name[:80]!r} has values that are no finite numbers"
            )
    return tensors


def _refuse_pointer(path: Path) -> None:
    if is_lfs_pointer(path):
        raise DamagedFileError("is only the pointer to one that Git LFS has not fetched (git lfs pull)")


def content_digest(content: object) -> str:
    """SHA-256 of tensors and plain values, by type, shape and value, whatever file they came from.

    Raises:
        TypeError: it holds something that is neither a tensor nor plain.
    """
    digest = hashlib.sha256()
    _update(digest, content)
    return digest.hexdigest()


def _update(digest: hashlib._Hash, value: object) -> None:
    """Each value goes in with its type and size before it, so that no two contents give the same bytes."""
    if isinstance(value, torch.Tensor):
        raw = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        digest.update(f"tensor {value.dtype} {tuple(value.shape)}:".encode())
        digest.update(raw)
    elif type(value) in (dict, list, tuple):
        digest.update(f"{type(value).__name__} {len(value)}:".encode())
        for part in value.items() if type(value) is dict else value:
            _update(digest, part)
    elif value is None or type(value) in (bool, int, float, str):
        text = ascii(value)
        digest.update(f"{type(value).__name__} {len(text)}:{text}".encode())
    else:
        raise TypeError(f"{type(value).__name__} cannot be stored: plain types and tensors only")
