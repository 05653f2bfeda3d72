"""The open question: pairs of people who were in no training. One person, or two?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from facelab.datasets import FaceSet
from facelab.datasets.leakage import assert_disjoint
from facelab.datasets.pairs import Pairs, all_pairs
from facelab.datasets.splits import identity_disjoint, stored_people
from facelab.evaluation import BASELINES, Estimate, scores, verification_figures
from facelab.methods import Method, embed_faces
from facelab.training import History, Monitor, Plan, fit


@dataclass(frozen=True)
class UnseenPeople:
    """What one experiment on unseen people gave.

    Attributes:
        test: photographs of the people who were in no training.
        pairs: all pairs of them, but for renderings of one photograph.
        method: the trained method.
        history: of its training.
        embeddings: name -> of the test photographs, by the baselines, the random network and the trained one (``CNN``).
        scores: name -> cosine of each pair.
        figures: name -> ``eer``, ``auc`` and TAR at the FARs asked for, intervals by bootstrap over people.
    """

    test: FaceSet
    pairs: Pairs
    method: Method
    history: History
    embeddings: dict[str, np.ndarray]
    scores: dict[str, np.ndarray]
    figures: dict[str, dict[str, Estimate]]


def unseen_people(
    faces: FaceSet,
    build: Callable[[FaceSet], Method],
    plan: Plan,
    *,
    fars: tuple[float, ...] = (0.01,),
    draws: int = 1000,
    name: str = "CNN",
    scene: str | None = None,
    monitors: Sequence[Monitor] = (),
) -> UnseenPeople:
    """Train on half of the people, compare photographs of the other half.

    For ORL and orl-wild the halves are the stored ones (``data/pairs/orl-people.csv``), so that all methods and seeds are
    judged on the same people; elsewhere they are drawn by the seed of the plan.

    Args:
        faces: photographs of known people.
        build: makes the untrained method for the training people; called twice with the same result.
        plan: its training.
        fars: false accept rates at which the true accept rate is given.
        draws: of the bootstrap.
        name: what the trained network is called in the results.
        scene: column of the attribute table; photographs with one value there are one scene for ``fit``.
        monitors: of the training.
    """
    stored = faces.source.startswith("orl")
    split = stored_people(faces) if stored else identity_disjoint(faces, train=0.5, seed=plan.seed)
    train, test = faces.subset(split.train), faces.subset(split.test)
    assert_disjoint(train, test, by=("identity", "file", "hash"))
    pairs = all_pairs(test, exclude_same="photo" if "photo" in test.attributes else None)
    embeddings = {label: baseline(train.images)(test.images) for label, baseline in BASELINES.items()}
    method = build(train)
    embeddings["random network"] = embed_faces(method, test)
    scenes = None if scene is None else train.attributes[scene].to_numpy()
    history = fit(method, train, plan, scenes=scenes, monitors=monitors)
    embeddings[name] = embed_faces(method, test)
    found = {label: scores(rows, pairs) for label, rows in embeddings.items()}
    figures = {
        label: verification_figures(values, pairs, test.identity, fars, draws, plan.seed)
        for label, values in found.items()
    }
    return UnseenPeople(test, pairs, method, history, embeddings, found, figures)


def complement(rate: Estimate) -> Estimate:
    """One minus a rate, with its interval turned over: an error as a share that is right."""
    return replace(rate, value=1 - rate.value, low=1 - rate.high, high=1 - rate.low)
