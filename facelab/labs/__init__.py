"""The frame of a notebook: its parameters, its record, its references, its exercises, how it is built, and the explorer.

Who may be imported here: everything down to ``exercises``; no protocol, no command, no experiment.
"""

from facelab.exercises import check_answer
from facelab.labs.explorer import explore
from facelab.labs.notebook import Run, begin

__all__ = ["Run", "begin", "check_answer", "explore"]
