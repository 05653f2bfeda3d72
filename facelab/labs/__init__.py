"""The frame of a notebook: its parameters, its record, its references (expected values with tolerances), how its exercises are
checked, what it needs of its data, how it is built, and the explorer.

Imports from facelab: datasets, evaluation, records, plots, exercises.
"""

from facelab.exercises import check_answer, predict
from facelab.labs.explorer import explore
from facelab.labs.needs import can_measure, limit_batch, require_people
from facelab.labs.notebook import Run, begin

__all__ = ["Run", "begin", "can_measure", "check_answer", "explore", "limit_batch", "predict", "require_people"]
