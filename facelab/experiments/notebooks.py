"""Records that are copies of what a notebook records when it is run on LFW: 02 and 10, at the preset ``laptop``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict

from facelab.datasets import FaceSet, load
from facelab.experiments.experiment import Cell, Experiment, Figures, Results
from facelab.labs.notebook import record_path
from facelab.labs.parameters import find_source, resolve_parameters
from facelab.protocols.closed_set import people_with_photos
from facelab.records import Metric, read_record

PRESET, DATASET = "laptop", "lfw"


def checked_parameters(notebook: str) -> dict[str, object]:
    """All parameters of the run of a notebook."""
    return resolve_parameters(find_source(notebook), {"preset": PRESET, "dataset": DATASET}, parse=False)


def code_hash(notebook: str) -> str:
    """Hash of the code of a notebook's source; its text may change."""
    from facelab.labs.build import notebook_from_source

    cells = notebook_from_source(find_source(notebook)).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    return hashlib.sha256(code.encode()).hexdigest()


def run(cell: Cell) -> Figures:
    """Metrics of the record that the notebook writes, as JSON."""
    from facelab.labs import batch

    (notebook,) = cell.key
    parameters = checked_parameters(notebook)
    batch.run_notebook(find_source(notebook), parameters)
    record = read_record(record_path(notebook, parameters))
    return {name: asdict(metric) for name, metric in record.metrics.items()}


def summarise(results: Results) -> dict[str, Metric]:
    """The metrics as they were recorded."""
    return {name: Metric(**metric) for figures in results.values() for name, metric in figures.items()}


def load_cnn_mlp_faces() -> FaceSet:
    """What notebook 02 trains and tests on: people with 20 photographs or more."""
    return people_with_photos(load(DATASET, 48), 20)


def load_face_id_faces() -> FaceSet:
    """What notebook 10 looks at: people with enough photographs for a template and one more."""
    from facelab.webapp.calibration import SHOTS_PER_TEMPLATE

    return people_with_photos(load(DATASET, 112), SHOTS_PER_TEMPLATE + 1)


def _declare(name: str, notebook: str, shows: str, role: str, load_faces: Callable[[], FaceSet]) -> Experiment:
    def grid(seeds: int) -> list[Cell]:
        return [Cell((notebook,), {"parameters": checked_parameters(notebook), "code": code_hash(notebook)})]

    def parameters(seeds: int) -> dict[str, object]:
        return checked_parameters(notebook)

    def data() -> dict[str, dict[str, object]]:
        return {role: load_faces().describe()}

    return Experiment(name, notebook[:2], shows, (DATASET,), grid, run, summarise, parameters, data, seeds=0)


EXPERIMENTS = (
    _declare(
        "02_lfw",
        "02_cnn_mlp",
        "notebook 02 on LFW, people with 20 or more photographs: `facelab run 02 -p dataset=lfw`",
        "faces",
        load_cnn_mlp_faces,
    ),
    _declare(
        "10_lfw",
        "10_face_id",
        "SFace as a door: threshold and errors on LFW's people with six or more photographs, by gender: notebook 10",
        "photographs",
        load_face_id_faces,
    ),
)
