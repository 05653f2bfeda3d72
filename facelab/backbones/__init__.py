"""Networks by name: a batch of photographs to one vector each, and the heads that go on top.

Imports from facelab: no other folder.
"""

from facelab.backbones.heads import mlp_head
from facelab.backbones.registry import BACKBONES, STEMS, backbone
from facelab.backbones.weights import PUBLISHED_WEIGHTS, load_weights
from facelab.backbones.wrapper import Backbone, freeze, parameter_layers

__all__ = [
    "BACKBONES",
    "PUBLISHED_WEIGHTS",
    "STEMS",
    "Backbone",
    "backbone",
    "freeze",
    "load_weights",
    "mlp_head",
    "parameter_layers",
]
