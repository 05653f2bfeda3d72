"""``load``: a data set by name, or several joined, decoded once and then read from the cache."""

from __future__ import annotations

import hashlib
import os
import shlex
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from facelab.datasets import cache, decode, joining
from facelab.datasets.cache import CacheKey, Contents
from facelab.datasets.decode import Photograph, decode_into
from facelab.datasets.faceset import UNKNOWN, FaceSet, RejectedFile, RejectedFilesWarning
from facelab.datasets.photo_formats import readable_formats
from facelab.datasets.pixel_file import PixelWriter
from facelab.datasets.shards import decode_in_shards
from facelab.datasets.sources import Source, get_source, parse_different_names
from facelab.datasets.trees import no_usable_photograph
from facelab.errors import DataMissingError
from facelab.paths import data_root
from facelab.progress import ProgressBar, progress_bar
from facelab.whole_numbers import check_whole_number

_STEP = 1000  # files from one step of a progress bar to the next


def load(name: str, size: int = 64, *, one_per_person: bool = False) -> FaceSet:
    """A data set as square uint8 images of one size.

    Several are joined by ``+``, as in ``"utkface+ffhq+celeba"``: see ``joining.join`` for what becomes of names and columns.

    Args:
        name: a source of ``facelab data list``, ``folder:PATH`` for any tree person/photo or another of
            ``sources.family_forms``, or several joined by ``+``.
        size: side of the square in pixels, 8 to 1024.
        one_per_person: keep only the first photograph of each known person; those of unknown people are all kept.

    Returns:
        The photographs in the order of the source's index; files that could not be used are in ``rejected_files``.

    Warns:
        RejectedFilesWarning: some files could not be used, whether just decoded or read from the cache.
        DamagedCacheWarning: the cached copy was not what was written, and was made again.

    Raises:
        BadParameterError: unknown name, one data set twice, or impossible size.
        DataMissingError: the data set is not on this machine; the message says how to get it and where to put it.
    """
    size = check_whole_number(size, "The working size in pixels", 8, 1024)
    parts = parse_different_names(name)
    keys, sets = zip(*(load_one(part, size) for part in parts), strict=True)
    if len(sets) > 1:
        faces = joining.join(parts, keys, sets, one_per_person)
    else:
        faces = joining.keep_one_per_person(sets[0]) if one_per_person else sets[0]
    if faces.rejected_files:
        count, first = len(faces.rejected_files), faces.rejected_files[0]
        warnings.warn(
            f"{faces.source}: {count} of its files could not be used, the first is {first.file}: {first.reason} "
            f"All of them: facelab data check {shlex.quote(name)}",
            RejectedFilesWarning,
            stacklevel=2,
        )
    return faces


def load_one(name: str, size: int) -> tuple[CacheKey, FaceSet]:
    """One source, and the key that it is cached under. For the errors, see ``load``."""
    source, root = locate_source(name)
    index = source.index(root)
    key = CacheKey(name, size, source.version, fingerprint(source, root, index))
    faces = cache.read(key)
    if faces is not None and _can_be_read_now(faces.rejected_files, source, root, index):
        rejected, faces = faces.rejected_files, None  # Windows removes no pixels that are mapped
        cache.forget(key, rejected)
    return key, faces or _build(key, source, root, index)


def _can_be_read_now(rejected: Sequence[RejectedFile], source: Source, root: Path, index: pd.DataFrame) -> bool:
    """Whether the system gives a file now that it did not give when the set was decoded: a disk was away, rights were mended.

    What is read from front to back is not asked, since each load would read it through.
    """
    unread = {file for file, reason in rejected if reason.startswith(decode.UNREAD)}
    if not unread or source.read is None or _is_read_through(source, root):
        return False
    rows = _split_listed(index)[1]
    rows = rows[rows["file"].isin(unread)].reset_index(drop=True)
    return any(not isinstance(photograph, OSError) for _, _, photograph in source.read(root, rows))


