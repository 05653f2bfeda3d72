"""The train/test splitter for a folder of people: copies person/photo into train/ and test/, and leaves the source alone."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import tempfile
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from facelab.datasets.decode import center_square, decode, read_photograph, resize
from facelab.datasets.near_duplicates import SIDE, near_duplicates, thumbnails
from facelab.datasets.output_tree import (
    check_apart,
    check_output,
    entries_out_of_sight,
    file_fault,
    lies_in,
    other_files,
    remove_files,
    shadowed_files,
    some_names,
    source_name,
)
from facelab.datasets.trees import is_empty, no_usable_photograph, person_tree
from facelab.errors import BadImageError, BadParameterError, DataMissingError, FacelabError
from facelab.files import atomic_write, lock_folder, read_json_object, remove_partials, sync_tree, write_json
from facelab.whole_numbers import check_seed

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
        mended_copies: (copy, ``"missing"`` or ``"damaged"``): what had become of copies of an earlier run, made again now.
        kept_copies: copies of an earlier run whose photograph cannot be seen now, as behind a link to a disk that is away;
            they count in ``train_count`` and ``test_count``.
        removed_copies: copies of an earlier run that were removed.
        foreign_files: files below the output folder that were never written here.
    """

    train_count: int
    test_count: int
    copied_count: int
    single_photo_people: tuple[str, ...]
    rejected_files: tuple[tuple[str, str], ...]
    damaged_files: tuple[tuple[str, str], ...]
    duplicates: tuple[tuple[str, str], ...]
    mended_copies: tuple[tuple[str, str], ...]
    kept_copies: tuple[str, ...]
    removed_copies: tuple[str, ...]
    foreign_files: tuple[str, ...]


def split_tree(
    in_dir: Path | str, out_dir: Path | str, percent_train: float = 70, seed: int = 0, prune: bool = False
) -> TreeSplit:
    """Copy a tree person/photo into ``out_dir/train/person`` and ``out_dir/test/person``.

    Each person's photographs are shared out at random, at least one to each side. The person's draw depends on the seed and
    the person's own files only, so adding a person moves nobody else's. ``manifest.csv`` lists every file with its part and
    SHA-256, ``split.json`` the settings and what was found. Run again after an interruption, it copies what is missing or
    damaged.

    Args:
        in_dir: folder of people, each a folder of photographs.
        out_dir: new or empty, or the same split made earlier.
        percent_train: per cent of each person's photographs for training, at least 1 and below 100.
        seed: of the NumPy generator, 0 to ``whole_numbers.MAX_SEED``.
        prune: where the photographs have changed since, bring ``out_dir`` up to date: copies of the earlier run that are not
            in this one are removed, and folders that are empty then; nothing else. A photograph that cannot be seen
            or read now keeps its place, and a copy that was changed since is somebody's own file.

    Raises:
        DataMissingError: ``in_dir`` is not there or holds no photograph that can be read, or one is gone when it is copied.
        BadParameterError: an impossible percentage or seed, one folder inside the other, or ``out_dir`` holds something else.
        FacelabError: the disk is full, ``out_dir`` cannot be written, another process writes there now, or a photograph was
            changed meanwhile.
    """
    source, target = Path(os.path.realpath(in_dir)), Path(os.path.realpath(out_dir))
    check_output(Path(out_dir))
    _check_request(source, target, percent_train, seed)
    people, digests, rejected, hidden = _look_for_people(source, target)
    _read_earlier_split(target)  # refused before the lock, which is a file in the folder
    with lock_folder(target, "facelab split"):
        begun, earlier = _read_earlier_split(target)
        kept = {copy: digest for copy, digest in earlier.items() if _is_kept(target / copy, copy, digest, hidden)}
        _add_kept(kept, people, digests)
        copies = _plan_copies(people, digests, kept, percent_train, seed)
        check_apart(source, target, copies)
        manifest = _as_csv(copies)
        settings = {"source": source_name(source), "percent_train": percent_train, "seed": seed, "files": len(copies)}
        settings["manifest_sha256"] = hashlib.sha256(manifest).hexdigest()
        old = sorted(earlier.keys() - copies.keys())
        _check_same_split(target, begun, settings, is_whole=bool(earlier), old=old, prune=prune)
        remove_partials(target)
        removed = [copy for copy in old if not file_fault(target / copy, earlier[copy])]
        remove_files(target, removed)
        write_json(target / SETTINGS, settings)  # first, so that an interrupted run is known for what it is
        faults = _copy_missing(source, target, copies)
        with atomic_write(target / MANIFEST) as partial:
            partial.write_bytes(manifest)
        damaged, duplicates = _look(target, copies)
        foreign = other_files(target, {*copies, MANIFEST, SETTINGS})
    train_count = sum(_part_and_file(copy)[0] == "train" for copy in copies)
    return TreeSplit(
        train_count=train_count,
        test_count=len(copies) - train_count,
        copied_count=len(faults),
        single_photo_people=tuple(sorted(person for person, files in people.items() if len(files) == 1)),
        rejected_files=tuple(rejected),
        damaged_files=damaged,
        duplicates=duplicates,
        mended_copies=tuple((copy, fault) for copy, fault in faults.items() if earlier.get(copy) == copies[copy]),
        kept_copies=tuple(sorted(kept)),
        removed_copies=tuple(removed),
        foreign_files=tuple(sorted(foreign)),
    )


