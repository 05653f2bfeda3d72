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

from facelab.files import atomic_write

DIGEST = "content_sha256"  #: key of the hash in a file's content
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


def content_digest(content: object) -> str:
    """SHA-256 of tensors and plain values, by type, shape and value, whatever file they came from.

    Raises:
        TypeError: it holds something that is neither a tensor nor plain.
    """
    digest = hashlib.sha256()
    _update(digest, content)
    return digest.hexdigest()


def one_line(error: Exception) -> str:
    """The kind of an error and the first line of what it says."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0][:120]}" if lines else type(error).__name__


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
