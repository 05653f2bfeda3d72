"""Has a network collapsed? Figures that see it in the embeddings, or in the predicted classes, without a test set."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist
from scipy.special import entr, logsumexp
from sklearn.preprocessing import normalize

from facelab.errors import BadParameterError


def per_dimension_std(embeddings: np.ndarray) -> np.ndarray:
    """Standard deviation of each dimension over the photographs, embeddings scaled to unit norm.

    Near 1 / sqrt(D) in each where they are spread over the sphere, 0 where all photographs have one embedding (Chen and He,
    CVPR 2021, arXiv 2011.10566, section 4.1). A few dimensions that carry everything keep the mean of these away from 0:
    see ``effective_rank``.

    Args:
        embeddings: float (N, D), N >= 2, any norm.

    Returns:
        float64 (D,), 0 to 1.

    Raises:
        BadParameterError: fewer than 2 rows, or a value that is not finite.
    """
    return normalize(_rows(embeddings)).std(0)


def effective_rank(embeddings: np.ndarray) -> float:
    """How many directions the embeddings use: exp of the entropy of their singular values, which are scaled to sum 1.

    Roy and Vetterli (EUSIPCO 2007); RankMe (Garrido et al., ICML 2023, arXiv 2210.02885) is the same figure, there
    with 1e-7 added to each share. Embeddings are taken as they are, neither centred nor scaled. It can be no greater than
    N, so give many more photographs than dimensions.

    Args:
        embeddings: float (N, D), N >= 2.

    Returns:
        1 (one direction) to min(N, D); 0 where all embeddings are zero.

    Raises:
        BadParameterError: as ``per_dimension_std``.
    """
    values = np.linalg.svd(_rows(embeddings), compute_uv=False)
    return float(np.exp(entr(values / values.sum()).sum())) if values.any() else 0.0


def alignment(z1: np.ndarray, z2: np.ndarray, alpha: float = 2.0) -> float:
    """Mean of ||z1 - z2|| ** alpha over the positive pairs: small where two views of a photograph have one embedding.

    Wang and Isola (ICML 2020, arXiv 2005.10242, section 4.1.1). 0 alone is no merit: a collapsed network has it, so read it
    with ``uniformity``.

    Args:
        z1: float (N, D), N >= 2, any norm: scaled to unit norm here.
        z2: float (N, D), the other view of each photograph.
        alpha: power of the distance, above 0.

    Returns:
        0 (views agree) to 2 ** alpha (views are opposite).

    Raises:
        BadParameterError: as ``per_dimension_std``, or the shapes differ.
    """
    if z1.shape != z2.shape:
        raise BadParameterError(f"Views are {z1.shape} and {z2.shape}.", "Give two embeddings of each photograph.")
    distance = np.linalg.norm(normalize(_rows(z1)) - normalize(_rows(z2)), axis=1)
    return float((distance**alpha).mean())


def uniformity(z: np.ndarray, t: float = 2.0) -> float:
    """Log of the mean of exp(-t ||a - b|| ** 2) over all pairs of photographs: low where they spread over the sphere.

    Wang and Isola (ICML 2020, arXiv 2005.10242, section 4.1.2). It holds all N (N - 1) / 2 distances: some thousand rows.

    Args:
        z: float (N, D), N >= 2, any norm: scaled to unit norm here.
        t: sharpness, above 0.

    Returns:
        0 (all photographs have one embedding) down to -4 t (two opposite points); evenly spread over the sphere in many
        dimensions -2 t.

    Raises:
        BadParameterError: as ``per_dimension_std``.
    """
    exponents = -t * pdist(normalize(_rows(z)), "sqeuclidean")
    return float(logsumexp(exponents) - np.log(len(exponents)))


def collapse_metrics(z1: np.ndarray, z2: np.ndarray) -> dict[str, float]:
    """The figures above by name, for the log of a training: of the first views, and of the agreement of both.

    Args:
        z1: float (N, D), embeddings of one view of each photograph.
        z2: float (N, D), of another view.

    Returns:
        ``relative_std`` (mean of ``per_dimension_std`` times sqrt(D): 0 collapsed, 1 spread), ``effective_rank``,
        ``alignment`` and ``uniformity``.
    """
    return {
        "relative_std": float(per_dimension_std(z1).mean() * np.sqrt(z1.shape[1])),
        "effective_rank": effective_rank(z1),
        "alignment": alignment(z1, z2),
        "uniformity": uniformity(z1),
    }


def active_units(means: np.ndarray, min_variance: float = 0.01) -> float:
    """Share of a variational embedding's dimensions whose mean varies over the photographs: var_n(mean_nd) > ``min_variance``.

    Burda, Grosse and Salakhutdinov (arXiv 1509.00519, section 5.2). Where the pull to the prior wins, the posterior collapses:
    a dimension says N(0, 1) of every photograph, its KL divergence is 0, and it is not active.

    Args:
        means: float (N, D), N >= 2, means of the distributions.
        min_variance: variance from which a dimension counts; .01 in the paper.

    Returns:
        0 (all collapsed) to 1.

    Raises:
        BadParameterError: as ``per_dimension_std``.
    """
    return float((_rows(means).var(axis=0) > min_variance).mean())


def predicted_class_shares(predicted: np.ndarray, classes: int) -> np.ndarray:
    """Histogram of predicted classes.

    Args:
        predicted: int (N,), 0 ... classes - 1.
        classes: how many there are.

    Returns:
        float64 (classes,), share of the photographs that each class is given; they add up to 1.

    Raises:
        BadParameterError: no prediction, or one outside the classes.
    """
    predicted = np.asarray(predicted)
    if not len(predicted) or not 0 <= predicted.min() <= predicted.max() < classes:
        raise BadParameterError(
            f"{len(predicted)} predictions, {classes} classes.", "Predict classes counted from 0, once an image."
        )
    return np.bincount(predicted, minlength=classes) / len(predicted)


def largest_class_share(predicted: np.ndarray, classes: int) -> float:
    """Share of the class that is predicted most often: 1 / classes (evenly) to 1 (one class only).

    On a test set that is half one class, a classifier that knows no other reads as 50 % accuracy; here it reads as 1.
    Arguments and errors as ``predicted_class_shares``.
    """
    return float(predicted_class_shares(predicted, classes).max())


def _rows(embeddings: np.ndarray) -> np.ndarray:
    if embeddings.ndim != 2 or len(embeddings) < 2:
        raise BadParameterError(f"Embeddings are {embeddings.shape}.", "Give (N, D) of two photographs or more.")
    if not np.isfinite(embeddings).all():
        raise BadParameterError("Some embeddings are not finite.", "Look for the step where the training broke.")
    return embeddings.astype(np.float64)
