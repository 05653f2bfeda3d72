"""Notebook 09: what a variational head says of photographs, and whether its variance is worth anything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from scipy import stats
from sklearn.metrics.pairwise import cosine_distances
from sklearn.preprocessing import normalize

from facelab.datasets import FaceSet
from facelab.errors import BadParameterError
from facelab.evaluation import Estimate, active_units, bootstrap_over_people, significant_means
from facelab.evaluation.intervals import wilson_at_ends
from facelab.experiments.attributes import NO_NETWORK
from facelab.experiments.noise_robustness import MEAN
from facelab.losses import beta_scores, kl_to_standard
from facelab.methods import VCL, Method
from facelab.methods.base import apply_in_batches
from facelab.records import Metric, Record
from facelab.training import Monitor


def posterior(method: VCL, faces: FaceSet) -> tuple[np.ndarray, np.ndarray]:
    """Means and log-variances of clean photographs: float32 (N, D) each."""
    means, log_vars = np.split(apply_in_batches(method, method.distribution, faces), 2, axis=1)
    return means, log_vars


def posterior_monitor(faces: FaceSet) -> Monitor:
    """A monitor for ``fit``: ``active units`` (share of the dimensions), ``mean deviation`` and ``KL`` of some photographs."""

    def monitor(method: Method) -> dict[str, float]:
        means, log_vars = posterior(method, faces)
        kl = kl_to_standard(torch.from_numpy(means), torch.from_numpy(log_vars))
        deviation = float(np.exp(log_vars / 2).mean())
        return {"active units": active_units(means), "mean deviation": deviation, "KL": kl.item()}

    return monitor


def sampled_distances(method: VCL, faces: FaceSet, seed: int = 0) -> np.ndarray:
    """Squared distance, 0 to 4, of draws of each photograph and of another rendering of it, as the contrast sees them: (N,).

    Args:
        method: trained or not.
        faces: with the column ``photo``; a photograph with one rendering is compared with another draw of itself.
        seed: of the draws.
    """
    means, log_vars = posterior(method, faces)
    other = np.arange(len(faces))
    for rows in faces.attributes.reset_index(drop=True).groupby("photo").indices.values():
        other[rows] = np.roll(rows, 1)
    rng = np.random.default_rng(seed)
    one, two = (
        normalize(means[rows] + np.exp(log_vars[rows] / 2) * rng.standard_normal(means.shape))
        for rows in (np.arange(len(faces)), other)
    )
    return np.square(one - two).sum(axis=1)


def pull_strength(beta: float, sigma: float, dimension: int, squared_distance: np.ndarray) -> np.ndarray:
    """How hard ``losses.beta_scores`` pulls two unit vectors together: minus its derivative by their squared distance.

    Args:
        beta, sigma: of the score.
        dimension: D of the vectors.
        squared_distance: (N,), 0 (the same) to 4 (opposite).

    Returns:
        float64 (N,).
    """
    squared = torch.tensor(squared_distance, dtype=torch.float64, requires_grad=True)
    one = torch.zeros(1, dimension, dtype=torch.float64)
    one[0, 0] = 1
    others = (1 - squared / 2)[:, None] * one  # the score looks at cosines alone
    (slope,) = torch.autograd.grad(beta_scores(one, others, beta, sigma).sum(), squared)
    return -slope.numpy()


def capture_conditions(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """What makes a rendering of ``orl-wild`` hard, name -> float64 (N,), more being harder.

    Args:
        table: the attributes of the set.

    Raises:
        BadParameterError: it is not of ``orl-wild``.
    """
    needed = ("blur_sigma", "occlusion", "turn_degrees", "noise_sigma", "shadow", "exposure")
    if missing := [name for name in needed if name not in table]:
        raise BadParameterError(f"There is no column {missing[0]!r}.", "Ask for the renderings of orl-wild.")
    found = {
        "blurred": table["blur_sigma"],
        "occluded": table["occlusion"] != "none",
        "turned": table["turn_degrees"].abs(),
        "noisy": table["noise_sigma"],
        "in shadow": table["shadow"],
        "dark": -table["exposure"],
    }
    return {name: values.to_numpy(np.float64) for name, values in found.items()}


def rank_correlation(
    one: np.ndarray, other: np.ndarray, person: np.ndarray, draws: int = 1000, seed: int = 0
) -> Estimate:
    """Spearman's rank correlation of two figures of photographs, -1 to 1, with an interval over people.

    Args:
        one, other: float (N,).
        person: (N,), the person of each photograph.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        BadParameterError: a figure that is the same for all photographs, and as ``evaluation.bootstrap_over_people``.
    """
    return bootstrap_over_people(lambda rows: float(stats.spearmanr(one[rows], other[rows])[0]), person, draws, seed)


def eta_squared(values: np.ndarray, group: np.ndarray) -> float:
    """Share of the variance of a figure that lies between groups (eta squared): 0 to 1; by chance (G - 1) / (N - 1).

    Args:
        values: float (N,), not all equal.
        group: (N,), such as the person of each photograph.
    """
    figure = pd.Series(values)
    return float(figure.groupby(np.asarray(group)).transform("mean").var(ddof=0) / figure.var(ddof=0))


def mean_balanced_accuracy(
    labels: Sequence[np.ndarray],
    predicted: Sequence[np.ndarray],
    person: np.ndarray,
    draws: int = 1000,
    seed: int = 0,
) -> Estimate:
    """Balanced accuracy in the mean over several attributes, with an interval over people, who are drawn for all together.

    Args:
        labels, predicted: of each attribute, int (N,), class of each photograph; a class that a draw of people has lost does
            not count in it.
        person: (N,), the person of each photograph.
        draws, seed: of the bootstrap.

    Raises:
        BadParameterError: no attribute, or as ``evaluation.bootstrap_over_people``.
    """
    if not labels or len(labels) != len(predicted):
        raise BadParameterError(f"{len(labels)} attributes, {len(predicted)} predictions.", "Give one of each.")
    right = [np.asarray(found) == truth for truth, found in zip(labels, predicted, strict=True)]
    of_class = [[truth == number for number in np.unique(truth)] for truth in labels]

    def statistic(rows: np.ndarray) -> float:
        means = []
        for own, classes in zip(right, of_class, strict=True):
            picked = own[rows]
            inside = [one[rows] for one in classes]
            means.append(np.mean([picked[one].mean() for one in inside if one.any()]))
        return float(np.mean(means))

    return wilson_at_ends(bootstrap_over_people(statistic, person, draws, seed))


def nearest_distance(embeddings: np.ndarray, group: np.ndarray | None = None) -> np.ndarray:
    """Cosine distance of each photograph to the nearest other one: float64 (N,), 0 to 2.

    Args:
        embeddings: float (N, D).
        group: (N,), photographs of an equal group do not count for each other (renderings of one photograph); None: all do.

    Raises:
        BadParameterError: a photograph has no other one.
    """
    own = np.arange(len(embeddings)) if group is None else np.asarray(group)
    distance = cosine_distances(embeddings.astype(np.float64))
    distance[own[:, None] == own[None]] = np.inf
    nearest = distance.min(axis=1)
    if not np.isfinite(nearest).all():
        raise BadParameterError("A photograph has no other one to be compared with.", "Give two groups or more.")
    return nearest


def probed_figures(record: Record) -> list[str]:
    """What ``09_noise`` asked of the trained networks: ``gender/0.1/trained, linear`` and so on.

    Raises:
        BadParameterError: it is another record.
    """
    if "noise" not in record.parameters or "rivals" not in record.parameters:
        raise BadParameterError(
            f"{record.name} is not a record of the noise experiment.", "Run: facelab experiment run 09_noise"
        )
    start = f"fall/{next(iter(record.parameters['rivals']))}/"
    return [
        name.removeprefix(start)
        for name in record.metrics
        if name.startswith(start) and name.endswith("trained, linear")
    ]


def figure_by_noise(record: Record, figure: str) -> dict[str, dict[str, Metric]]:
    """One figure of a record of ``experiments.noise_robustness``: share of pictures without a face -> rival -> metric.

    Before all, ``no training``: what pixels and the backbone as all rivals start with it reach.
    """
    rivals, shares = record.parameters["rivals"], record.parameters["noise"]
    first = f"{next(iter(rivals))}/{shares[0]:g}/{figure.removesuffix('trained, linear')}"
    untaught = {name: record.metrics[f"{first}{name}, linear"] for name in ("pixels", "random start")}
    return {"no training": untaught} | {
        f"{share:.0%} no face": {name: record.metrics[f"{name}/{share:g}/{figure}"] for name in rivals}
        for share in shares
    }


def figure_fall(record: Record, figure: str) -> dict[str, Metric]:
    """How far a figure falls from no noise to the most of it: rival -> metric, and ``RIVAL less SimCLR`` within each seed."""
    start, end = "fall/", f"/{figure}"
    return {
        name.removeprefix(start).removesuffix(end): metric
        for name, metric in record.metrics.items()
        if name.startswith(start) and name.endswith(end)
    }


def differences_from_simclr(record: Record, level: float = 0.05) -> dict[str, list[str]]:
    """Who falls less than SimCLR by the mean of the attributes, who falls more, and of whom it is not certain.

    All are tested together (Holm, on Student's t over the seeds of the differences within each).

    Args:
        record: of ``experiments.noise_robustness``.
        level: chance of one wrong verdict or more.

    Returns:
        ``less``, ``more`` and ``not certain`` -> ``RIVAL, SHARE of the labels``.
    """
    asked, less = {}, " less SimCLR"
    for figure in probed_figures(record):
        column, share, _ = figure.split("/")
        if column == MEAN:
            of_share = figure_fall(record, figure).items()
            asked |= {
                f"{name.removesuffix(less)}, {float(share):.0%}": m for name, m in of_share if name.endswith(less)
            }
    found: dict[str, list[str]] = {"less": [], "more": [], "not certain": []}
    for (name, metric), sure in zip(asked.items(), significant_means(list(asked.values()), level), strict=True):
        found[("less" if metric.value < 0 else "more") if sure else "not certain"].append(name)
    return found


def attributes_table(record: Record, dataset: str, metric: str) -> pd.DataFrame:
    """A record of ``experiments.attributes`` laid out as the paper's table: ``74.1 [73.0, 75.2]``, per cent.

    Args:
        record: of the experiment.
        dataset: one of the record's data sets.
        metric: of ``evaluation.ATTRIBUTE_METRICS``.

    Returns:
        Rows (network, method), those without a network last; a column for each share of the labels.

    Raises:
        BadParameterError: the record has no such figures.
    """
    cells: dict[str, dict[tuple[str, str], str]] = {}
    for name, one in record.metrics.items():
        parts = name.split("/")
        if len(parts) == 5 and (parts[0], parts[4]) == (dataset, metric) and " less " not in parts[2]:
            _, network, method, share, _ = parts
            said = f"{100 * one.value:.1f} [{100 * one.low:.1f}, {100 * one.high:.1f}]"
            cells.setdefault(f"{float(share):.0%}", {})[network, method] = said
    if not cells:
        raise BadParameterError(
            f"{record.name} has no {metric!r} of {dataset!r}.", "Run: facelab experiment run 09_attributes"
        )
    table = pd.DataFrame(cells)
    last = table.index.get_level_values(0) == NO_NETWORK
    return pd.concat([table[~last], table[last]])


def attribute_differences(
    record: Record, one: str, other: str, metric: str, level: float = 0.05
) -> dict[str, list[str]]:
    """Where one method of ``experiments.attributes`` is above another within each seed, where below, where it is not certain.

    All data sets, networks and shares of labels are tested together (Holm, on Student's t over the seeds).

    Args:
        record: of the experiment.
        one, other: a pair of ``attributes.DIFFERENCES``.
        metric: of ``evaluation.ATTRIBUTE_METRICS``.
        level: chance of one wrong verdict or more.

    Returns:
        ``above``, ``below`` and ``not certain`` -> ``DATASET, NETWORK, SHARE: +1.2 [0.3, 2.1]``, in points.

    Raises:
        BadParameterError: the record does not compare them.
    """
    asked = {}
    for name, difference in record.metrics.items():
        parts = name.split("/")
        if parts[2:3] == [f"{one} less {other}"] and parts[-1] == metric:
            asked[f"{parts[0]}, {parts[1]}, {float(parts[3]):.0%}: {difference.as_points()}"] = difference
    if not asked:
        raise BadParameterError(f"{record.name} has no {metric!r} of {one!r} less {other!r}.", "Ask for another pair.")
    found: dict[str, list[str]] = {"above": [], "below": [], "not certain": []}
    for (name, difference), sure in zip(asked.items(), significant_means(list(asked.values()), level), strict=True):
        found[("above" if difference.value > 0 else "below") if sure else "not certain"].append(name)
    return found
