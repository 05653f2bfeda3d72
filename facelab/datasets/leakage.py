"""Leakage is an assertion, not advice: nobody and no picture of the test set may be in the training set."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from facelab.datasets.duplicates import duplicates_command
from facelab.datasets.faceset import UNKNOWN, FaceSet
from facelab.datasets.near_duplicates import near_duplicates
from facelab.datasets.sources import loaded_names
from facelab.errors import BadParameterError, LeakageError
from facelab.progress import progress_bar

KINDS = ("identity", "file", "hash", "perceptual")
_MADE_OF = {"orl-wild": "orl"}  # its people and photographs are those of another source


def assert_disjoint(train: FaceSet, test: FaceSet, kinds: Sequence[str] = KINDS) -> None:
    """Proof that training and test set share nothing of the kinds named.

    Args:
        train: what was trained on.
        test: what is tested on.
        kinds: of ``identity`` (a person by name, within one source; unknown people are passed over), ``file`` (a file name
            within one source, or the column ``photo`` that says what a rendering was made of), ``hash`` (SHA-256 of an
            image's pixels) and ``perceptual`` (see ``near_duplicates``). For a closed set leave ``identity`` out.

    Raises:
        LeakageError: something is shared; it names the first of them and says how many.
        BadParameterError: no such kind.
    """
    if not kinds or (unknown := [kind for kind in kinds if kind not in KINDS]):
        raise BadParameterError(f"Leakage by {unknown[0]!r} is not known." if kinds else "No kind of leakage is named.",
                                f"There are: {', '.join(KINDS)}.")  # fmt: skip
    if "identity" in kinds:
        _refuse(
            "people", sorted(_people(train) & _people(test)), len(_people(test)), "Use splits.identity_disjoint_split."
        )
    if "file" in kinds:
        shared = _shared(_files(train), _files(test))
        _refuse(
            "files",
            [str(test.attributes["file"].iloc[row]) for _, row in shared],
            len(test),
            "Give stratified_split the column that names a photograph (group='photo'), or other rows.",
        )
    if "hash" in kinds:
        _refuse_copies("pictures (pixel for pixel)", train, test, _shared(_pixel_hashes(train), _pixel_hashes(test)))
    if "perceptual" in kinds:
        _refuse_copies("pictures (near-duplicates)", train, test, near_duplicates(train.images, test.images))


def original_sources(source: str) -> set[str]:
    """The sources whose people and photographs a set shows, from its ``FaceSet.source``: of orl-wild those of ORL."""
    return {_MADE_OF.get(name, name) for name in loaded_names(source)}


def _qualified(faces: FaceSet, names: Iterable[str]) -> list[str]:
    """Names as a joined set gives them, ``source:name``, so that a set and a union that holds it can be compared.

    A source that is made of another one takes that one's name.
    """
    sources = loaded_names(faces.source)
    parts = [str(name).split(":", 1) if len(sources) > 1 else (sources[0], str(name)) for name in names]
    return [f"{_MADE_OF.get(own, own)}:{name}" for own, name in parts]


def _people(faces: FaceSet) -> set[str]:
    return set(_qualified(faces, (faces.names[number] for number in faces.people if number != UNKNOWN)))


def _files(faces: FaceSet) -> list[str]:
    return _qualified(faces, faces.attributes["photo" if "photo" in faces.attributes else "file"])


def _pixel_hashes(faces: FaceSet) -> list[bytes]:
    shape = str(faces.images.shape[1:]).encode()
    hashes = []
    with progress_bar(f"hashing {faces.source}", len(faces), delay=1.0) as shown:
        for image in faces.images:
            hashes.append(hashlib.sha256(shape + np.ascontiguousarray(image).tobytes()).digest())
            shown.advance()
    return hashes


def _shared(train: Sequence[Hashable], test: Sequence[Hashable]) -> list[tuple[int, int]]:
    """(training row, test row) of each test row whose key is in training."""
    first = {key: row for row, key in reversed(list(enumerate(train)))}
    return [(first[key], row) for row, key in enumerate(test) if key in first]


def _refuse_copies(what: str, train: FaceSet, test: FaceSet, pairs: Sequence[Sequence[int]]) -> None:
    by_test = {int(row): int(match) for match, row in reversed(list(pairs))}
    named = [
        f"{test.attributes['file'].iloc[row]} = {train.attributes['file'].iloc[by_test[row]]}"
        for row in sorted(by_test)
    ]
    names = dict.fromkeys(name for faces in (train, test) for name in loaded_names(faces.source))
    command = duplicates_command(names, all_pairs=True)
    _refuse(what, named, len(test), f"Train on data that hold one of each; all copies are listed by: {command}")


def _refuse(what: str, named: list[str], count: int, remedy: str) -> None:
    if named:
        more = ", ..." if len(named) > 3 else ""
        raise LeakageError(
            f"{len(named)} of {count} test {what} are in training: {', '.join(named[:3])}{more}.", remedy
        )
