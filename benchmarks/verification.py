"""Scores, curve and intervals of many pairs."""

from __future__ import annotations

import numpy as np

from benchmarks.timing import OURS, Effort, Row, Spread, compare, single_call
from facelab.datasets.pairs import Pairs
from facelab.evaluation import cosine_scores, eer, roc, verification_estimates
from facelab.experiments.search_times import SHOTS, simulated_faces

TITLE = "Verification"
DRAWS = 100
WEIGHTED = f"{DRAWS} weighted ROCs of scikit-learn"


def simulated_pairs(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, Pairs]:
    """Simulated embeddings (N, 128), the person of each, int64 (N,), and ``count`` pairs of them, a tenth of them genuine."""
    rng = np.random.default_rng(seed)
    n = max(100, count // 100)
    embeddings, _ = simulated_faces(n, 1, seed)
    person = np.arange(n) // SHOTS
    first = rng.integers(n // SHOTS * SHOTS, size=count)
    step = rng.integers(1, SHOTS, size=count)
    second = np.where(
        np.arange(count) < count // 10,
        first // SHOTS * SHOTS + (first + step) % SHOTS,
        (first + SHOTS * rng.integers(1, n // SHOTS, size=count)) % (n // SHOTS * SHOTS),
    )
    return embeddings, person, Pairs(first, second, person[first] == person[second], np.zeros(count, dtype=np.int64))


def measure(effort: Effort) -> list[Row]:
    """Cosines; ROC and EER; and intervals by the bootstrap, beside as many ROCs of scikit-learn from weighted pairs."""
    count = effort.choose(1_000, 10_000_000)
    embeddings, person, pairs = simulated_pairs(count)
    scores = cosine_scores(embeddings, pairs)
    weight = np.random.default_rng(0).integers(0, 3, size=count).astype(np.float64)
    functions = {
        "cosines": lambda: cosine_scores(embeddings, pairs),
        "curve": lambda: eer(roc(scores, pairs.same)),
        "weighted curve": lambda: eer(roc(scores, pairs.same, weight)),
        "intervals": lambda: verification_estimates(scores, pairs, person, draws=DRAWS),
    }
    seconds = effort.take_turns({name: single_call(function) for name, function in functions.items()}, rounds=3)
    return [
        Row(f"cosines of {count:,} pairs", "s", {OURS: Spread.of(seconds["cosines"])}),
        Row(f"ROC and EER of {count:,} pairs", "s", {OURS: Spread.of(seconds["curve"])}),
        compare(
            f"EER and AUC of {count:,} pairs in {DRAWS} draws of people",
            "s",
            {OURS: seconds["intervals"], WEIGHTED: DRAWS * np.asarray(seconds["weighted curve"])},
        ),
    ]
