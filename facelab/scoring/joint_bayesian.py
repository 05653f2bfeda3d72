"""Joint Bayesian: is it likelier that these two embeddings come from one person or from two?

Chen, Cao, Wang, Wen and Sun, Bayesian Face Revisited, ECCV 2012. An embedding is x = mu + eps, the person's own mean
mu ~ N(0, S_mu) and what changes from photograph to photograph, eps ~ N(0, S_eps). The score of a pair is the log-likelihood
ratio of one mu against two, Eq. (4):

    r(x1, x2) = log P(x1, x2 | one person) - log P(x1, x2 | two people)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from facelab.datasets.pairs import Pairs
from facelab.errors import BadParameterError

FLOOR = 1e-6  #: least variance within people, as a share of the mean one: keeps S_eps invertible


@dataclass(frozen=True)
class JointBayesian:
    """A model in axes where both covariances are diagonal: y = (x - center) axes has S_eps = I and S_mu = diag(between).

    There the ratio is a sum over axes, with l = between and a = l + 1:

        r = sum_j  l / (a^2 - l^2) y1 y2  -  l^2 / (2 a (a^2 - l^2)) (y1^2 + y2^2)  +  log a - log(a^2 - l^2) / 2

    Attributes:
        center: float64 (D,), mean embedding.
        axes: float64 (D, D), one in each column.
        between: float64 (D,), variance of people's means along each axis, 0 or more, where that within people is 1.
    """  # fmt: skip

    center: np.ndarray
    axes: np.ndarray
    between: np.ndarray

    def project(self, embeddings: np.ndarray) -> np.ndarray:
        """Embeddings (N, D) in the model's axes: float64 (N, D).

        Raises:
            BadParameterError: another length than the model was fitted on, or a value that is not finite.
        """
        embeddings = _checked(embeddings)
        if embeddings.shape[1] != len(self.center):
            raise BadParameterError(
                f"Embeddings of {embeddings.shape[1]} numbers.", f"This model was fitted on {len(self.center)}."
            )
        return (embeddings - self.center) @ self.axes

    def scores(self, embeddings: np.ndarray, pairs: Pairs) -> np.ndarray:
        """The log-likelihood ratio of each pair, in nats: float64 (M,); above 0 speaks for one person.

        Args:
            embeddings: float (N, D).
            pairs: M pairs of rows.

        Raises:
            BadParameterError: as ``project``.
        """
        y = self.project(embeddings)
        cross, own, constant = self._coefficients()
        alone = (y**2) @ own
        both = np.einsum("md,md->m", y[pairs.first] * cross, y[pairs.second])
        return both - alone[pairs.first] - alone[pairs.second] + constant

    def score_matrix(self, embeddings: np.ndarray, others: np.ndarray) -> np.ndarray:
        """The ratio of each of (N, D) with each of (M, D): float64 (N, M)."""
        y, z = self.project(embeddings), self.project(others)
        cross, own, constant = self._coefficients()
        return (y * cross) @ z.T - ((y**2) @ own)[:, None] - ((z**2) @ own)[None, :] + constant

    def _coefficients(self) -> tuple[np.ndarray, np.ndarray, float]:
        between, total = self.between, self.between + 1
        determinant = total**2 - between**2  # of the covariance of (y1, y2) along one axis, in one person
        cross, own = between / determinant, between**2 / (2 * total * determinant)
        return cross, own, float(np.log(total).sum() - np.log(determinant).sum() / 2)


def fit_joint_bayesian(
    embeddings: np.ndarray, identity: np.ndarray, shrinkage: float = 0.0, iterations: int = 10
) -> JointBayesian:
    """The two covariances by expectation maximisation, from the scatter between and within people.

    Each iteration first finds the axes where the present covariances are diagonal. There, for a person with m photographs of
    mean y, the posterior of the person's own mean is a number an axis (D. Chen et al., section 3.2, invert matrices instead):

        E[mu] = m l y / (m l + 1)        Var[mu] = l / (m l + 1)

    and the new covariances are the expected scatter of mu over people, and of y - mu over photographs. The original's M step
    leaves out Var[mu]; here it is in, so that the likelihood never falls.

    Args:
        embeddings: float (N, D), of training people only.
        identity: int (N,), whose each is; people with one photograph say something of the sum of both covariances.
        shrinkage: 0 to 1: so much of S_eps is replaced by a multiple of the identity of the same trace, in each iteration. A
            network has seen the training people, whose photographs it has drawn together more than it will strangers'.
        iterations: 1 or more.

    Raises:
        BadParameterError: photographs of unknown people (-1), fewer than two people, nobody with two photographs, a value that
            is not finite, or a setting out of its range.
    """  # fmt: skip
    embeddings = _checked(embeddings)
    unknown = int((np.asarray(identity) < 0).sum())
    if unknown:
        raise BadParameterError(
            f"{unknown} photographs are of unknown people: together they would be one person.", "Leave them out."
        )
    people, row_of, photographs = np.unique(identity, return_inverse=True, return_counts=True)
    if len(people) < 2 or photographs.max() < 2:
        raise BadParameterError(
            f"Joint Bayesian was given {len(people)} people with {photographs.max(initial=0)} photographs at most.",
            "Give two people or more, some of them with two photographs or more.",
        )
    if not 0 <= shrinkage <= 1 or iterations < 1:
        raise BadParameterError(
            f"Joint Bayesian with a shrinkage of {shrinkage} and {iterations} iterations.",
            "Give a shrinkage from 0 to 1, and 1 iteration or more.",
        )
    center = embeddings.mean(axis=0)
    x = embeddings - center
    means = np.zeros((len(people), x.shape[1]))
    np.add.at(means, row_of, x)
    means /= photographs[:, None]
    between, within = _scatter(means), _shrink(_scatter(x - means[row_of]), shrinkage)
    for _ in range(iterations):
        axes, ratio = _common_axes(between, within)
        share = (
            ratio * photographs[:, None] / (ratio * photographs[:, None] + 1)
        )  # (P, D): how far each mean is believed
        variance = share / photographs[:, None]
        own = (means @ axes) * share
        rest = x @ axes - own[row_of]
        back = linalg.inv(axes)
        between = back.T @ (_scatter(own) + np.diag(variance.mean(axis=0))) @ back
        within = back.T @ (_scatter(rest) + np.diag(variance[row_of].mean(axis=0))) @ back
        within = _shrink(within, shrinkage)
    axes, ratio = _common_axes(between, within)
    return JointBayesian(center, axes, ratio)


def _common_axes(between: np.ndarray, within: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Axes W with W' within W = I and W' between W = diag(ratio), the greatest ratio first."""
    ratio, axes = linalg.eigh(between, within)
    return axes[:, ::-1], np.maximum(ratio[::-1], 0)


def _scatter(rows: np.ndarray) -> np.ndarray:
    return rows.T @ rows / len(rows)


def _shrink(covariance: np.ndarray, shrinkage: float) -> np.ndarray:
    mean = np.trace(covariance) / len(covariance)
    floor = FLOOR * mean + np.finfo(np.float64).tiny
    return (1 - shrinkage) * covariance + (shrinkage * mean + floor) * np.eye(len(covariance))


def _checked(embeddings: np.ndarray) -> np.ndarray:
    embeddings = np.asarray(embeddings, dtype=np.float64)
    if not np.isfinite(embeddings).all():
        raise BadParameterError("Some embeddings are not finite.", "Look for the step where the training broke.")
    return embeddings
