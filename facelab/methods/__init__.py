"""The methods of the course, each a file with a training_step and an embed; by name in ``registry``, on disk by ``storage``.

``base`` is what they share, ``description`` what is written of them in plain values, ``margin_heads`` what the margin losses
put on top, ``distributed`` one batch over several processes. How a method is trained is the business of ``training``.

Imports from facelab: datasets, augment, backbones, losses.
"""

from facelab.methods.base import Method, embed_faces
from facelab.methods.classifier import Classifier
from facelab.methods.description import StoredMethod
from facelab.methods.margin import Margin
from facelab.methods.moco import MoCo
from facelab.methods.registry import METHODS, method_options, new_method
from facelab.methods.siamese import Siamese
from facelab.methods.simclr import SimCLR
from facelab.methods.storage import load_method, save_method
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
    "method_options",
    "new_method",
    "save_method",
]
