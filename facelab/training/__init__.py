"""fit(): one training loop for all methods, its plan, its checkpoints. It stops anywhere and goes on as if nothing had been.
fit_all(): several of them at once.

What a protocol measures in between comes in as a function.

Imports from facelab: datasets, augment, optim, methods.
"""

from facelab.training.accelerator import BF16, default_accelerator, single_process_fabric
from facelab.training.checkpoint import CheckpointFolder, DiscardedCheckpointWarning, ScratchFolder, StatefulMonitor
from facelab.training.gradient_cache import with_gradient_cache
from facelab.training.log import LOGGERS, new_logger
from facelab.training.loop import Monitor, Validate, check_batch, fit
from facelab.training.memory import check_weights_fit, explain_memory_errors
from facelab.training.order import SceneIndex, epoch_order
from facelab.training.plan import History, Plan
from facelab.training.side_by_side import Training, fit_all
from facelab.training.sync_batch_norm import check_sync_batch_norm, synchronize_batch_norms

__all__ = [
    "BF16",
    "LOGGERS",
    "CheckpointFolder",
    "DiscardedCheckpointWarning",
    "History",
    "Monitor",
    "Plan",
    "SceneIndex",
    "ScratchFolder",
    "StatefulMonitor",
    "Training",
    "Validate",
    "check_batch",
    "check_sync_batch_norm",
    "check_weights_fit",
    "default_accelerator",
    "epoch_order",
    "explain_memory_errors",
    "fit",
    "fit_all",
    "new_logger",
    "single_process_fabric",
    "synchronize_batch_norms",
    "with_gradient_cache",
]
