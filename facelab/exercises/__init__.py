"""The exercises of the notebooks: one file a notebook or more, with check, solution and typical wrong answers.

An exercise is named like its function, in capitals: ``chapter_02.TOP_K_ACCURACY`` is about ``top_k_accuracy``. ``faults``: what
earlier projects got wrong, each with a check that catches it.

Imports from facelab: datasets, cropping, augment, backbones, losses, methods, evaluation, search, records.
"""

from facelab.exercises.exercise import Exercise, ExerciseError, Finding, check_answer, judge
from facelab.exercises.prediction import Guess, Prediction, judge_guess, predict

__all__ = [
    "Exercise",
    "ExerciseError",
    "Finding",
    "Guess",
    "Prediction",
    "check_answer",
    "judge",
    "judge_guess",
    "predict",
]
