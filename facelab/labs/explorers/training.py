"""Training explorer: slide over the epochs of a run and see the map of its embeddings, their rank and who is near whom."""

from __future__ import annotations

from collections.abc import Callable, Collection

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import HTML, Image

from facelab.datasets import FaceSet
from facelab.errors import BadParameterError
from facelab.evaluation import effective_rank
from facelab.labs.explorers.embedding import show_map
from facelab.labs.explorers.page import figure_image
from facelab.methods import Method, embed_faces
from facelab.plots import COLORS, nearest_neighbors, project_to_2d
from facelab.progress import is_interactive

MAX_FACES = 300  #: each has a place in every epoch
NEIGHBORS = 6  #: that are shown of a face
_SIDE = 52  # of a face in the page
_PANELS = 6  # maps of the picture


class EmbeddingSnapshots:
    """A monitor for ``training.fit`` that keeps the embeddings of some photographs after some of the epochs.

        snapshots = EmbeddingSnapshots(test.subset(rows), epochs=(1, 2, 4, 8))
        fit(method, train, plan, monitors=[snapshots])
        explore_training(snapshots, test.attributes.iloc[rows])

    It only looks: the training is the same without it, and its history has no more entries. A checkpoint holds the snapshots
    so far, so that a run that goes on has all of them.

    Attributes:
        faces: the photographs.
        embeddings: epoch, from 1, to float32 (N, D).
    """  # fmt: skip

    def __init__(
        self, faces: FaceSet, epochs: Collection[int], embed: Callable[[Method, FaceSet], np.ndarray] = embed_faces
    ) -> None:
        """
        Args:
            faces: N photographs, at most 300.
            epochs: after which the embeddings are kept, from 1; those that the run does not reach are left out.
            embed: gets the method in evaluation mode and the photographs and gives (N, D).

        Raises:
            BadParameterError: too many photographs, or no epoch.
        """
        if not 4 <= len(faces) <= MAX_FACES:
            raise BadParameterError(f"{len(faces)} photographs to be watched.", f"Give 4 to {MAX_FACES}.")
        if len(epochs) == 0 or min(epochs) < 1:
            raise BadParameterError(f"The epochs are {list(epochs)}.", "Give one or more, from 1.")
        self.faces, self.embeddings = faces, {}
        self._epochs, self._embed, self._epoch = frozenset(epochs), embed, 0

    def __call__(self, method: Method) -> dict[str, float]:
        """Called after each epoch; adds nothing to the history."""
        self._epoch += 1
        if self._epoch in self._epochs:
            self.embeddings[self._epoch] = self._embed(method, self.faces)
        return {}

    def state_dict(self) -> dict[str, object]:
        """What a checkpoint holds of it."""
        kept = {epoch: torch.from_numpy(embeddings) for epoch, embeddings in self.embeddings.items()}
        return {"epoch": self._epoch, "embeddings": kept}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Become what it was when the checkpoint was written."""
        self._epoch = state["epoch"]
        self.embeddings = {epoch: kept.numpy() for epoch, kept in state["embeddings"].items()}


def explore_training(
    snapshots: EmbeddingSnapshots, table: pd.DataFrame, group: np.ndarray | None = None, title: str = "Training"
) -> HTML | Image:
    """A slider over epochs where somebody watches (``facelab.progress.is_interactive``), elsewhere a row of small maps.

    All epochs are drawn by one projection: the first two principal components of the unit embeddings of all epochs together.
    A collapse to one direction is one point there. Beside the map stand the effective rank of the embeddings (as they are) and
    the nearest neighbours of one face, by cosine.

    Args:
        snapshots: of the run.
        table: a row of labels for each of the N photographs; the first column colours the map.
        group: (N,), photographs of an equal group are never each other's neighbours (renderings of one photograph).
        title: above the map.

    Raises:
        BadParameterError: no snapshot was taken, or one row of labels a photograph is not given.
    """
    found, images = snapshots.embeddings, snapshots.faces.images
    if not found:
        raise BadParameterError(
            "No snapshot was taken.", "Give the snapshots to fit as a monitor, and train long enough."
        )
    if not table.shape[1] or len(table) != len(images):
        raise BadParameterError(
            f"A table of labels of {table.shape} for {len(images)} photographs.",
            "Give a row each, and a column or more.",
        )
    points = project_to_2d(np.concatenate(list(found.values())), "pca").reshape(len(found), len(images), 2)
    ranks = {epoch: effective_rank(embeddings) for epoch, embeddings in found.items()}
    if not is_interactive():
        return _picture(points, ranks, table.iloc[:, 0], title)
    near = np.stack([nearest_neighbors(embeddings, NEIGHBORS, group=group)[0] for embeddings in found.values()])
    return show_map(f"Training explorer: {title}", points, images, table, near, _SIDE, ranks)


def _picture(points: np.ndarray, ranks: dict[int, float], labels: pd.Series, title: str) -> Image:
    """The map at some of the epochs, coloured by a label, with the effective rank above each."""
    epochs = list(ranks)
    shown = np.unique(np.linspace(0, len(epochs) - 1, _PANELS).round().astype(int))
    codes, names = pd.factorize(labels, sort=True)
    palette = np.array(COLORS if len(names) <= len(COLORS) else [plt.cm.hsv(n / len(names)) for n in range(len(names))])
    low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
    figure, panels = plt.subplots(
        1, len(shown), figsize=(1.5 * len(shown) + 0.1, 1.8), squeeze=False, layout="constrained"
    )
    for panel, number in zip(panels[0], shown, strict=True):
        panel.scatter(*points[number].T, s=4, c=palette[codes], linewidths=0)
        panel.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xticks=[], yticks=[])
        panel.set_title(f"epoch {epochs[number]}\nrank {ranks[epochs[number]]:.1f}", fontsize=8)
    said = "; ".join(f"epoch {epochs[number]}, {ranks[epochs[number]]:.1f}" for number in shown)
    return figure_image(
        figure, f"{title}: maps of {points.shape[1]} faces, coloured by {labels.name}. Effective rank by epoch: {said}."
    )
