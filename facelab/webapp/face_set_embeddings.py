"""A data set through the service's own eyes: detect, embed, and count the photographs without a face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facelab.cropping import Detector
from facelab.datasets import FaceSet
from facelab.exchange.embedders import Embedder, cut_out_largest
from facelab.exchange.photographs import DETECTOR
from facelab.progress import progress_bar


@dataclass(frozen=True, eq=False)
class FaceSetEmbeddings:
    """Embeddings of the photographs of a set on which a face was found.

    Attributes:
        embeddings: float32 (M, D), of norm 1.
        rows: int64 (M,), which photographs of the set they are of.
        undetected_files: of the photographs without a face.
    """

    embeddings: np.ndarray
    rows: np.ndarray
    undetected_files: tuple[str, ...]


def embed_face_set(faces: FaceSet, embedder: Embedder, detector: Detector | None = None) -> FaceSetEmbeddings:
    """Detect and embed the largest face of each photograph, as the service does; its quality is not judged.

    Args:
        faces: N photographs, not yet cut to the face.
        embedder: of ``exchange.embedders``.
        detector: gives landmarks; None: the service's own.
    """
    detector = detector or DETECTOR
    embeddings, rows = [], []
    with progress_bar(f"Embedding {faces.source}", len(faces)) as progress:
        for row, image in enumerate(faces.images):
            crop = cut_out_largest(embedder, image, detector)
            if crop is not None:
                embeddings.append(embedder.embed_crops(crop[None])[0])
                rows.append(row)
            progress.advance()
    undetected = faces.attributes["file"].drop(index=rows)
    return FaceSetEmbeddings(
        np.stack(embeddings) if embeddings else np.empty((0, embedder.dimension), np.float32),
        np.array(rows, dtype=np.int64),
        tuple(undetected.astype(str)),
    )