def _add_kept(kept: dict[str, str], people: dict[str, list[str]], digests: dict[str, str]) -> None:
    """Photographs that cannot be seen now count as they did: ``kept`` copies (path -> SHA-256) join the other two."""
    for copy, digest in kept.items():
        _, file = _part_and_file(copy)
        digests[file] = digest
        people.setdefault(unicodedata.normalize("NFC", file.partition("/")[0]), []).append(file)


def _check_request(source: Path, target: Path, percent_train: float, seed: int) -> None:
    if not source.is_dir():
        problem = f"{source} is not a folder." if os.path.lexists(source) else f"The folder {source} is not there."
        raise DataMissingError(problem, "Give a folder that holds one folder a person.")
    if 0 < percent_train < 1:
        raise BadParameterError(
            f"{percent_train:g} % for training is less than one photograph in a hundred. Did you mean {100 * percent_train:g}?",
            "Give per cent, such as 70.",
        )
    if not 0 < percent_train < 100:
        raise BadParameterError(f"{percent_train:g} % for training.", "Give a number between 0 and 100, such as 70.")
    check_seed(seed)
    check_apart(source, target)


def _look_for_people(
    source: Path, target: Path
) -> tuple[dict[str, list[str]], dict[str, str], list[tuple[str, str]], set[str]]:
    """Each person's photographs; the SHA-256 of each; (file, reason) of what is not used; and what of it may be good later."""
    table = person_tree(source)
    faults = dict(zip(table["file"], table["rejected"], strict=True))
    usable = [file for file, fault in faults.items() if not fault]
    faults |= shadowed_files(dict(zip(usable, usable, strict=True)), target, "copy")
    digests, hidden = {}, entries_out_of_sight(source, [file for file, fault in faults.items() if fault])
    for file in filter(lambda file: not faults[file], usable):
        try:
            digests[file] = hashlib.sha256(read_photograph(source / file)).hexdigest()
        except BadImageError as error:
            faults[file] = error.problem
        except OSError as error:
            faults[file] = f"It cannot be read ({error.strerror or error})."
            hidden.add(file)
    rejected = [(file, fault) for file, fault in faults.items() if fault]
    good = table[table["file"].map(faults) == ""]
    if good.empty:
        raise no_usable_photograph(str(source), rejected, "Give a folder that holds one folder a person.")
    people = {str(person): list(files) for person, files in good.groupby("identity")["file"]}
    return people, digests, rejected, hidden


def _is_kept(path: Path, copy: str, digest: str, hidden: set[str]) -> bool:
    """Whether a copy of an earlier run is whole, and its photograph out of sight."""
    return lies_in(_part_and_file(copy)[1], hidden) and not file_fault(path, digest)


def _part_and_file(copy: str) -> tuple[str, str]:
    """``train`` or ``test``, and the photograph's path below the source."""
    part, _, file = copy.partition("/")
    return part, file


def _read_earlier_split(target: Path) -> tuple[dict[str, object], dict[str, str]]:
    """Settings of an earlier run, and its copies and their SHA-256 as its manifest has them; empty where there was none.

    Raises:
        BadParameterError: the folder holds something else.
    """
    if is_empty(target):
        return {}, {}
    try:
        begun = read_json_object(target / SETTINGS)
    except (OSError, ValueError):
        raise BadParameterError(f"{target} is not empty, and not a split of ours.", "Name a new folder.") from None
    return begun, _read_manifest(target / MANIFEST, begun.get("manifest_sha256"))


