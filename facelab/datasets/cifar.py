"""CIFAR-10 and CIFAR-100, the object photographs on which the losses were published.

The class is the ``identity`` here, so that whatever learns to tell people apart learns to tell classes apart. A class is no
person: verification "of unseen people" means unseen classes. The official split is the attribute ``split`` (train, test).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from facelab.datasets import cifar_batches
from facelab.datasets.archives import read_archives, tar_files
from facelab.datasets.decode import Photograph
from facelab.datasets.sources import Source, read_files, register
from facelab.datasets.text_files import read_table
from facelab.datasets.trees import find_data_folder, person_tree
from facelab.errors import DataMissingError
from facelab.paths import data_root

SPLITS = ("train", "test")


def _has_folders(root: Path) -> bool:
    return any((root / split).is_dir() for split in SPLITS)


def locate(name: str, layout: cifar_batches.CifarLayout) -> Path | None:
    """The folder with torchvision's batches, the packed photographs, or the folders ``train`` and ``test``."""
    return find_data_folder(
        name, "", contains_data=lambda folder: (folder / layout.folder).is_dir()
    ) or find_data_folder(
        name,
        contains_data=lambda folder: (
            _has_folders(folder) or (bool(tar_files(folder)) and (folder / "index.csv").is_file())
        ),
    )


def index(layout: cifar_batches.CifarLayout, root: Path) -> pd.DataFrame:
    """The photographs with their class as ``identity``, ``split``, and for CIFAR-100 the ``superclass``."""
    if (root / layout.folder).is_dir():
        return cifar_batches.index(root, layout)
    if not tar_files(root):
        parts = [person_tree(root, split).assign(split=split) for split in SPLITS if (root / split).is_dir()]
        return _with_superclass(root, pd.concat(parts, ignore_index=True))
    table = read_table(root / "index.csv", ["file", "split"], text_columns=["class", "exact_duplicate_of"])
    table["identity"] = table["file"].str.split("/").str[-2]
    return _with_superclass(root, table.drop(columns=["class", "label", "superclass_label"], errors="ignore"))


def _with_superclass(root: Path, table: pd.DataFrame) -> pd.DataFrame:
    if not (root / "classes.csv").is_file():
        return table
    classes = read_table(root / "classes.csv", ["class", "superclass"]).set_index("class")
    return table.assign(superclass=table["identity"].map(classes["superclass"]))


def read(layout: cifar_batches.CifarLayout, root: Path, table: pd.DataFrame) -> Iterator[tuple[int, str, Photograph]]:
    """The photographs of whichever layout is there."""
    if (root / layout.folder).is_dir():
        return cifar_batches.read(root, table)
    return read_archives(root, table) if tar_files(root) else read_files(root, table)


def archives(layout: cifar_batches.CifarLayout, root: Path) -> list[Path]:
    """The batches or packed files, or nothing where the photographs lie in folders."""
    if (root / layout.folder).is_dir():
        return [root / layout.folder / name for name in layout.files]
    return tar_files(root)


def fetch(layout: cifar_batches.CifarLayout) -> Path:
    """Download and unpack the official batches (about 170 MB) by torchvision into ``FACELAB_DATA``.

    Raises:
        DataMissingError: there is no network, or what came has another checksum.
    """
    import torchvision.datasets  # takes seconds to import, and is needed here only

    try:
        getattr(torchvision.datasets, layout.torchvision_class)(data_root(), download=True)
    except (OSError, RuntimeError) as error:
        raise DataMissingError(
            f"{layout.torchvision_class} cannot be downloaded ({error}).",
            f"By hand: {_by_hand(layout)}",
        ) from error
    return data_root()


def _by_hand(layout: cifar_batches.CifarLayout) -> str:
    home = "https://www.cs.toronto.edu/~kriz/cifar.html"
    return f"Unpack the python version of {home} so that there is FACELAB_DATA/{layout.folder}/{layout.files[0]}."


def _register(name: str, layout: cifar_batches.CifarLayout, facts: str, classes: int) -> Source:
    return register(
        Source(
            name=name,
            title=layout.torchvision_class.replace("CIFAR", "CIFAR-"),
            facts=facts,
            license="No licence stated; to be cited. A subset of Tiny Images, which its authors withdrew in 2020",
            instructions=_by_hand(layout),
            layout=(
                f"FACELAB_DATA/{layout.folder} (torchvision's), or FACELAB_DATA/{name}/train/CLASS/PHOTO and test/CLASS/PHOTO, "
                "or these two packed as .tar.* with an index.csv"
            ),
            citation="A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, University of Toronto, 2009",
            locate=functools.partial(locate, name, layout),
            index=functools.partial(index, layout),
            read=functools.partial(read, layout),
            fetch=functools.partial(fetch, layout),
            archives=functools.partial(archives, layout),
            published_counts={"images": 60000, "people": classes},
        )
    )


CIFAR10 = _register("cifar10", cifar_batches.CIFAR10, "60,000 photographs of 10 classes, 32 x 32 colour", 10)
CIFAR100 = _register(
    "cifar100", cifar_batches.CIFAR100, "60,000 photographs of 100 classes in 20 superclasses, 32 x 32 colour", 100
)
