"""facelab: a lab course on learning face representations, and the small package that its notebooks share."""

import importlib
import os

# PyTorch's threads spin while they wait for each other, by default so long that another process, or the very thread that they
# wait for, loses its core to that. Some microseconds of it keep nearly all of the speed on a quiet machine. It must be set
# before PyTorch is loaded; who sets it otherwise is obeyed. How many threads there are: facelab/threads.py.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """``facelab.load_model``: see ``exchange.model_folder``, which is loaded when it is asked for, and PyTorch with it."""
    if name == "load_model":
        return importlib.import_module("facelab.exchange.model_folder").load_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
