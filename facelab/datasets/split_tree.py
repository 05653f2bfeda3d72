"""The train/test splitter for a folder of people: copies person/photo into train/ and test/, and leaves the source alone."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from facelab.datasets.decode import center_square, decode, resize
from facelab.datasets.near_duplicates import near_duplicates
from facelab.datasets.trees import person_tree
from facelab.errors import BadImageError, BadParameterError, DataMissingError
from facelab.files import atomic_write, remove_partials, write_json, write_text

MANIFEST, SETTINGS = "manifest.csv", "split.json"
_SIZE = 64  # side at which pictures are compared


@dataclass(frozen=True)
class TreeSplit:
    """What ``split_tree`` did.

    Attributes:
        train_count: number of photographs in ``train/``.
        test_count: number of photographs in ``test/``.
        copied_count: how many of them were copied now; the others were there already.
        single_photo_people: people with one photograph, which went to ``train/``.
        rejected_files: (file, reason) of what was not copied.
        damaged_files: (file, reason) of what was copied and cannot be decoded: the splitter sorts files, loading judges them.
        duplicates: (training file, test file) that show one picture.
    """

    train_count: int
    test_count: int
    copied_count: int
    single_photo_people: tuple[str, ...]
    rejected_files: tuple[tuple[str, str], ...]
    damaged_files: tuple[tuple[str, str], ...]
    duplicates: tuple[tuple[str, str], ...]


def split_tree(in_dir: Path | str, out_dir: Path | str, percent_train: float = 70, seed: int = 0) -> TreeSplit:
    """Copy a tree person/photo into ``out_dir/train/person`` and ``out_dir/test/person``.

    Each person's photographs are shared out at random, at least one to each side. The person's draw depends on the seed and
    the person's own files only, so adding a person moves nobody else's. ``manifest.csv`` lists every file with its part and
    SHA-256, ``split.json`` the settings and what was found. Run again after an interruption, it copies what is missing.

    Args:
        in_dir: folder of people, each a folder of photographs.
        out_dir: new or empty, or the same split made earlier.
        percent_train: per cent of each person's photographs for training, between 0 and 100.
        seed: of the NumPy generator.

    Raises:
        DataMissingError: ``in_dir`` is not there or holds no photograph, or one cannot be read.
        BadParameterError: a percentage outside (0, 100), one folder inside the other, or ``out_dir`` holds something else.
        FacelabError: the disk is full, or ``out_dir`` cannot be written.
    """
    source, target = Path(in_dir).resolve(), Path(out_dir).resolve()
    _check_request(source, target, percent_train)
    table = person_tree(source)
    good = table[table["rejected"] == ""]
    if good.empty:
        raise DataMissingError(
            f"{source} holds no folder of photographs.", "Give a folder that holds one folder a person."
        )
    parts = {}
    for person, files in good.groupby("identity")["file"]:
        parts |= _share_out(str(person), sorted(files), percent_train, seed)
    rows = [(file, parts[file], _digest(source / file)) for file in sorted(parts)]
    settings = {"source": source.name, "percent_train": percent_train, "seed": seed, "files": len(rows)}
    manifest = _as_csv(rows)
    settings["manifest_sha256"] = hashlib.sha256(manifest.encode()).hexdigest()
    _check_target(target, settings)
    remove_partials(target)
    write_json(target / SETTINGS, settings)  # first, so that an interrupted run is known for what it is
    copied = sum(_copy(source / file, target / part / file, digest) for file, part, digest in rows)
    write_text(target / MANIFEST, manifest)
    single = tuple(str(person) for person, count in good["identity"].value_counts().sort_index().items() if count == 1)
    damaged, duplicates = _look(source, rows)
    return TreeSplit(
        train_count=sum(part == "train" for _, part, _ in rows),
        test_count=sum(part == "test" for _, part, _ in rows),
        copied_count=copied,
        single_photo_people=single,
        rejected_files=tuple(map(tuple, table.loc[table["rejected"] != "", ["file", "rejected"]].to_numpy())),
        damaged_files=damaged,
        duplicates=duplicates,
    )


def _check_request(source: Path, target: Path, percent_train: float) -> None:
    if not source.is_dir():
        raise DataMissingError(f"The folder {source} is not there.", "Give a folder that holds one folder a person.")
    if not 0 < percent_train < 100:
        raise BadParameterError(f"{percent_train:g} % for training.", "Give a number between 0 and 100, such as 70.")
    if source == target or source in target.parents or target in source.parents:
        raise BadParameterError(f"{target} and {source} lie in each other.", "Write the split to a folder beside it.")


def _check_target(target: Path, settings: dict[str, object]) -> None:
    if target.exists() and not target.is_dir():
        raise BadParameterError(f"{target} is a file.", "Name a new folder.")
    if not target.exists() or not any(target.iterdir()):
        return
    try:
        earlier = dict(json.loads((target / SETTINGS).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise BadParameterError(f"{target} is not empty, and not a split of ours.", "Name a new folder.") from None
    if earlier != settings:
        differ = [key for key in settings if earlier.get(key) != settings[key]]
        if differ == ["manifest_sha256"]:
            differ = ["photographs"]
        raise BadParameterError(f"{target} holds another split (other {', '.join(differ)}).", "Name a new folder.")


def _share_out(person: str, files: list[str], percent_train: float, seed: int) -> dict[str, str]:
    if len(files) == 1:
        return {files[0]: "train"}
    own = int.from_bytes(hashlib.sha256(person.encode()).digest()[:8], "big")
    order = np.random.default_rng([seed, own]).permutation(len(files))
    count = int(np.floor(round(percent_train / 100 * len(files), 9) + 0.5))
    count = min(max(1, count), len(files) - 1)
    return {files[row]: "train" if place < count else "test" for place, row in enumerate(order)}


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _digest(path: Path) -> str:
    """Of a photograph of the source."""
    try:
        return _sha256(path)
    except OSError as error:
        raise DataMissingError(
            f"{path} cannot be read ({error.strerror}).", "Check its rights, or remove it."
        ) from error


def _as_csv(rows: list[tuple[str, str, str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "part", "sha256"])
    writer.writerows(rows)
    return text.getvalue()


def _copy(source: Path, target: Path, digest: str) -> bool:
    if target.is_file() and _sha256(target) == digest:
        return False
    with atomic_write(target) as partial:
        shutil.copyfile(source, partial)
    return True


def _look(source: Path, rows: list[tuple[str, str, str]]) -> tuple[tuple[tuple[str, str], ...], ...]:
    """(file, reason) of what cannot be decoded, and (training file, test file) that show one picture."""
    damaged = []
    files, images = {"train": [], "test": []}, {"train": [], "test": []}
    for file, part, _ in rows:
        try:
            image = resize(center_square(decode((source / PurePosixPath(file)).read_bytes())), _SIZE)
        except BadImageError as error:
            damaged.append((file, error.problem))
            continue
        files[part].append(file)
        images[part].append(image)
    if not images["train"] or not images["test"]:
        return tuple(damaged), ()
    found = near_duplicates(np.stack(images["train"]), np.stack(images["test"]))
    return tuple(damaged), tuple((files["train"][first], files["test"][second]) for first, second in found)
