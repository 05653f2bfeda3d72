"""All that the service looks at on one frame, worked out once by a few threads that hold the networks."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from facelab.cropping import Detector, Face
from facelab.errors import BadParameterError
from facelab.exchange.embedders import Embedder
from facelab.exchange.photographs import DETECTOR
from facelab.webapp import frames, pose, quality
from facelab.webapp.decoder import ProcessDecoder
from facelab.webapp.liveness_features import face_crop
from facelab.webapp.quality import HINTS, Hint, Quality
from facelab.webapp.seen_frames import frame_digest

WORKERS = min(8, os.cpu_count() or 1)  #: frames that are looked at in the same moment


@dataclass(frozen=True, eq=False)
class FrameAnalysis:
    """One frame.

    Attributes:
        digest: see ``seen_frames.frame_digest``.
        hint: what is wrong with it; then there is no embedding.
        quality, turn: of its largest face; None where there is none.
        face_crop: see ``liveness_features.face_crop``; a picture, so that it stays in memory, and no longer than its dialogue.
        embedding: float32 (D,) of norm 1.
    """

    digest: bytes
    hint: Hint | None = None
    quality: Quality | None = None
    turn: float | None = None
    face_crop: np.ndarray | None = None
    embedding: np.ndarray | None = None


class FrameAnalyser:
    """Analyses frames.

    Args:
        embedder: of ``exchange.embedders``.
        detector: gives landmarks; None: ``DETECTOR``.
        workers: threads; each holds the networks once.
        decoder: decodes in processes, and is closed with this; None: the frames are decoded here, without a deadline.
    """

    def __init__(
        self,
        embedder: Embedder,
        detector: Detector | None = None,
        workers: int = WORKERS,
        decoder: ProcessDecoder | None = None,
    ) -> None:
        self.embedder = embedder
        self._detector = detector or DETECTOR
        self._decoder = decoder
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="analyse")

    def analyse(self, data: bytes) -> FrameAnalysis:
        """The analysis of an encoded photograph; waits for its turn.

        Raises:
            Problem: it cannot be read, see ``frames.decode_frame``.
        """
        return self._pool.submit(self._analyse, data).result()

    def close(self) -> None:
        """Let the threads end, and the processes."""
        self._pool.shutdown()
        if self._decoder is not None:
            self._decoder.close()

    def _analyse(self, data: bytes) -> FrameAnalysis:
        image = frames.decode_frame(data) if self._decoder is None else self._decoder.decode(data)
        digest = frame_digest(image)
        faces = self._detector.detect(image)
        hint = quality.face_count_fault(faces)
        if not faces:
            return FrameAnalysis(digest, hint)
        face: Face = faces[0]
        try:
            figures, turn = quality.measure_quality(image, face), pose.head_turn(face.landmarks)
            hint = hint or quality.quality_fault(figures)
            embedding = None if hint else self.embedder.embed(image, face)
        except BadParameterError:  # landmarks in one place: this is no face
            return FrameAnalysis(digest, HINTS["no_face"])
        crop = None if hint else face_crop(image, face.landmarks)
        return FrameAnalysis(digest, hint, figures, turn, crop, embedding)
