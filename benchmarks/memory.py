"""How the memory of the commands grows with the number of photographs."""

from __future__ import annotations

from benchmarks import scale
from benchmarks.timing import OURS, Effort, Row, Spread

TITLE = "Memory of facelab data check and facelab train"
STAGES = ("decode", "margin, one epoch", "measure known people")


def measure(effort: Effort) -> list[Row]:
    """The most that each command holds beyond its libraries, without pages of mapped files, which the system may drop."""
    sizes = effort.choose((100,), (1_000, 10_000, 100_000))
    return [
        Row(
            f"{stage.name}, {photographs:,} photographs of {scale.SIDE} px",
            "MB",
            {OURS: Spread.of([stage.own / 1e6])},
        )
        for photographs in sizes
        for stage in scale.measure(photographs, names=effort.choose(STAGES[:1], STAGES))
    ]
