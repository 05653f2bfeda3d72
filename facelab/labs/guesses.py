"""The stored reference of what a student guesses in an exercise of the kind predict-then-run."""

from __future__ import annotations

from facelab.exercises import Prediction
from facelab.labs import references
from facelab.labs.parameters import find_source
from facelab.labs.references import Reference

PRESET, DATASETS = "laptop", ("orl-wild", "orl")  #: the settings of the stored notebooks


def reference_of(prediction: Prediction) -> Reference | None:
    """What the guessed number is on our machines, at the settings of the stored notebooks; None where none was measured.

    Raises:
        FacelabError: the file of references is damaged, or the notebook is not there.
    """
    notebook = find_source(prediction.number.split(".")[0]).stem
    for dataset in DATASETS:
        stored = references.lookup(notebook, PRESET, dataset)
        if prediction.metric in stored:
            return stored[prediction.metric]
    return None
