"""What a notebook needs besides the subject itself: its parameters, its record, its references, and the exercises."""

from facelab.labs.exercises import Exercise, ExerciseError, exercise
from facelab.labs.explorer import explore
from facelab.labs.notebook import Run, begin

__all__ = ["Exercise", "ExerciseError", "Run", "begin", "exercise", "explore"]
