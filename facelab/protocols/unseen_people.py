"""The open question: pairs of people who were in no training. One person, or two?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from facelab.datasets import FaceSet
from facelab.datasets.leakage import assert_disjoint
from facelab.datasets.pairs import Pairs, all_pairs, photographs_per_person
from facelab.datasets.splits import identity_disjoint_split, stored_people_split
from facelab.errors import BadParameterError
from facelab.evaluation import BASELINES, Estimate, cosine_scores, verification_estimates
from facelab.methods import Method, embed_faces
from facelab.training import History, Monitor, Plan, fit

MIN_TEST_PEOPLE = 3  #: that an interval over people needs


@dataclass(frozen=True)
class UnseenPeopleResult:
    """What one experiment on unseen people gave.

    Attributes:
        test: photographs of the people who were in no training.
        pairs: all pairs of them, but for renderings of one photograph.
        method: the trained method.
        history: of its training.
        embeddings: name -> of the test photographs, by the baselines, the random network and the trained one (``CNN``).
        scores: name -> cosine of each pair.
        metrics: name -> ``eer``, ``auc`` and TAR at the FARs asked for, intervals by bootstrap over people.
    """

    test: FaceSet
    pairs: Pairs
    method: Method
    history: History
    embeddings: dict[str, np.ndarray]
    scores: dict[str, np.ndarray]
    metrics: dict[str, dict[str, Estimate]]


def run_unseen_people(
    faces: FaceSet,
    build: Callable[[FaceSet], Method],
    plan: Plan,
    *,
    fars: tuple[float, ...] = (),
    draws: int = 1000,
    name: str = "CNN",
    scene: str | None = None,
    monitors: Sequence[Monitor] = (),
) -> UnseenPeopleResult:
    """Train on half of the people, compare photographs of the other half.

    Args:
        faces: photographs of known people.
        build: makes the untrained method for the training people; called twice with the same result.
        plan: its training; its seed also decides the halves, as ``split_unseen_people`` has it.
        fars: false accept rates at which the true accept rate is given; each needs 10 / FAR impostor pairs.
        draws: of the bootstrap.
        name: what the trained network is called in the results.
        scene: column of the attribute table; photographs with one value there are one scene for ``fit``.
        monitors: of the training.
    """
    train, test = split_unseen_people(faces, plan.seed)
    pairs, method = verification_pairs(test), build(train)
    embeddings = embed_baselines(method, train, test)
    history = fit(method, train, plan, scenes=scene_ids(train, scene), monitors=monitors)
    embeddings[name] = embed_faces(method, test)
    found = {label: cosine_scores(rows, pairs) for label, rows in embeddings.items()}
    metrics = verification_metrics(found, test, pairs, fars, draws, plan.seed)
    return UnseenPeopleResult(test, pairs, method, history, embeddings, found, metrics)


def split_unseen_people(faces: FaceSet, seed: int) -> tuple[FaceSet, FaceSet]:
    """The photographs of one half of the people, to train on, and of the other, for the test; proved to share nothing.

    For ORL and orl-wild the halves are the stored ones (``data/pairs/orl-people.csv``), so that all methods and seeds are
    judged on the same people; elsewhere they are drawn by the seed. Of five people two train: the test needs three.
    """
    count = len(faces.people)
    if faces.source.startswith("orl") and "+" not in faces.source:  # a joined set has other people too
        split = stored_people_split(faces)
    else:
        split = identity_disjoint_split(faces, train=2 if count == 5 else 0.5, seed=seed)
    train, test = faces.subset(split.train), faces.subset(split.test)
    assert_disjoint(train, test, kinds=("identity", "file", "hash"))
    return train, test


def check_measurable(test: FaceSet) -> None:
    """Refuse before a training what could not be measured after it.

    Args:
        test: photographs of the people who will be compared in pairs.

    Raises:
        BadParameterError: fewer than 3 people, or nobody with two photographs to compare; renderings of one photograph count
            as one.
    """
    if len(test.people) < MIN_TEST_PEOPLE:
        raise BadParameterError(
            f"The test photographs show {len(test.people)} people, an interval needs {MIN_TEST_PEOPLE} or more.",
            "Take a data set with more people, or ask for fewer photographs of each (facelab train --min-photos).",
        )
    if photographs_per_person(test).max() < 2:
        raise BadParameterError(
            f"None of the {len(test.people)} people to be tested has two photographs that could be compared.",
            "Take a data set with two photographs or more of a person: facelab data list.",
        )


def verification_pairs(test: FaceSet) -> Pairs:
    """All pairs of some photographs, but for renderings of one photograph."""
    return all_pairs(test, exclude_same="photo" if "photo" in test.attributes else None)


def embed_baselines(method: Method, train: FaceSet, test: FaceSet) -> dict[str, np.ndarray]:
    """Embeddings of the test photographs that need no training: by the baselines, and by a method before it learns."""
    found = {label: baseline(train.images)(test.images) for label, baseline in BASELINES.items()}
    return found | {"random network": embed_faces(method, test)}


def verification_metrics(
    pair_scores: Mapping[str, np.ndarray],
    test: FaceSet,
    pairs: Pairs,
    fars: tuple[float, ...],
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, dict[str, Estimate]]:
    """``eer``, ``auc`` and TAR at some FARs, by the scores that each method gives the pairs: name -> figure -> estimate."""
    return {
        name: verification_estimates(values, pairs, test.identity, fars, draws, seed)
        for name, values in pair_scores.items()
    }


def scene_ids(faces: FaceSet, column: str | None) -> np.ndarray | None:
    """Scenes for ``fit``: int (N,), equal where a column of the attribute table is; None without a column.

    Raises:
        BadParameterError: there is no such column, or a photograph has no value in it.
    """
    if column is None:
        return None
    table = faces.attributes
    if column not in table:
        raise BadParameterError(f"{faces.source} has no column {column!r}.", f"There are: {', '.join(table)}.")
    scenes, _ = pd.factorize(table[column])
    if missing := (scenes < 0).sum():
        raise BadParameterError(
            f"{missing} photographs of {faces.source} have no {column!r}.", "Choose a column without gaps."
        )
    return scenes


def complement(rate: Estimate) -> Estimate:
    """One minus a rate, with its interval turned over: an error as a share that is right."""
    return replace(rate, value=1 - rate.value, low=1 - rate.high, high=1 - rate.low)
