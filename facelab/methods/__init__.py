"""The methods of the course: one file each, with a training_step and an embed."""

from facelab.methods.base import Method, embed_faces
from facelab.methods.classifier import Classifier
from facelab.methods.margin import Margin
from facelab.methods.moco import MoCo
from facelab.methods.named import METHODS, new_method, options_of
from facelab.methods.siamese import Siamese
from facelab.methods.simclr import SimCLR
from facelab.methods.stored import StoredMethod, load_method, save_method
from facelab.methods.supcon import SupCon
from facelab.methods.vcl import VCL
from facelab.methods.vicreg import VICReg

__all__ = [
    "METHODS",
    "VCL",
    "Classifier",
    "Margin",
    "Method",
    "MoCo",
    "Siamese",
    "SimCLR",
    "StoredMethod",
    "SupCon",
    "VICReg",
    "embed_faces",
    "load_method",
    "new_method",
    "options_of",
    "save_method",
]