def locate_source(name: str) -> tuple[Source, Path]:
    """One source, and the folder where it lies. For the errors, see ``load``."""
    source = get_source(name)
    root = source.locate()
    if root is None:
        raise DataMissingError(
            f"The data set {name!r} is not on this machine.", f"{source.remedy} FACELAB_DATA is {data_root()}."
        )
    return source, root


def fingerprint(source: Source, root: Path, index: pd.DataFrame) -> str:
    """Changes when the table, or the name, size, time or rights of a file change, or what can be decoded; reads no pixels."""
    digest = hashlib.sha256(f"{decode.VERSION} {readable_formats()} {list(index)}".encode())
    if ":" in source.name:  # two that differ in an option have one file, and may have one name of a folder in the cache
        digest.update(source.name.encode())
    digest.update(pd.util.hash_pandas_object(index, index=False).to_numpy().tobytes())
    paths = source.packed_files(root) or [f"{root}{os.sep}{file}" for file in index["file"]]
    with progress_bar(f"Looking at the files of {source.name}", len(paths), delay=2) as shown:
        for start in range(0, len(paths), _STEP):
            some = paths[start : start + _STEP]
            digest.update(b"".join(map(_state, some)))
            shown.advance(len(some))
    return digest.hexdigest()


def _state(path: str | Path) -> bytes:
    try:
        found = os.stat(path)
    except OSError:
        return b"-;"  # listed but not there: named as rejected when it is read
    return b"%d %d %d;" % (found.st_size, found.st_mtime_ns, found.st_mode)


def _build(key: CacheKey, source: Source, root: Path, index: pd.DataFrame) -> FaceSet:
    listed, index = _split_listed(index)

    def fill(pixels: PixelWriter, log_path: Path) -> Contents:
        with progress_bar(f"Decoding {key.source}", len(index)) as shown:
            if source.render is not None:
                written, rejected = np.ones(len(index), dtype=bool), []
                for row, _, image in _advancing(source.render(root, index, key.size), shown):
                    pixels[row] = image
            elif _is_read_through(source, root):
                written, rejected = decode_into(pixels, _advancing(source.read(root, index), shown), source.crop)
                pixels.keep(written)
            else:
                written, rejected = decode_in_shards(pixels, log_path, root, index, source.read, source.crop, shown)
        if not written.any():
            place, remedy = f"The data set {key.source!r} in {root}", f"Expected layout: {source.layout}."
            raise no_usable_photograph(place, [*listed, *rejected], remedy)
        return _contents(index[written].reset_index(drop=True), tuple(listed + rejected))

    return cache.build(key, (len(index), key.size, key.size, source.channels), fill)


def _split_listed(index: pd.DataFrame) -> tuple[list[RejectedFile], pd.DataFrame]:
    """The files that an index rejects, and its other rows."""
    if "rejected" not in index:
        return [], index
    bad = index["rejected"].fillna("").to_numpy() != ""
    listed = [RejectedFile(*row) for row in index.loc[bad, ["file", "rejected"]].itertuples(index=False)]
    return listed, index.loc[~bad].drop(columns="rejected").reset_index(drop=True)


def _is_read_through(source: Source, root: Path) -> bool:
    """Whether the photographs are packed so that they are read from front to back."""
    return bool(source.packed_files(root)) and not source.seekable


def _advancing(
    items: Iterator[tuple[int, str, Photograph]], shown: ProgressBar
) -> Iterator[tuple[int, str, Photograph]]:
    for item in items:
        yield item
        shown.advance()


def _contents(table: pd.DataFrame, rejected: tuple[RejectedFile, ...]) -> Contents:
    people = table.pop("identity").fillna("").astype(str)
    names = tuple(sorted(set(people) - {""}))
    number = {name: row for row, name in enumerate(names)} | {"": UNKNOWN}
    return Contents(people.map(number).to_numpy(np.int64), names, table, rejected)
