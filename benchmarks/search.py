"""Exact search beside faiss and scikit-learn; Annoy and HNSW as the record of ``06_search_times`` has them."""

from __future__ import annotations

import faiss
import numpy as np
from sklearn.neighbors import NearestNeighbors

from benchmarks.timing import OURS, Effort, Row, Spread, compare
from facelab.experiments.search_times import K, simulated_faces
from facelab.paths import project_data
from facelab.records import read_record
from facelab.search import build_index

TITLE = "Search for the ten nearest faces"
RECORD = "06_search_times"


def measure(effort: Effort) -> list[Row]:
    """Queries a second, of embeddings of 128 dimensions."""
    sizes = effort.choose((1_000,), (10_000, 100_000, 1_000_000))
    return [_measure(n, effort) for n in sizes] + recorded()


def _measure(n: int, effort: Effort) -> Row:
    count = effort.choose(4, 50)
    vectors, queries = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in simulated_faces(n, count))
    ours = build_index(vectors, np.arange(n), model="simulated")
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    neighbours = NearestNeighbors(n_neighbors=K, algorithm="brute", metric="cosine").fit(vectors)
    functions = {
        OURS: lambda: ours.search(queries, K),
        "faiss, flat": lambda: flat.search(queries, K),
        "scikit-learn": lambda: neighbours.kneighbors(queries),
    }
    return compare(f"exact search of {n:,} faces", "queries/s", effort.side_by_side(functions, rounds=5), count)


def recorded() -> list[Row]:
    """What the record says of a million faces: they take ten minutes to build. Of its day and machine, and not of this run;
    low and high are the least and greatest of its batches."""
    record = read_record(project_data("results", f"{RECORD}.json"))
    metrics, source = record.metrics, f"record {RECORD} of {record.created[:10]}"
    rows = []
    for name, metric in metrics.items():
        setting, size, what = name.split("/")
        if what == "query_us" and size == "1000000" and setting != "exact":
            recall = metrics[f"{setting}/{size}/recall@{K}"].value
            # seconds at most are queries a second at least
            speed = Spread(*(1e6 / value for value in (metric.value, metric.high, metric.low)), metric.n)
            title = f"{setting}, {int(size):,} faces, recall {recall:.2f} ({source})"
            rows.append(Row(title, "queries/s", {OURS: speed}))
    return rows
