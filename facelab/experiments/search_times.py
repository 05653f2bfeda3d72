"""Exact, Annoy or HNSW? What they take and what they find, from a thousand simulated faces to a million.

The experiment measures simulated faces, one core; ``recall_grid`` is what notebook 06 measures itself, on embeddings.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from facelab.errors import BadParameterError
from facelab.experiments.experiment import Cell, Experiment, Figures, Results
from facelab.records import Metric
from facelab.search import ENGINES, Index, build_index, recall_from_ids, save_index
from facelab.search.checks import check_options

SIZES = (1_000, 10_000, 100_000, 1_000_000)
#: of simulated faces; two of one person have a mean cosine of 1 / (1 + SPREAD**2)
DIMENSION, SHOTS, SPREAD = 128, 10, 0.8
K, BATCH, BATCHES = 10, 100, 5  #: neighbours of a query, queries of a batch, batches that are timed
#: kind, options of the building, and the efforts with which it is searched
SETTINGS: list[tuple[str, dict[str, int], list[dict[str, int]]]] = [
    ("exact", {}, [{}]),  # first: the others are judged by it
    ("annoy", {"trees": 10}, [{"search_k": 1_000}, {"search_k": 10_000}]),
    ("faiss", {}, [{}]),
]


def simulated_faces(n: int, queries: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of ``n`` photographs, ten a person, and of further photographs of some of these people.

    A person is a normal vector, a photograph that vector and a normal error; not yet of unit norm.

    Returns:
        float32 (n, 128) and (queries, 128).
    """
    rng = np.random.default_rng(seed)
    people = rng.standard_normal((-(-n // SHOTS), DIMENSION), dtype=np.float32)

    def photographs(person: np.ndarray) -> np.ndarray:
        errors = rng.standard_normal((len(person), DIMENSION), dtype=np.float32)
        errors *= np.float32(SPREAD)
        errors += people[person]
        return errors

    return photographs(np.arange(n) // SHOTS), photographs(rng.integers(len(people), size=queries))


def measure(n: int, seed: int = 0) -> dict[str, Metric]:
    """Every setting on ``n`` simulated faces.

    Returns:
        ``SETTING/n/WHAT``: ``build_s``; ``query_us``, a query's microseconds, median over batches with their least and
        greatest; ``bytes`` of the stored index, which is about what it takes in memory; ``recall@10``.
    """
    vectors, queries = simulated_faces(n, BATCH * BATCHES, seed)
    right, found = None, {}
    for kind, options, efforts in SETTINGS:
        started = time.perf_counter()
        built = build_index(vectors, np.arange(n), kind, model="simulated", **options)
        seconds, size = time.perf_counter() - started, stored_bytes(built)
        for effort in efforts:
            ids, took = time_search(built.with_options(**effort), queries)
            right = ids if right is None else right
            setting = f"{setting_name(kind, effort)}/{n}"
            found[f"{setting}/build_s"] = Metric(seconds)
            found[f"{setting}/query_us"] = Metric(
                float(np.median(took)), BATCHES, min(took), max(took), f"range of {BATCHES} batches of {BATCH}"
            )
            found[f"{setting}/bytes"] = Metric(size)
            found[f"{setting}/recall@{K}"] = Metric.from_estimate(recall_from_ids(ids, right))
    return found


def setting_name(kind: str, effort: dict[str, int]) -> str:
    """``"annoy search_k=1000"``."""
    return " ".join([kind, *(f"{option}={value}" for option, value in effort.items())])


def time_search(
    index: Index, queries: np.ndarray, exclude: np.ndarray | None = None, k: int = K
) -> tuple[np.ndarray, list[float]]:
    """Search in batches of 100: ids (n, k), and microseconds a query of each batch."""
    ids, took = [], []
    for at in range(0, len(queries), BATCH):
        part = slice(at, at + BATCH)
        started = time.perf_counter()
        ids.append(index.search(queries[part], k, None if exclude is None else exclude[part])[0])
        took.append((time.perf_counter() - started) / len(ids[-1]) * 1e6)
    return np.concatenate(ids), took


def stored_bytes(index: Index) -> int:
    """Size of an index as a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "index")
        save_index(index, path)
        return path.stat().st_size


def recall_grid(
    vectors: np.ndarray, trees: Sequence[int], search_k: Sequence[int], k: int = K, seed: int = 0, queries: int = 500
) -> pd.DataFrame:
    """Annoy's recall and time for each number of trees and each effort, on embeddings that are searched in themselves.

    Args:
        vectors: real (N, D).
        trees: numbers of trees, from 1.
        search_k: numbers of vectors that a search looks at, from 1.
        k: neighbours of a query, without itself.
        seed: of the forests, and of the draw of the queries.
        queries: how many of the vectors are searched, drawn; all where there are fewer.

    Returns:
        A row a setting: trees, search_k, recall with low and high (95 %), query_us (median over batches), build_s.

    Raises:
        BadParameterError: a search_k below 1, or as ``build_index`` and ``Index.search``.
    """
    if min(search_k) < 1:
        raise BadParameterError(
            f"search_k is {min(search_k)}.", "Give numbers from 1, so that efforts can be compared."
        )
    ids = np.arange(len(vectors))
    drawn = np.random.default_rng(seed).permutation(ids)[:queries]
    exact = build_index(vectors, ids, model="grid")
    right, _ = exact.search(vectors[drawn], k, exclude=drawn)
    rows = []
    for count in trees:
        started = time.perf_counter()
        forest = build_index(vectors, ids, "annoy", model="grid", trees=count, seed=seed)
        seconds = time.perf_counter() - started
        for effort in search_k:
            found, took = time_search(forest.with_options(search_k=effort), vectors[drawn], drawn, k)
            recall = recall_from_ids(found, right)
            rows.append([count, effort, recall.value, recall.low, recall.high, float(np.median(took)), seconds])
    return pd.DataFrame(rows, columns=["trees", "search_k", "recall", "low", "high", "query_us", "build_s"])


def cheapest_setting(grid: pd.DataFrame, recall: float = 0.95) -> pd.Series:
    """The row of ``recall_grid`` with the least effort (search_k, then trees) among those that find enough.

    Not the quickest row: times of a shared machine change from run to run, the effort does not.

    Args:
        grid: from ``recall_grid``.
        recall: the least recall, 0 to 1.

    Raises:
        BadParameterError: no setting finds so much.
    """
    enough = grid[grid["recall"] >= recall]
    if enough.empty:
        raise BadParameterError(
            f"The best recall of the grid is {grid['recall'].max():.3f}, below {recall}.",
            "Try more trees or a greater search_k.",
        )
    return enough.sort_values(["search_k", "trees"]).iloc[0]


def grid(seeds: int) -> list[Cell]:
    """Every number of faces."""
    fixed = {"dimension": DIMENSION, "shots": SHOTS, "spread": SPREAD, "k": K, "batches": [BATCHES, BATCH], "seed": 0}
    return [Cell((n,), {**fixed, "settings": SETTINGS}) for n in SIZES]


def run(cell: Cell) -> Figures:
    """Metrics of every setting at one number of faces, as JSON; see ``measure``."""
    (n,) = cell.key
    return {name: asdict(metric) for name, metric in measure(n).items()}


def summarise(results: Results) -> dict[str, Metric]:
    """All metrics of all numbers of faces."""
    return {name: Metric(**metric) for figures in results.values() for name, metric in figures.items()}


def parameters(seeds: int) -> dict[str, object]:
    """Of the record."""
    return {
        "dataset": "simulated",
        "sizes": list(SIZES),
        "dimension": DIMENSION,
        "shots": SHOTS,
        "spread": SPREAD,
        "k": K,
        "seed": 0,
        "settings": {
            setting_name(kind, effort): check_options(kind, ENGINES[kind].OPTIONS, options | effort)
            for kind, options, efforts in SETTINGS
            for effort in efforts
        },
    }


EXPERIMENTS = (
    Experiment(
        name="06_search_times", notebook="06", datasets=(),
        shows="exact, Annoy and HNSW, from a thousand simulated faces to a million",
        grid=grid, run=run, summarise=summarise, parameters=parameters,
        seeds=0, alone=True, packages=("annoy", "faiss-cpu"), extra="ann",
    ),
)  # fmt: skip
