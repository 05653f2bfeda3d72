"""Networks by name: a batch of photographs to one vector each, and the heads that go on top."""

from facelab.backbones.catalogue import NAMES, STEMS, backbone
from facelab.backbones.heads import mlp_head
from facelab.backbones.weights import PUBLISHED, load_weights
from facelab.backbones.wrapper import Backbone, freeze, parameter_layers

__all__ = [
    "NAMES",
    "PUBLISHED",
    "STEMS",
    "Backbone",
    "backbone",
    "freeze",
    "load_weights",
    "mlp_head",
    "parameter_layers",
]
