"""How long the notebooks of the course take: what was stored in them when they were built."""

from __future__ import annotations

import nbformat

from benchmarks.timing import OURS, Effort, Row, Spread
from facelab.paths import project_folder

TITLE = "The course"


def measure(effort: Effort) -> list[Row]:
    """All notebooks together, and each: seconds from the first cell to the last at the preset ``laptop``."""
    seconds = {
        path.stem: nbformat.read(path, as_version=4).metadata["facelab"]["seconds"]
        for path in sorted(project_folder("notebooks").glob("*.ipynb"))
    }
    rows = {"all notebooks": sum(seconds.values())} | {f"notebook {name}": taken for name, taken in seconds.items()}
    return [Row(f"{name}, as stored", "s", {OURS: Spread.of([taken])}) for name, taken in rows.items()]
