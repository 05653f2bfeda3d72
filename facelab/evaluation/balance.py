"""Classes of unequal size: figures in which each class counts alike, and the guards that a split and a classifier must pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from facelab.errors import BadParameterError
from facelab.evaluation.collapse import largest_class_share, predicted_class_shares
from facelab.evaluation.intervals import Estimate, check_draws, percentile_interval, rate_by_group, wilson_at_ends
from facelab.whole_numbers import check_seed


def balanced_accuracy(
    labels: np.ndarray,
    predicted: np.ndarray,
    unit: np.ndarray | None = None,
    draws: int = 1000,
    seed: int = 0,
    unit_name: str = "people",
) -> Estimate:
    """The share found right of each class, in the mean over the classes: a constant prediction of K classes gets 1 / K.

    Brodersen et al. (ICPR 2010). The interval is that of ``bootstrap_over_people``, from counts instead of rows. A draw that
    has lost a class is judged by the classes that it has; so a class of one or two units hardly widens the interval, and
    ``recall_by_class`` should stand beside it. Where everything is right, or nothing, it is Wilson's, of as many trials as
    there are units.

    Args:
        labels: int (N,), true class, from 0. Classes without a photograph do not count: see ``assert_all_classes``.
        predicted: int (N,), predicted class.
        unit: (N,), what is drawn with replacement, with all its photographs: the person, or where people are not known the
            group of duplicates. None: each photograph by itself.
        draws: number of bootstrap draws, at least 100.
        seed: of the NumPy generator.
        unit_name: what ``unit`` numbers: ``"people"``, or ``"photographs"`` where it joins duplicates. None are photographs.

    Raises:
        BadParameterError: labels, predictions or units differ in number, a label below 0, fewer than 3 units, too few draws.
    """
    right = _found_right(labels, predicted)
    if unit is None:
        unit, unit_name = np.arange(len(right)), "photographs"
    column = np.unique(labels, return_inverse=True)[1]
    row = np.unique(unit, return_inverse=True)[1]
    units = int(row.max()) + 1
    if len(row) != len(right) or units < 3:
        what = f"{len(right)} photographs, {len(row)} units, {units} of them different."
        raise BadParameterError(what, "Give one a photograph, and 3 different ones or more for an interval.")
    tally = np.zeros((units, 2, column.max() + 1))  # of each unit and class: photographs, and how many were found right
    np.add.at(tally, (row, 0, column), 1)
    np.add.at(tally, (row, 1, column), right)
    # units with one tally are alike: it is enough to draw how often each kind comes
    kinds, alike = np.unique(tally, axis=0, return_counts=True)
    times = np.random.default_rng(check_seed(seed)).multinomial(units, alike / units, size=check_draws(draws))
    values = _mean_share(np.tensordot(times.astype(np.float64), kinds, axes=1))
    share = float(_mean_share(tally.sum(axis=0)))
    return wilson_at_ends(percentile_interval(values, share, units, f"bootstrap over {unit_name}", unit_name))


def recall_by_class(labels: np.ndarray, predicted: np.ndarray, names: Sequence[str]) -> dict[str, Estimate]:
    """The share found right of each class, by name in sorted order, with Wilson intervals over photographs.

    Args:
        labels: int (N,), true class, 0 ... K-1. Classes without a photograph are left out.
        predicted: int (N,), predicted class.
        names: of the K classes, each another.

    Raises:
        BadParameterError: labels and predictions differ in number, or a label has no name.
    """
    right = _found_right(labels, predicted)
    class_counts({"labels": labels}, names)
    return rate_by_group(right, np.asarray(names, dtype=object)[np.asarray(labels, dtype=np.int64)])


def class_counts(parts: Mapping[str, np.ndarray], names: Sequence[str]) -> pd.DataFrame:
    """How many photographs of each class each part of a split has.

    Args:
        parts: name of the part -> int (N,), class of each of its photographs, 0 ... K-1.
        names: of the K classes.

    Returns:
        int64, one row a class, one column a part.

    Raises:
        BadParameterError: a label has no name.
    """
    for part, labels in parts.items():
        if len(labels) and not 0 <= np.min(labels) <= np.max(labels) < len(names):
            raise BadParameterError(
                f"Classes {np.min(labels)} to {np.max(labels)} of {part!r} for {len(names)} names.",
                "Count classes from 0, and leave out photographs without one.",
            )
    counts = {
        part: np.bincount(np.asarray(labels, dtype=np.int64), minlength=len(names)) for part, labels in parts.items()
    }
    return pd.DataFrame(counts, index=pd.Index(names, name="class"))


def assert_all_classes(parts: Mapping[str, np.ndarray], names: Sequence[str]) -> None:
    """Proof that every part of a split has every class. Arguments as ``class_counts``.

    Raises:
        BadParameterError: a part lacks a class; it names all such parts and classes.
    """
    counts = class_counts(parts, names)
    missing = [f"{part} has no {name}" for part in counts for name in counts.index[counts[part] == 0]]
    if missing:
        raise BadParameterError(f"{'; '.join(missing)}.", "Stratify: splits.stratified_split(faces, column=column).")


def assert_not_one_class(predicted: np.ndarray, classes: int, limit: float = 0.95) -> None:
    """Proof that a classifier has not collapsed to one class.

    Args:
        predicted: int (N,), 0 ... classes - 1.
        classes: how many there are.
        limit: the share up to which one class may be predicted. Give more where the test set itself is more uneven.

    Raises:
        BadParameterError: a class is predicted more often; it gives the histogram. Others as ``predicted_class_shares``.
    """
    if largest_class_share(predicted, classes) > limit:
        shares = predicted_class_shares(predicted, classes)
        listed = ", ".join(f"{number}: {shares[number]:.1%}" for number in np.argsort(-shares, kind="stable")[:5])
        raise BadParameterError(
            f"Nearly everything is predicted as class {shares.argmax()}. Shares of the predictions by class: {listed}"
            f"{', ...' if classes > 5 else ''}.",
            "Report balanced_accuracy, weigh classes alike in the loss, and look whether the embedding has collapsed.",
        )


def _found_right(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    if not len(labels) or labels.shape != predicted.shape or labels.min() < 0:
        raise BadParameterError(
            f"{len(labels)} labels from {labels.min(initial=0)}, {len(predicted)} predictions.",
            "Give one of each a photograph, classes counted from 0; leave out photographs without a label.",
        )
    return labels == predicted


def _mean_share(tally: np.ndarray) -> np.ndarray:
    """(..., 2, K), photographs and right ones of each class, to (...): mean share over the classes that are there."""
    photographs, right = tally[..., 0, :], tally[..., 1, :]
    return np.nanmean(right / np.where(photographs, photographs, np.nan), axis=-1)
