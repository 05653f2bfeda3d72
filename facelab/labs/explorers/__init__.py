"""Pages to play with: one self-contained page each where somebody watches, and a picture elsewhere.

``page`` is what they share, ``augmentation_steps`` what the views explorer offers; ``embedding`` and ``training`` show a map.
"""

from facelab.labs.explorers.embedding import explore
from facelab.labs.explorers.threshold import explore_threshold
from facelab.labs.explorers.training import EmbeddingSnapshots, explore_training
from facelab.labs.explorers.views import explore_views

__all__ = ["EmbeddingSnapshots", "explore", "explore_threshold", "explore_training", "explore_views"]
