"""Several data sets made one, and one photograph of each person."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from facelab.datasets import cache
from facelab.datasets.cache import CacheKey, Contents
from facelab.datasets.faceset import UNKNOWN, FaceSet, RejectedFile
from facelab.datasets.pixel_file import PixelWriter

_CHUNK = 1024  # photographs copied at once


def first_row_per_person(faces: FaceSet) -> np.ndarray:
    """Rows int64, sorted: the first photograph of each known person, and every photograph of unknown ones."""
    people, first = np.unique(faces.identity, return_index=True)
    return np.sort(np.concatenate([first[people != UNKNOWN], np.flatnonzero(faces.identity == UNKNOWN)]))


def keep_one_per_person(faces: FaceSet) -> FaceSet:
    """A set of one photograph of each known person, and every photograph of unknown ones; its source says so."""
    return replace(faces.subset(first_row_per_person(faces)), source=f"{faces.source}, one per person")


def join(parts: Sequence[str], keys: Sequence[CacheKey], sets: Sequence[FaceSet], one_per_person: bool) -> FaceSet:
    """Several sets of one size, one after another, kept in the cache as a set of its own.

    The name of a person becomes ``source:person`` and that of a file ``source:file``, so that they never collide; so does
    ``photo``, which says what a rendering was made of, and a photograph beside a set of renderings is its own. Columns are
    those of all sets, missing where a set has no such column; the column ``source`` says where a photograph comes from. Grey
    sets become RGB where another one is.

    Args:
        parts: the names of the sources.
        keys: what each is cached under.
        sets: the sets, their images of one size.
        one_per_person: keep only the first photograph of each known person.
    """
    title = "+".join(parts) + (", one per person" if one_per_person else "")
    # with the pixels: a part gets a file more without another key where the system did not give it before
    states = [f"{key.source} {key.version} {key.origin} {faces.sha256}" for key, faces in zip(keys, sets, strict=True)]
    origin = hashlib.sha256("\n".join(states).encode()).hexdigest()
    key = CacheKey(title, keys[0].size, 2, origin)
    if (cached := cache.read(key)) is not None:
        return cached
    rows = [first_row_per_person(faces) if one_per_person else np.arange(len(faces)) for faces in sets]
    channels = max(faces.images.shape[3] for faces in sets)

    def fill(pixels: PixelWriter, _: Path) -> Contents:
        for faces, wanted in zip(sets, rows, strict=True):
            for start in range(0, len(wanted), _CHUNK):
                images = faces.images[wanted[start : start + _CHUNK]]
                pixels.append(np.broadcast_to(images, (*images.shape[:3], channels)))
        return _joined(parts, sets, rows)

    return cache.build(key, (sum(map(len, rows)), key.size, key.size, channels), fill)


def _joined(parts: Sequence[str], sets: Sequence[FaceSet], rows: Sequence[np.ndarray]) -> Contents:
    identity, names, tables, rejected = [], [], [], []
    for part, faces, wanted in zip(parts, sets, rows, strict=True):
        numbers = faces.identity[wanted]
        identity.append(np.where(numbers == UNKNOWN, UNKNOWN, numbers + len(names)))
        names += [f"{part}:{name}" for name in faces.names]
        table = faces.attributes.iloc[wanted]
        named = {column: f"{part}:" + table[column] for column in ("file", "photo") if column in table}
        tables.append(table.assign(**named, source=part))
        rejected += [RejectedFile(f"{part}:{file}", reason) for file, reason in faces.rejected_files]
    table = pd.concat(tables, ignore_index=True)
    if "photo" in table:
        table["photo"] = table["photo"].fillna(table["file"])
    return Contents(np.concatenate(identity), tuple(names), table, tuple(rejected))
