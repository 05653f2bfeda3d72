"""The methods of the course: one file each, with a training_step and an embed."""

from facelab.methods.base import Method, embed_faces
from facelab.methods.classifier import Classifier
from facelab.methods.moco import MoCo
from facelab.methods.supcon import SupCon

__all__ = ["Classifier", "Method", "MoCo", "SupCon", "embed_faces"]
