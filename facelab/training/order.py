"""Which photographs a step sees: the order of an epoch, and where a second view comes from."""

from __future__ import annotations

import numpy as np


def epoch_order(labels: np.ndarray, per_class: int, generator: np.random.Generator) -> np.ndarray:
    """Every photograph once, in random order; ``per_class`` of one class stand together, while the class has them.

    Args:
        labels: int (N,), class of each photograph.
        per_class: 1 or more. What is left of a class after the last full group stands together too.
        generator: that draws the order.

    Returns:
        int (N,), rows.
    """
    order = generator.permutation(len(labels))
    if per_class == 1:
        return order
    by_class = order[np.argsort(labels[order], kind="stable")]
    sorted_labels = labels[by_class]
    first = np.searchsorted(sorted_labels, sorted_labels)  # where the class of each photograph begins
    within = np.arange(len(labels)) - first
    group = np.cumsum(within % per_class == 0) - 1
    place = generator.permutation(group[-1] + 1)
    return by_class[np.argsort(place[group], kind="stable")]


class SceneIndex:
    """Which photographs show one scene; made once, so that a draw costs no more in a larger set.

    Args:
        scenes: int (N,), scene of each photograph, numbered from 0 without a gap.
    """

    def __init__(self, scenes: np.ndarray) -> None:
        self.scenes, self.sizes = scenes, np.bincount(scenes)
        self.by_scene = np.argsort(scenes, kind="stable")
        self.first = np.cumsum(self.sizes) - self.sizes  # where each scene begins in ``by_scene``

    def draw_partners(self, rows: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """For each of some rows, one of the rows of its scene, itself included: int (n,).

        Args:
            rows: int (n,).
            generator: that draws; left alone where every scene has one photograph.
        """
        if len(self.sizes) == len(self.scenes):
            return rows
        own = self.scenes[rows]
        drawn = (generator.random(len(rows)) * self.sizes[own]).astype(np.int64)
        return self.by_scene[self.first[own] + drawn]
