"""How long the notebooks of the course take: what was stored in them when they were built."""

from __future__ import annotations

import nbformat

from benchmarks.timing import OURS, Effort, Row, Spread
from facelab.paths import project_folder

TITLE = "The course"


def measure(effort: Effort) -> list[Row]:
    """All notebooks together, and the longest: seconds from the first cell to the last at the preset ``laptop``. The book has
    those of each (``docs/timings.md``). Neither the day nor the machine is stored with them."""
    seconds = {
        path.stem: nbformat.read(path, as_version=4).metadata["facelab"]["seconds"]
        for path in sorted(project_folder("notebooks").glob("*.ipynb"))
    }
    longest = max(seconds, key=seconds.get)
    rows = {f"all {len(seconds)} notebooks": sum(seconds.values()), f"the longest, {longest}": seconds[longest]}
    return [Row(f"{name}, as stored", "s", {OURS: Spread.of([taken])}) for name, taken in rows.items()]
