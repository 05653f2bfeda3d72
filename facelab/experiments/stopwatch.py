"""How much of the processor a training takes, and how much until an accuracy, without the time that looking at it takes.

Of the processor and not of the clock: other cells run beside it, and so may other programs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

from facelab.methods import Method
from facelab.training import History

_SECONDS = "processor seconds"  # in the history of each epoch, since the start
#: For the settings of cells and the parameters of a record: what seconds of a training are. A cell that was timed by the clock
#: on the wall, as all were once, is so computed again.
TIME_SETTING = {"seconds of a training": "processor time"}


class Stopwatch:
    """A monitor: the processor time of a training, and its accuracy after each epoch until a target is reached.

    What it takes to look is not counted. Each epoch gets ``processor seconds``, since the start, and while the target was not
    reached before, ``accuracy``.

    Args:
        measure: gives the accuracy of a method; None: nobody looks.
        target: from which on nobody looks any more.
    """

    def __init__(self, measure: Callable[[Method], float] | None = None, target: float = math.inf) -> None:
        self.measure, self.target = measure, target
        self.reached, self.before, self.started = measure is None, 0.0, time.process_time()

    @property
    def seconds(self) -> float:
        """Of processor time, of all pieces of the training."""
        return self.before + time.process_time() - self.started

    def __call__(self, method: Method) -> dict[str, float]:
        """Called by ``fit`` after each epoch."""
        said = {_SECONDS: self.seconds}
        if not self.reached:
            said["accuracy"] = self.measure(method)
            self.reached = said["accuracy"] >= self.target
            self.before, self.started = said[_SECONDS], time.process_time()
        return said

    def state_dict(self) -> dict[str, float | bool]:
        """For the checkpoint."""
        return {"seconds": self.seconds, "reached": self.reached}

    def load_state_dict(self, state: Mapping[str, float | bool]) -> None:
        """Go on from a checkpoint."""
        self.before, self.reached, self.started = state["seconds"], state["reached"], time.process_time()


def processor_seconds(history: History) -> float:
    """Of a whole training that had a ``Stopwatch``, all its pieces added where it was resumed."""
    return history.series(_SECONDS)[-1]
