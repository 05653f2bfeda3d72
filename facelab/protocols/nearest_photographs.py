"""Test photographs looked up among training photographs, at a cost that grows no faster than the data set."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from facelab.datasets import FaceSet
from facelab.evaluation import TopK, topk_by_neighbors, topk_by_scores
from facelab.evaluation.topk import MAX_PRODUCT, block_size, topk_by_neighbors_in_blocks
from facelab.methods import Method

#: Test photographs that are looked up, drawn at random where there are more. A share of 5,000 has a 95 % interval of
#: +- 1.4 points at most, and each of them takes a comparison with every training photograph.
MAX_PROBES = 5_000
PIECE = 4096  #: photographs whose class scores are held at a time


def draw_probes(test: FaceSet, seed: int = 0) -> FaceSet:
    """The test photographs to look up: all of them, or ``MAX_PROBES`` drawn at random, in their order."""
    if len(test) <= MAX_PROBES:
        return test
    return test.subset(np.sort(np.random.default_rng(seed).choice(len(test), MAX_PROBES, replace=False)))


def rank_by_nearest(embed: Callable[[FaceSet], np.ndarray], gallery: FaceSet, probes: FaceSet) -> TopK:
    """People in the order of their gallery photograph that is nearest to the probe: exact, by cosine.

    Of a large gallery the embeddings are computed and compared block by block.

    Args:
        embed: photographs -> float (N, D).
        gallery: the photographs that are searched; everybody of the probes is there.
        probes: other photographs.
    """
    if len(gallery) * len(probes) <= MAX_PRODUCT:
        return topk_by_neighbors(embed(gallery), gallery.identity, embed(probes), probes.identity)
    step = block_size(len(probes))
    blocks = (embed(gallery.subset(np.arange(at, min(at + step, len(gallery))))) for at in range(0, len(gallery), step))
    return topk_by_neighbors_in_blocks(blocks, gallery.identity, embed(probes), probes.identity)


def rank_by_class_scores(method: Method, faces: FaceSet, labels: np.ndarray) -> TopK:
    """``topk_by_scores`` of a method that has ``predict``; of many photographs the scores of one piece are in memory at a time.

    Args:
        method: whose classes ``labels`` are.
        faces: clean photographs.
        labels: int (N,), their classes.
    """
    ranks = [
        topk_by_scores(method.predict(faces.subset(rows)), labels[rows])
        for rows in np.array_split(np.arange(len(faces)), range(PIECE, len(faces), PIECE))
    ]
    return TopK(*(np.concatenate([getattr(part, name) for part in ranks]) for name in ("rank", "predicted")))
