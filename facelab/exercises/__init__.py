"""The exercises of the notebooks: one file a notebook, with stub, check, solution and typical wrong answers.

Who may be imported here: everything down to ``methods``; no protocol, no experiment.
"""

from facelab.exercises.exercise import Exercise, ExerciseError, exercise

__all__ = ["Exercise", "ExerciseError", "exercise"]
