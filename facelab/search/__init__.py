"""Nearest neighbours of faces by cosine: exact, Annoy and HNSW (faiss) behind one interface.

index = build_index(embeddings, photograph_names, "annoy", model=sha256_of_the_weights)
ids, cosine = index.search(queries, k=5)

It takes embeddings and knows no network.

Imports from facelab: evaluation.
"""

from facelab.search.annoy import AnnoyBrokenWarning, cosine_of_angular, is_annoy_reliable
from facelab.search.index import ENGINES, Index, build_index
from facelab.search.kmeans import fit_kmeans_by_search
from facelab.search.recall import recall_at_k, recall_from_ids
from facelab.search.storage import load_index, save_index

__all__ = [
    "ENGINES",
    "AnnoyBrokenWarning",
    "Index",
    "build_index",
    "cosine_of_angular",
    "fit_kmeans_by_search",
    "is_annoy_reliable",
    "load_index",
    "recall_at_k",
    "recall_from_ids",
    "save_index",
]
