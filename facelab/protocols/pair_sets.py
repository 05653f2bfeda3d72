"""Verification sets by name, as ``facelab verify`` takes them: photographs, pairs of them in folds, and who is known on them.

======================  ==================================================================================================
``PATH.bin``            a set of insightface (``datasets.verification_bin``): aligned crops, people unknown
``LIST@DATASET``        a pair list (``datasets.pair_files``) of the photographs of a data set: ``pairs.txt@folder:PATH``
``lfw``                 View 2 of LFW
``orl``                 the stored pairs of ORL: people who train nowhere in the course
======================  ==================================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facelab.datasets import UNKNOWN, FaceSet, load
from facelab.datasets.folds import contiguous_folds, folds_of_people
from facelab.datasets.pair_files import lfw_pairs, read_listed_pairs, stored_pairs
from facelab.datasets.pairs import Pairs, people_by_pairs, restrict_to_pairs
from facelab.datasets.sources import absolute_name, is_of_aligned_crops
from facelab.datasets.verification_bin import bin_pairs
from facelab.errors import BadParameterError, DataMissingError, nearest_name
from facelab.paths import absolute_path, user_path

_BIN = "bin:"  # what a PATH.bin is called as a data set
_LISTS = {"lfw": lfw_pairs, "orl": stored_pairs}
_FORMS = "Give PATH.bin, LIST@DATASET (pairs.txt@folder:PATH), lfw or orl."


@dataclass(frozen=True, eq=False)
class PairSet:
    """A verification set.

    Attributes:
        name: what it was asked for by.
        faces: the photographs that are in a pair.
        pairs: rows of them; those in fold 0 count in no accuracy.
        aligned: whether the photographs are aligned crops of 112 x 112, whatever their size is now.
        folds: how the folds came about, in words.
        person: int64 (N,), who is on each photograph: ``faces.identity``, or where that is not known ``people_by_pairs``.
        people_known: which of the two.
    """

    name: str
    faces: FaceSet
    pairs: Pairs
    aligned: bool
    folds: str
    person: np.ndarray
    people_known: bool


def load_pair_set(
    name: str, side: int, search_side: int | None = None, aligned: bool = False, seed: int = 0
) -> PairSet:
    """A verification set by its name.

    Args:
        name: of one of the forms above.
        side: in pixels, that the network takes.
        search_side: in pixels, at which whole photographs are searched for faces; None: they are taken as the squares that the
            data set gives, at ``side``.
        aligned: whether the photographs of a ``LIST@DATASET`` are aligned crops already.
        seed: of the folds of people, where a list has none.

    Raises:
        BadParameterError: no such form, or a list that disagrees with the data set about who is one person.
        DataMissingError: the list, the data set or one of its photographs is not there.
        FacelabError: a file is none of its form.
    """
    listed, dataset = _parts(name)
    aligned = is_aligned(dataset, aligned and listed is not None)
    faces = load(dataset, side if aligned or search_side is None else search_side)
    if listed:
        pairs = read_listed_pairs(listed, faces)
    elif dataset.startswith(_BIN):
        pairs = bin_pairs(faces, absolute_path(dataset.removeprefix(_BIN)))
    else:
        pairs = _LISTS[dataset](faces)
    return _pair_set(name, *restrict_to_pairs(faces, pairs), aligned, seed)


def is_aligned(dataset: str, told: bool) -> bool:
    """Whether the photographs of a data set are aligned crops: as somebody says, or since its form is one of such crops."""
    return told or is_of_aligned_crops(dataset)


def absolute_set_name(name: str) -> str:
    """The name of the same set from wherever it is asked for; errors as of ``load_pair_set``."""
    listed, dataset = _parts(name)
    return f"{absolute_path(listed)}@{dataset}" if listed else dataset.removeprefix(_BIN)


def _parts(name: str) -> tuple[Path | None, str]:
    """The list of ``LIST@DATASET``, None of another form, and the data set with absolute paths.

    Raises:
        BadParameterError: a pair list without a data set, or no form of all.
        DataMissingError: no part before ``@`` is a file.
    """
    places = [place for place, char in enumerate(name) if char == "@"]
    for place in places:  # a path may hold it, too: the list is a file
        if place and (path := user_path(name[:place])).is_file():
            return path, absolute_name(name[place + 1 :])
    if name.endswith(".bin"):
        return None, absolute_name(_BIN + name.removeprefix(_BIN))
    if places:
        raise DataMissingError(f"There is no pair list {name[: places[0]]!r}.", _FORMS)
    if name in _LISTS:
        return None, name
    if name and user_path(name).is_file():
        raise BadParameterError(
            f"{name} is a pair list without photographs.", f"Say which they are: {name}@folder:PATH, or {name}@lfw."
        )
    raise BadParameterError(f"No verification set is called {name!r}.{nearest_name(name, _LISTS)}", _FORMS)


def _pair_set(name: str, faces: FaceSet, pairs: Pairs, aligned: bool, seed: int) -> PairSet:
    if not pairs.same.any() or pairs.same.all():
        raise BadParameterError(f"{name} has no genuine, or no impostor pairs.", "Give a list of both kinds.")
    people_known = not (faces.identity == UNKNOWN).any()
    person = faces.identity if people_known else people_by_pairs(pairs, len(faces))
    wrong = np.flatnonzero((person[pairs.first] == person[pairs.second]) != pairs.same)
    if len(wrong):
        pair = [rows[wrong[0]] for rows in (pairs.first, pairs.second)]
        first, second = faces.attributes["file"].iloc[pair]
        listed, told = ("a genuine", "two people") if pairs.same[wrong[0]] else ("an impostor", "one person")
        by = f"the names of {faces.source}" if people_known else "other pairs of the list"
        raise BadParameterError(
            f"{name}: {first} and {second} are {listed} pair, but {told} by {by} ({len(wrong)} such pairs).",
            "Mend the list or the names.",
        )
    if pairs.fold.any():
        return PairSet(name, faces, pairs, aligned, "of the list", person, people_known)
    apart = folds_of_people(pairs, person, seed=seed) if people_known else None
    if apart is not None:
        within = f"of people: {(apart.fold > 0).sum()} of {len(pairs)} pairs lie within one"
        return PairSet(name, faces, apart, aligned, within, person, people_known)
    return PairSet(
        name, faces, contiguous_folds(pairs), aligned, "of pairs that follow each other", person, people_known
    )
