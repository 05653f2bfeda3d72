"""The methods of the course: one file each, with a training_step and an embed."""

from facelab.methods.base import Method, embed_faces
from facelab.methods.classifier import Classifier

__all__ = ["Classifier", "Method", "embed_faces"]
