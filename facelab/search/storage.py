"""An index in one file, so that it need not be built again; and never searched with embeddings of another model."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np

from facelab.errors import BadParameterError, FacelabError
from facelab.files import atomic_write, parse_json_object
from facelab.search.annoy import is_annoy_reliable
from facelab.search.checks import check_options, check_unique_ids
from facelab.search.index import ENGINES, Index

SCHEMA = 1  #: raised when the meaning of a field changes
HEADER, IDS, DATA = "index.json", "ids.npy", "data"  #: what the archive holds

# what reading raises where a file is cut, foreign, or holds other things than it should
_BROKEN = (OSError, EOFError, zipfile.BadZipFile, RuntimeError, LookupError, ValueError, TypeError, AttributeError)


def save_index(index: Index, path: Path) -> None:
    """Write an index whole or not at all: a ZIP of a header (JSON), the ids, and what its kind needs. No pickles.

    Raises:
        FacelabError: the file cannot be written.
    """
    header = {
        "schema": SCHEMA,
        "kind": index.kind,
        "model": index.model,
        "dimension": index.dimension,
        "count": len(index),
        "options": index.options,
    }
    with atomic_write(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        archive.writestr(HEADER, json.dumps(header, indent=1))
        with archive.open(IDS, "w", force_zip64=True) as stream:
            np.lib.format.write_array(stream, index.ids, allow_pickle=False)
        with archive.open(DATA, "w", force_zip64=True) as stream:
            index.engine.write(stream)


def load_index(path: Path, *, model: str, dimension: int) -> Index:
    """Read an index.

    Args:
        path: the file.
        model: what makes the queries, named as it was named to ``build_index``.
        dimension: D of the queries.

    Raises:
        FacelabError: no such file, a broken or foreign one, one of a later version of facelab, of another model or dimension,
            or of a kind that does not work on this machine.
    """
    if not path.is_file():
        raise FacelabError(f"There is no index {path}.", "Build it, and save it with save_index.")
    try:
        with zipfile.ZipFile(path) as archive:
            header = parse_json_object(archive.read(HEADER))
            if header["schema"] > SCHEMA:
                raise FacelabError(f"{path} has schema {header['schema']}, later than {SCHEMA}.", "Update facelab.")
            _check_origin(path, header, model, dimension)
            return _read(archive, header)
    except _BROKEN as error:
        told = (str(error).splitlines() or [""])[0][:120]
        raise FacelabError(
            f"{path} is not an index of facelab ({type(error).__name__}: {told}).", "Build it again."
        ) from error


def _check_origin(path: Path, header: dict, model: str, dimension: int) -> None:
    for what, stored, asked in (
        ("model", header["model"], model),
        ("dimension", header["dimension"], dimension),
    ):
        if stored != asked:
            raise FacelabError(
                f"{path} is an index of the {what} {stored}, not {asked}.",
                "Build it again from embeddings of the model that makes the queries.",
            )


def _read(archive: zipfile.ZipFile, header: dict) -> Index:
    kind, count, dimension = header["kind"], header["count"], header["dimension"]
    if kind == "annoy" and not is_annoy_reliable():
        raise FacelabError("Annoy finds wrong neighbours on this machine.", "Build an exact index instead.")
    options = check_options(kind, ENGINES[kind].OPTIONS, header["options"])
    with archive.open(IDS) as stream:
        ids = check_unique_ids(np.lib.format.read_array(stream, allow_pickle=False), count)
    with archive.open(DATA) as stream:
        engine = ENGINES[kind].read(stream, dimension, options)
    if engine.shape != (count, dimension):
        raise BadParameterError(f"The header tells {(count, dimension)}, the data {engine.shape}.", "Build it again.")
    return Index(ids, header["model"], kind, engine)
