"""Optimisers by name, the groups of weights they work on, and learning rates.

Imports from facelab: no other folder.
"""

from facelab.optim.factory import OPTIMIZERS, check_optimizer, make_optimizer
from facelab.optim.groups import parameter_groups, split_by_shape
from facelab.optim.lars import LARS
from facelab.optim.muon import Muon, orthogonalize
from facelab.optim.schedule import scaled_lr, warmup_cosine

__all__ = [
    "LARS",
    "OPTIMIZERS",
    "Muon",
    "check_optimizer",
    "make_optimizer",
    "orthogonalize",
    "parameter_groups",
    "scaled_lr",
    "split_by_shape",
    "warmup_cosine",
]
