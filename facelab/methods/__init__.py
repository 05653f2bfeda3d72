"""The methods of the course: one file each, with a training_step and an embed."""

from facelab.methods.base import Method, embed_faces
from facelab.methods.classifier import Classifier
from facelab.methods.moco import MoCo
from facelab.methods.named import METHODS, new_method, options_of
from facelab.methods.stored import StoredMethod, load_method, save_method
from facelab.methods.supcon import SupCon

__all__ = [
    "METHODS",
    "Classifier",
    "Method",
    "MoCo",
    "StoredMethod",
    "SupCon",
    "embed_faces",
    "load_method",
    "new_method",
    "options_of",
    "save_method",
]
