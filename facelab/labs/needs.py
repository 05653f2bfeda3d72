"""What a notebook needs of the data it is given: so many people, with so many photographs of each."""

from __future__ import annotations

import numpy as np

from facelab.datasets import FaceSet
from facelab.datasets.pairs import photographs_per_person
from facelab.errors import BadParameterError


def require_people(faces: FaceSet, people: int, photos: int, preferred: int | None = None) -> FaceSet:
    """The people that a notebook works with; a line says how many it takes, unless it takes all.

    Args:
        faces: what was loaded.
        people: how many people it needs.
        photos: photographs that each of them must have; renderings of one photograph count as one.
        preferred: photographs that each shall have where enough people have so many.

    Raises:
        BadParameterError: nobody is known by name, or fewer people than it needs have so many photographs.
    """
    everybody = faces.people
    if not len(everybody):
        raise BadParameterError(
            f"{faces.source} does not say who is on its photographs, and {people} people are needed.",
            "Give a data set with identities, such as -p dataset=orl-wild; folder:PATH has them as PATH/PERSON/PHOTO.",
        )
    counts = photographs_per_person(faces)
    least = photos if preferred is None or (counts >= preferred).sum() < people else preferred
    enough = everybody[counts >= least]
    if len(enough) < people:
        raise BadParameterError(
            f"{people} people with {photos} photographs or more of each are needed; {faces.source} has {len(enough)} such "
            f"people, of {len(everybody)}.",
            "Add people or photographs, or give another data set, such as -p dataset=orl-wild.",
        )
    if len(enough) == len(everybody) and (faces.identity >= 0).all():
        return faces
    print(f"taken: {len(enough)} of {len(everybody)} people, those with {least} photographs or more")
    return faces.select_people(enough)


def limit_batch(batch_size: int, faces: FaceSet) -> int:
    """The size of a batch, or less: at most what any half of the people have, since half of them may be all that train."""
    pictures = np.sort(np.unique(faces.labels(), return_counts=True)[1])
    return min(batch_size, int(pictures[: len(pictures) // 2].sum()))


def can_measure(what: str, count: int, needed: float, unit: str) -> bool:
    """Whether there are enough of something to measure with; if not, a line says what is left out, and why.

    Args:
        what: is left out, with its verb: ``"The open set is"``.
        count, needed: how many there are, and how many it takes.
        unit: what they are: ``"strangers"``.
    """
    if count < needed:
        print(f"{what} left out: {needed:g} {unit} or more are needed, here are {count:g}")
    return count >= needed
