"""All photographs of a set to embeddings: faces that are cut out already, or whole photographs, whose face is found first.

A batch is in memory at a time; what grows with the set are the embeddings alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from facelab.cropping import Detector, YuNetDetector
from facelab.datasets import FaceSet
from facelab.datasets.decode import resize
from facelab.exchange.embedders import Embedder, cut_out_largest, unit_rows
from facelab.progress import progress_bar

BATCH = 64  #: photographs at a time
#: Half of the usual longest side: on ORL faces in frames of 640 x 480 it found all, as 640 did, in a quarter of the time, and
#: the turn differed from our labels with a standard deviation of .03 in both.
DETECTOR = YuNetDetector(max_side=320)


@dataclass(frozen=True, eq=False)
class PhotographEmbeddings:
    """Of N photographs.

    Attributes:
        embeddings: float32 (N, D), of norm 1.
        found: bool (N,), where a face was found; elsewhere the embedding is that of the whole square.
    """

    embeddings: np.ndarray
    found: np.ndarray


def embed_squares(faces: FaceSet, embedder: Embedder, mirror: bool = False) -> np.ndarray:
    """Embeddings of photographs that are cut to the face already: float32 (N, D), of norm 1.

    Args:
        faces: N photographs.
        embedder: what embeds them.
        mirror: of each photograph and its mirror image, each of norm 1, the sum.
    """
    pieces = (np.asarray(faces.images[at : at + BATCH]) for at in range(0, len(faces), BATCH))
    return _embed(pieces, faces, embedder, mirror)


def embed_photographs(
    faces: FaceSet, embedder: Embedder, detector: Detector = DETECTOR, mirror: bool = False
) -> PhotographEmbeddings:
    """Embeddings of whole photographs: of the largest face of each, cut out as the network learned it.

    Where no face is found the whole square, which is the centre of the photograph, is embedded, and said.

    Args:
        faces: N photographs.
        embedder: what embeds them.
        detector: with landmarks.
        mirror: as for ``embed_squares``.
    """
    found = np.zeros(len(faces), dtype=bool)

    def pieces() -> Iterator[np.ndarray]:
        for at in range(0, len(faces), BATCH):
            crops = []
            for row, image in enumerate(faces.images[at : at + BATCH], start=at):
                crop = cut_out_largest(embedder, image, detector)
                found[row] = crop is not None
                crops.append(resize(image, embedder.side) if crop is None else crop)
            yield np.stack(crops)

    return PhotographEmbeddings(_embed(pieces(), faces, embedder, mirror), found)


def _embed(pieces: Iterator[np.ndarray], faces: FaceSet, embedder: Embedder, mirror: bool) -> np.ndarray:
    embeddings, at = np.empty((len(faces), embedder.dimension), np.float32), 0
    with progress_bar(f"Embedding {faces.source}", len(faces), delay=1.0) as shown:
        for crops in pieces:
            rows = embedder.embed_crops(crops)
            if mirror:
                rows = unit_rows(rows + embedder.embed_crops(np.ascontiguousarray(crops[:, :, ::-1])))
            embeddings[at : at + len(rows)] = rows
            at += len(rows)
            shown.advance(len(rows))
    return embeddings
