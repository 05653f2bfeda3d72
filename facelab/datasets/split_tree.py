"""The train/test splitter for a folder of people: copies person/photo into train/ and test/, and leaves the source alone."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facelab.datasets.decode import read_photograph
from facelab.datasets.output_tree import (
    check_apart,
    check_output,
    entries_out_of_sight,
    file_fault,
    lies_in,
    other_files,
    remove_files,
    shadowed_files,
)
from facelab.datasets.split_copies import copy_missing, look_at_copies
from facelab.datasets.split_manifest import (
    MANIFEST,
    SETTINGS,
    check_same_split,
    part_and_file,
    read_earlier_split,
    settings_of,
    write_manifest,
)
from facelab.datasets.trees import no_usable_photograph, person_tree
from facelab.errors import BadImageError, BadParameterError, DataMissingError
from facelab.files import lock_folder, remove_partials, write_json
from facelab.whole_numbers import check_seed


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
    read_earlier_split(target)  # refused before the lock, which is a file in the folder
    with lock_folder(target, "facelab split"):
        begun, earlier = read_earlier_split(target)
        kept = {copy: digest for copy, digest in earlier.items() if _is_kept(target / copy, copy, digest, hidden)}
        _add_kept(kept, people, digests)
        copies = _plan_copies(people, digests, kept, percent_train, seed)
        check_apart(source, target, copies)
        settings = settings_of(source, percent_train, seed, copies)
        old = sorted(earlier.keys() - copies.keys())
        check_same_split(target, begun, settings, is_whole=bool(earlier), old=old, prune=prune)
        remove_partials(target)
        removed = [copy for copy in old if not file_fault(target / copy, earlier[copy])]
        remove_files(target, removed)
        write_json(target / SETTINGS, settings)  # first, so that an interrupted run is known for what it is
        faults = copy_missing(source, target, copies)
        write_manifest(target, copies)
        damaged, duplicates = look_at_copies(target, copies)
        foreign = other_files(target, {*copies, MANIFEST, SETTINGS})
    train_count = sum(part_and_file(copy)[0] == "train" for copy in copies)
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
        _, file = part_and_file(copy)
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
    return lies_in(part_and_file(copy)[1], hidden) and not file_fault(path, digest)


def _plan_copies(
    people: dict[str, list[str]], digests: dict[str, str], kept: Iterable[str], percent_train: float, seed: int
) -> dict[str, str]:
    """Copy -> SHA-256, in order of the photographs' names; those that are kept stay where they are."""
    parts = {}
    for person, files in people.items():
        parts |= _share_out(person, sorted(files), percent_train, seed)
    parts |= {file: part for part, file in map(part_and_file, kept)}
    return {f"{parts[file]}/{file}": digests[file] for file in sorted(parts)}


def _share_out(person: str, files: list[str], percent_train: float, seed: int) -> dict[str, str]:
    if len(files) == 1:
        return {files[0]: "train"}
    own = int.from_bytes(hashlib.sha256(person.encode()).digest()[:8], "big")
    order = np.random.default_rng([seed, own]).permutation(len(files))
    count = int(np.floor(round(percent_train / 100 * len(files), 9) + 0.5))
    count = min(max(1, count), len(files) - 1)
    return {files[row]: "train" if place < count else "test" for place, row in enumerate(order)}
