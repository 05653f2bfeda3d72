"""A class by the votes of the nearest photographs: what is usually reported of networks that learned without labels."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from facelab.errors import BadParameterError
from facelab.whole_numbers import check_whole_number

NEIGHBORS = 200  #: that vote, on sets of tens of thousands of photographs
TEMPERATURE = 0.1  #: of their weights


def predict_by_vote(
    gallery: np.ndarray,
    labels: np.ndarray,
    probes: np.ndarray,
    k: int = NEIGHBORS,
    temperature: float = TEMPERATURE,
) -> np.ndarray:
    """The class that the k photographs of greatest cosine give most weight, each exp(cosine / temperature).

    Wu et al., Unsupervised Feature Learning via Non-parametric Instance Discrimination, CVPR 2018, section 3.4 (there with
    a temperature of 0.07). No neighbour is dropped: the probes must be other photographs than the gallery.

    Args:
        gallery: float (G, D), embeddings whose classes are known.
        labels: int (G,), their classes.
        probes: float (N, D), embeddings that are asked about.
        k: how many vote; few where the gallery is small, as classes of fewer photographs than k / 2 can hardly win.
        temperature: greater than 0; the smaller, the more the nearest count.

    Returns:
        int64 (N,).

    Raises:
        BadParameterError: k is not 1 to G, a temperature of 0 or less, sizes that differ, or a value that is not finite.
    """
    gallery, probes, k = np.asarray(gallery), np.asarray(probes), check_whole_number(k, "k", 1)
    if not gallery.ndim == probes.ndim == 2 or gallery.shape[1] != probes.shape[1]:
        raise BadParameterError(
            f"A gallery of {gallery.shape}, probes of {probes.shape}.", "Give one row a photograph, of one network."
        )
    if not (np.isfinite(gallery).all() and np.isfinite(probes).all()):
        raise BadParameterError("Some embeddings are not finite.", "Look for the step where the training broke.")
    if k > len(gallery) or len(gallery) != len(labels):
        raise BadParameterError(
            f"k is {k}, of {len(gallery)} photographs with {len(labels)} labels.", "Give a label each, and a smaller k."
        )
    if not temperature > 0:
        raise BadParameterError(f"A temperature of {temperature:g}.", "Give more than 0, such as 0.1.")

    def weigh(distance: np.ndarray) -> np.ndarray:
        # less the nearest: a factor that all votes for one probe share, so that none is too small for a number
        return np.exp((distance.min(axis=1, keepdims=True) - distance) / temperature)

    vote = KNeighborsClassifier(k, weights=weigh, algorithm="brute", metric="cosine")
    return vote.fit(gallery, labels).predict(probes)
