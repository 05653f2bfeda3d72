"""Nearest neighbours of faces by cosine: exact, Annoy and HNSW (faiss) behind one interface.

index = build_index(embeddings, photograph_names, "annoy", model=sha256_of_the_weights)
ids, cosine = index.search(queries, k=5)
"""

from facelab.search.annoy import AnnoyBrokenWarning, annoy_works, cosine_of_angular
from facelab.search.index import KINDS, Index, build_index
from facelab.search.recall import recall_at_k, recall_of
from facelab.search.storage import load_index, save_index

__all__ = [
    "KINDS",
    "AnnoyBrokenWarning",
    "Index",
    "annoy_works",
    "build_index",
    "cosine_of_angular",
    "load_index",
    "recall_at_k",
    "recall_of",
    "save_index",
]
