"""The official CIFAR batches, which torchvision downloads: pickled dictionaries of pixels and labels."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from facelab.errors import FacelabError


class CifarLayout(NamedTuple):
    """How one of the two sets is stored.

    Attributes:
        torchvision_class: its class there.
        folder: the folder of the batches.
        files: the batches; those whose name begins with ``test`` are the test part.
        meta: the file with the names of the classes.
        labels: key of the class numbers in a batch, and of the classes' names in ``meta``.
        superlabels: the same two of the superclasses, or None.
    """

    torchvision_class: str
    folder: str
    files: tuple[str, ...]
    meta: str
    labels: tuple[str, str]
    superlabels: tuple[str, str] | None


CIFAR10 = CifarLayout(
    "CIFAR10",
    "cifar-10-batches-py",
    (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"),
    "batches.meta",
    ("labels", "label_names"),
    None,
)
CIFAR100 = CifarLayout(
    "CIFAR100",
    "cifar-100-python",
    ("train", "test"),
    "meta",
    ("fine_labels", "fine_label_names"),
    ("coarse_labels", "coarse_label_names"),
)


class _ArraysOnly(pickle.Unpickler):
    """Unpickles numbers, text and arrays, and refuses whatever could run code."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in {("_codecs", "encode"), ("numpy", "ndarray"), ("numpy", "dtype")} or (
            module in {"numpy.core.multiarray", "numpy._core.multiarray"} and name in {"_reconstruct", "scalar"}
        ):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR batch needs")


def _unpickle(path: Path, *keys: str) -> dict[str, object]:
    """The dictionary in a file, which must have these keys.

    Raises:
        FacelabError: it is missing, damaged, or no CIFAR batch.
    """
    try:
        with path.open("rb") as file:
            content = _ArraysOnly(file, encoding="latin1").load()
        return {key: content[key] for key in keys}
    # What unpickling meets in a damaged file, as the documentation of pickle.UnpicklingError lists it.
    except (
        OSError,
        pickle.UnpicklingError,
        AttributeError,
        EOFError,
        ImportError,
        IndexError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        raise FacelabError(
            f"{path} cannot be read ({type(error).__name__}: {error}).", "Get the data set again."
        ) from error


def index(root: Path, layout: CifarLayout) -> pd.DataFrame:
    """The photographs, batch by batch: ``file`` is batch/row. A batch that cannot be read is rejected as a whole."""
    folder = root / layout.folder
    pairs = [("identity", layout.labels)] + ([("superclass", layout.superlabels)] if layout.superlabels else [])
    meta = _unpickle(folder / layout.meta, *(names for _, (_, names) in pairs))
    parts = []
    for batch in layout.files:
        split = "test" if batch.startswith("test") else "train"
        try:
            numbers = _unpickle(folder / batch, "data", *(labels for _, (labels, _) in pairs))
        except FacelabError as error:
            parts.append(
                pd.DataFrame({"file": [f"{layout.folder}/{batch}"], "rejected": error.problem, "split": split})
            )
            continue
        count = len(numbers["data"])
        part = pd.DataFrame(
            {"file": [f"{layout.folder}/{batch}/{row:05d}" for row in range(count)], "rejected": "", "split": split}
        )
        for column, (labels, names) in pairs:
            part[column] = np.asarray(meta[names])[np.asarray(numbers[labels])]
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def read(root: Path, table: pd.DataFrame) -> Iterator[tuple[int, str, np.ndarray | OSError]]:
    """The pixels (32, 32, 3) of each row of the index, one batch in memory at a time."""
    places = table["file"].str.rsplit("/", n=1)
    for batch, rows in table.groupby(places.str[0], sort=False).indices.items():
        try:
            data = np.asarray(_unpickle(root / batch, "data")["data"]).reshape(-1, 3, 32, 32)
        except FacelabError as error:
            yield from ((row, table["file"].iat[row], OSError(error.problem)) for row in rows)
            continue
        for row in rows:
            yield int(row), table["file"].iat[row], data[int(places.iat[row][1])].transpose(1, 2, 0)
