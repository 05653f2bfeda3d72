"""The frame of a notebook: its parameters, its record, its references (expected values with tolerances), how its exercises are
checked, what it needs of its data, which network it trains, how it is built, how a killed run goes on, and the explorers.

Imports from facelab: datasets, augment, backbones, methods, training, evaluation, records, plots, exercises.
"""

from facelab.exercises import check_answer, predict
from facelab.labs.explorers import EmbeddingSnapshots, explore, explore_threshold, explore_training, explore_views
from facelab.labs.needs import can_measure, limit_batch, require_people
from facelab.labs.networks import choose_network
from facelab.labs.notebook import Run, begin

__all__ = [
    "EmbeddingSnapshots",
    "Run",
    "begin",
    "can_measure",
    "check_answer",
    "choose_network",
    "explore",
    "explore_threshold",
    "explore_training",
    "explore_views",
    "limit_batch",
    "predict",
    "require_people",
]
