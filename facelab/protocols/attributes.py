"""Several attributes at once from few labelled photographs: of those, every attribute is known; of the others, none is.

This is the setting of Yavuz and Yanikoglu (FG 2024, arXiv 2312.00824) on CelebA. ``few_labels`` asks for one attribute, and
draws equally many photographs of each of its classes; no list can be balanced for several attributes at once, so here
photographs are drawn without looking, and rare answers weigh more in the probe.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from facelab.datasets import FaceSet
from facelab.datasets.leakage import assert_disjoint
from facelab.errors import BadParameterError
from facelab.whole_numbers import check_whole_number


@dataclass(frozen=True)
class AttributeTask:
    """What is asked of photographs, and of whom.

    Attributes:
        names: of the A attributes.
        pool: photographs of which a few are labelled.
        test: others; of other people, where it is known who they show.
        pool_labels, test_labels: bool (N, A), whether each photograph has each attribute.
    """

    names: tuple[str, ...]
    pool: FaceSet
    test: FaceSet
    pool_labels: np.ndarray
    test_labels: np.ndarray

    @classmethod
    def from_tables(cls, pool: FaceSet, test: FaceSet, of_pool: pd.DataFrame, of_test: pd.DataFrame) -> AttributeTask:
        """The task of telling the columns of two tables; proved that pool and test share nobody and no picture.

        Args:
            pool, test: photographs.
            of_pool, of_test: bool, a row for each of their photographs, a column for each attribute.

        Raises:
            LeakageError: a person, a file or a picture is in both.
            BadParameterError: tables that differ in columns or do not fit, a column that is not yes or no, or an attribute that
                all or none of the photographs of a part have.
        """
        assert_disjoint(pool, test, kinds=("identity", "file", "hash"))
        labels = []
        for part, table in ((pool, of_pool), (test, of_test)):
            if len(table) != len(part) or list(table) != list(of_pool):
                raise BadParameterError(
                    f"{len(table)} rows of {list(table)} for {len(part)} photographs of {part.source}.",
                    "Give a row for each photograph, and both parts the same columns.",
                )
            for name, column in table.items():
                if column.dtype != bool or column.nunique() < 2:
                    raise BadParameterError(
                        f"{name!r} of {part.source} is {column.dtype} with {column.nunique()} value(s).",
                        "Ask for what some photographs of each part have and others have not: columns of yes and no.",
                    )
            labels.append(table.to_numpy(dtype=bool))
        return cls(tuple(map(str, of_pool)), pool, test, *labels)

    def draw_labeled_rows(self, fraction: float, draw: int) -> np.ndarray:
        """Rows of the pool whose attributes may be seen, drawn by chance: int64, sorted, at least two.

        There is a fixed list for each draw and fraction. Those of one draw are nested (1 % lies within 10 %); draws are
        independent.

        Args:
            fraction: of the pool.
            draw: number of the draw, 0, 1, 2 ...

        Raises:
            BadParameterError: a fraction that is not between 0 and 1.
        """
        if not 0 < fraction < 1:
            raise BadParameterError(f"The share {fraction!r} is not between 0 and 1.", "Give 0.1 for 10 %.")
        order = np.random.default_rng(check_whole_number(draw, "draw", 0)).permutation(len(self.pool))
        return np.sort(order[: max(2, round(fraction * len(self.pool)))])


def predict_attributes(
    embeddings: np.ndarray, labels: np.ndarray, test_embeddings: np.ndarray, strength: float
) -> np.ndarray:
    """Attributes of test photographs by linear probes: a logistic regression an attribute, on standardised embeddings.

    Both answers weigh alike in it, however rare one is among the labelled. Where all of these have one answer, it is given
    to every test photograph.

    Args:
        embeddings: float (N, D) of the labelled photographs, from a network that stays as it is.
        labels: bool (N, A).
        test_embeddings: float (M, D).
        strength: C, the inverse of the L2 penalty; one for all attributes, so that nothing is chosen with few labels.

    Returns:
        bool (M, A).
    """
    answers = []
    for own in labels.T:
        if own.all() or not own.any():
            answers.append(np.full(len(test_embeddings), own[0]))
            continue
        regression = LogisticRegression(C=strength, class_weight="balanced", max_iter=2000)
        answers.append(make_pipeline(StandardScaler(), regression).fit(embeddings, own).predict(test_embeddings))
    return np.stack(answers, axis=1)
