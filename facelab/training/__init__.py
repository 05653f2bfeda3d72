"""fit(): one training loop for all methods. It stops anywhere and goes on as if nothing had been."""

from facelab.training.cached import in_chunks
from facelab.training.loop import Monitor, Validate, fit
from facelab.training.order import epoch_order, same_scene
from facelab.training.plan import History, Plan

__all__ = ["History", "Monitor", "Plan", "Validate", "epoch_order", "fit", "in_chunks", "same_scene"]