def _check_same_split(
    target: Path, begun: dict[str, object], settings: dict[str, object], is_whole: bool, old: list[str], prune: bool
) -> None:
    """Refuse an output folder that holds another split and may not be brought up to date.

    Args:
        target: the folder.
        begun: settings of the split that it holds; empty where it holds none.
        settings: those of this one.
        is_whole: whether the earlier split came to its end.
        old: its copies that are not in this one.
        prune: whether it is to be brought up to date.

    Raises:
        BadParameterError: it is another split.
    """
    differ = [key for key in settings if begun.get(key) != settings[key]]
    if not begun or not differ:
        return
    named = [key for key in differ if key != "manifest_sha256"] or ["photographs"]
    problem = f"{target} holds another split (other {', '.join(named)})."
    if {"source", "percent_train", "seed"} & set(differ) or not is_whole:
        raise BadParameterError(problem, "Name a new folder.")
    if not prune:
        are = "is" if len(old) == 1 else "are"
        left = f" {len(old)} of its copies {are} not in this one ({some_names(old)})." if old else ""
        raise BadParameterError(
            problem + left, "Give --prune to bring it up to date (it removes such copies), or name a new folder."
        )


def _read_manifest(path: Path, sha256: object) -> dict[str, str]:
    """Copy -> SHA-256, of a manifest that is whole; empty of another."""
    try:
        data = path.read_bytes()
    except OSError:
        return {}
    if hashlib.sha256(data).hexdigest() != sha256:
        return {}
    rows = csv.DictReader(io.StringIO(data.decode(), newline=""))
    return {f"{row['part']}/{row['file']}": row["sha256"] for row in rows}


def _plan_copies(
    people: dict[str, list[str]], digests: dict[str, str], kept: Iterable[str], percent_train: float, seed: int
) -> dict[str, str]:
    """Copy -> SHA-256, in order of the photographs' names; those that are kept stay where they are."""
    parts = {}
    for person, files in people.items():
        parts |= _share_out(person, sorted(files), percent_train, seed)
    parts |= {file: part for part, file in map(_part_and_file, kept)}
    return {f"{parts[file]}/{file}": digests[file] for file in sorted(parts)}


def _share_out(person: str, files: list[str], percent_train: float, seed: int) -> dict[str, str]:
    if len(files) == 1:
        return {files[0]: "train"}
    own = int.from_bytes(hashlib.sha256(person.encode()).digest()[:8], "big")
    order = np.random.default_rng([seed, own]).permutation(len(files))
    count = int(np.floor(round(percent_train / 100 * len(files), 9) + 0.5))
    count = min(max(1, count), len(files) - 1)
    return {files[row]: "train" if place < count else "test" for place, row in enumerate(order)}


def _as_csv(copies: dict[str, str]) -> bytes:
    rows = [(file, part, copies[f"{part}/{file}"]) for part, file in map(_part_and_file, copies)]
    return "".join(_csv_line(row) for row in [("file", "part", "sha256"), *rows]).encode()


def _csv_line(row: tuple[str, str, str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(row)  # it quotes what is in its line end: names may hold both
    return text.getvalue().removesuffix("\r\n") + "\n"


def _read_copy(path: Path) -> bytes:
    try:
        return read_photograph(path)
    except OSError as error:
        raise DataMissingError(f"{path} cannot be read ({error.strerror}).", "Check its rights.") from error


def _copy_missing(source: Path, target: Path, copies: dict[str, str]) -> dict[str, str]:
    """Copy what is not there as it should be; returns copy -> its ``file_fault``."""
    faults = {copy: fault for copy, sha256 in copies.items() if (fault := file_fault(target / copy, sha256))}
    for copy in faults:
        _copy(source / _part_and_file(copy)[1], target / copy, copies[copy])
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


def _look(target: Path, copies: Iterable[str]) -> tuple[tuple[tuple[str, str], ...], ...]:
    """(file, reason) of what cannot be decoded, and (training file, test file) that show one picture.

    What is compared lies in a file beside the copies until they are all there, 4 KB of each: in memory half a million
    photographs would be 2 GB.

    Raises:
        FacelabError: there is no room for it.
    """
    files, damaged, train_count = [], [], 0
    try:
        with tempfile.TemporaryFile(dir=target) as small:
            for copy in sorted(copies, key=lambda copy: _part_and_file(copy)[0] != "train"):  # those of train first
                part, file = _part_and_file(copy)
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


def _duplicates(small: BinaryIO, count: int, train_count: int) -> Iterable[tuple[int, int]]:
    """(Row of train, row of test) that show one picture, of a file of ``count`` thumbnails, those of train first."""
    if not 0 < train_count < count:
        return ()
    pictures = np.memmap(small, np.float32, "r", shape=(count, SIDE, SIDE, 1))
    return near_duplicates(pictures[:train_count], pictures[train_count:])
