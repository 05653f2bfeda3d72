"""The copies of a split: made where they are missing, and looked at for what is damaged or on both sides."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from facelab.datasets.decode import center_square, decode, read_photograph, resize
from facelab.datasets.near_duplicates import SIDE, near_duplicates, thumbnails
from facelab.datasets.output_tree import file_fault
from facelab.datasets.split_manifest import part_and_file
from facelab.errors import BadImageError, DataMissingError, FacelabError
from facelab.files import atomic_write, sync_tree

_SIZE = 64  # side at which pictures are compared


def copy_missing(source: Path, target: Path, copies: dict[str, str]) -> dict[str, str]:
    """Copy what is not there as it should be; returns copy -> its ``file_fault``."""
    faults = {copy: fault for copy, sha256 in copies.items() if (fault := file_fault(target / copy, sha256))}
    for copy in faults:
        _copy(source / part_and_file(copy)[1], target / copy, copies[copy])
    if faults:
        sync_tree(target)
    return faults


def _copy(source: Path, target: Path, sha256: str) -> None:
    """Copy a photograph that had this SHA-256 when the split was planned.

    Raises:
        DataMissingError: it cannot be read now.
        FacelabError: it was changed since, or the copy cannot be written.
    """
    try:
        data = read_photograph(source)
        changed = hashlib.sha256(data).hexdigest() != sha256
    except OSError as error:
        raise DataMissingError(
            f"{source} cannot be read ({error.strerror or error}).",
            "Call it again when it can be read, or name a new folder.",
        ) from error
    except BadImageError:  # too large by now, or no file
        changed = True
    if changed:
        raise FacelabError(
            f"{source} was changed while the tree was copied.", "Name a new folder, when nobody changes it any more."
        )
    with atomic_write(target, sync=False) as partial:
        partial.write_bytes(data)


def look_at_copies(target: Path, copies: Iterable[str]) -> tuple[tuple[tuple[str, str], ...], ...]:
    """(file, reason) of what cannot be decoded, and (training file, test file) that show one picture.

    What is compared lies in a file beside the copies until they are all there, 4 KB of each: in memory half a million
    photographs would be 2 GB.

    Raises:
        FacelabError: there is no room for it.
    """
    files, damaged, train_count = [], [], 0
    try:
        with tempfile.TemporaryFile(dir=target) as small:
            for copy in sorted(copies, key=lambda copy: part_and_file(copy)[0] != "train"):  # those of train first
                part, file = part_and_file(copy)
                try:
                    image = resize(center_square(decode(_read_copy(target / copy))), _SIZE)
                except BadImageError as error:
                    damaged.append((file, error.problem))
                    continue
                small.write(thumbnails(image[None]).tobytes())
                files.append(file)
                train_count += part == "train"
            small.flush()
            found = _duplicates(small, len(files), train_count)
    except OSError as error:
        raise FacelabError(f"{target} cannot be written ({error.strerror or error}).", "Free some space.") from error
    return tuple(sorted(damaged)), tuple((files[first], files[train_count + second]) for first, second in found)


def _read_copy(path: Path) -> bytes:
    try:
        return read_photograph(path)
    except OSError as error:
        raise DataMissingError(f"{path} cannot be read ({error.strerror}).", "Check its rights.") from error


def _duplicates(small: BinaryIO, count: int, train_count: int) -> Iterable[tuple[int, int]]:
    """(Row of train, row of test) that show one picture, of a file of ``count`` thumbnails, those of train first."""
    if not 0 < train_count < count:
        return ()
    pictures = np.memmap(small, np.float32, "r", shape=(count, SIDE, SIDE, 1))
    return near_duplicates(pictures[:train_count], pictures[train_count:])
