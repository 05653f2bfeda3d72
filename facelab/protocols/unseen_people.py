"""The open question: pairs of people who were in no training. One person, or two?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from facelab.datasets import FaceSet
from facelab.datasets.leakage import assert_disjoint
from facelab.datasets.pair_samples import draw_from_all_pairs
from facelab.datasets.pairs import Pairs, all_pairs, photographs_per_person
from facelab.datasets.splits import identity_disjoint_split, stored_people_split
from facelab.errors import BadParameterError
from facelab.evaluation import BASELINES, Estimate, cosine_scores, verification_estimates_by_model
from facelab.methods import Method, embed_faces
from facelab.progress import progress_bar
from facelab.training import CheckpointFolder, History, Monitor, Plan, fit

MIN_TEST_PEOPLE = 3  #: that an interval over people needs
#: Pairs up to which all are compared. Each of the thousand draws of an interval goes through all of them.
MAX_PAIRS = 2_000_000
#: Pairs that are drawn where there are more. So many add +- 0.13 points to an FNMR of 10 %, and 500 false matches are
#: expected at the least FMR that ``facelab train`` shows, 0.001: what makes an interval wide is that people differ.
GENUINE_SAMPLE, IMPOSTOR_SAMPLE = 200_000, 500_000
PAIRS_AT_A_TIME = 2048  #: of embeddings that are not kept


@dataclass(frozen=True)
class UnseenPeopleResult:
    """What one experiment on unseen people gave.

    Attributes:
        test: photographs of the people who were in no training.
        pairs: of them, by ``verification_pairs``.
        method: the trained method.
        history: of its training.
        embeddings: name -> of the test photographs, by the baselines, the random network and the trained one (``CNN``);
            without those of raw pixels where the pairs are a sample: they have as many numbers as the photographs.
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
    folder: CheckpointFolder | None = None,
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
        folder: where the checkpoint is kept; None: nowhere.
    """
    train, test = split_unseen_people(faces, plan.seed)
    pairs, method = verification_pairs(test, plan.seed), build(train)
    found, embeddings = score_baselines(method, train, test, pairs)
    history = fit(method, train, plan, scenes=scene_ids(train, scene), monitors=monitors, folder=folder)
    embeddings[name] = embed_faces(method, test)
    found[name] = cosine_scores(embeddings[name], pairs)
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


def verification_pairs(test: FaceSet, seed: int = 0) -> Pairs:
    """All pairs of some photographs, but for renderings of one photograph; of more than ``MAX_PAIRS`` a random sample."""
    exclude = "photo" if "photo" in test.attributes else None
    if len(test) * (len(test) - 1) // 2 <= MAX_PAIRS:
        return all_pairs(test, exclude)
    return draw_from_all_pairs(test, GENUINE_SAMPLE, IMPOSTOR_SAMPLE, seed, exclude)


def embed_baselines(method: Method, train: FaceSet, test: FaceSet) -> dict[str, np.ndarray]:
    """Embeddings of the test photographs that need no training: by the baselines, and by a method before it learns."""
    found = {label: baseline(train.images)(test.images) for label, baseline in BASELINES.items()}
    return found | {"random network": embed_faces(method, test)}


def score_baselines(
    method: Method, train: FaceSet, test: FaceSet, pairs: Pairs
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Cosine of each pair by what needs no training, and the embeddings of ``embed_baselines``: name -> float array, each.

    Where the pairs are a sample, those of raw pixels are made for some pairs at a time, and left out of the embeddings.
    """
    if pairs.population is None:
        embeddings = embed_baselines(method, train, test)
        return {name: cosine_scores(rows, pairs) for name, rows in embeddings.items()}, embeddings
    pixels, pca = (baseline(train.images) for baseline in BASELINES.values())
    embeddings = {"whitened PCA": pca(test.images), "random network": embed_faces(method, test)}
    scores = {"raw pixels": score_in_pieces(pixels, test, pairs)}
    return scores | {name: cosine_scores(rows, pairs) for name, rows in embeddings.items()}, embeddings


def score_in_pieces(embed: Callable[[np.ndarray], np.ndarray], faces: FaceSet, pairs: Pairs) -> np.ndarray:
    """``cosine_scores`` of pairs whose embeddings are too long to be kept: made for ``PAIRS_AT_A_TIME`` of them and dropped.

    Args:
        embed: uint8 (N, H, W, C) -> float (N, D).
        faces: the photographs that the pairs point into.
        pairs: M pairs of rows.

    Returns:
        float64 (M,).
    """
    scores = np.empty(len(pairs))
    with progress_bar("comparing pairs", len(pairs), delay=1.0) as shown:
        for at in range(0, len(pairs), PAIRS_AT_A_TIME):
            part = pairs.subset(slice(at, at + PAIRS_AT_A_TIME))
            rows, place = np.unique(np.concatenate([part.first, part.second]), return_inverse=True)
            first, second = np.split(place, 2)
            moved = replace(part, first=first, second=second)
            scores[at : at + len(part)] = cosine_scores(embed(faces.images[rows]), moved)
            shown.advance(len(part))
    return scores


def verification_metrics(
    pair_scores: Mapping[str, np.ndarray],
    test: FaceSet,
    pairs: Pairs,
    fars: tuple[float, ...],
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, dict[str, Estimate]]:
    """``eer``, ``auc`` and TAR at some FARs, by the scores that each method gives the pairs: name -> figure -> estimate."""
    return verification_estimates_by_model(pair_scores, pairs, test.identity, fars, draws, seed)


def scene_ids(faces: FaceSet, column: str | None) -> np.ndarray | None:
    """Scenes for ``fit``: int (N,), equal where a column of the attribute table is; None without a column.

    The column ``"person"``, where the table has none, is who is on the photograph.

    Raises:
        BadParameterError: there is no such column, or a photograph has no value in it.
    """
    if column is None:
        return None
    table = faces.attributes
    if column == "person" and column not in table:
        table = table.assign(person=np.where(faces.identity < 0, None, faces.identity))
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
