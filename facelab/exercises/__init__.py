"""The exercises of the notebooks: one file a notebook (05 has two), with check, solution and typical wrong answers.

An exercise is called as its solution, in capitals: ``chapter_02.TOP_K_ACCURACY`` is about ``top_k_accuracy``.

Who may be imported here: everything down to ``methods``; no protocol, no experiment.
"""

from facelab.exercises.exercise import Exercise, ExerciseError, check_answer

__all__ = ["Exercise", "ExerciseError", "check_answer"]
