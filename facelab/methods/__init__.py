"""The methods of the course, one file each with a training_step and an embed; by name in ``registry``, on disk by ``storage``.

It may import ``cropping``, ``datasets``, ``augment``, ``backbones``, ``losses`` and what stands below them. How a method is
trained is the business of ``training``, how good it is that of ``evaluation``.
"""

from facelab.methods.base import Method, embed_faces
from facelab.methods.classifier import Classifier
from facelab.methods.margin import Margin
from facelab.methods.moco import MoCo
from facelab.methods.registry import METHODS, method_options, new_method
from facelab.methods.siamese import Siamese
from facelab.methods.simclr import SimCLR
from facelab.methods.storage import StoredMethod, load_method, save_method
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
