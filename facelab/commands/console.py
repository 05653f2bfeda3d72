"""Where commands print: one console, tables that are never broken, and measured numbers as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len

from facelab.terminal import LiteralConsole, printable

if TYPE_CHECKING:  # it takes a third of a second to come, and facelab --help needs none
    import pandas as pd

console = LiteralConsole()
error_console = LiteralConsole(stderr=True)  #: for what is said beside a command's results


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> None:
    """Rows under a header in columns as wide as their widest cell; one row is one line, whatever the terminal's width.

    Args:
        columns: their titles.
        rows: a cell for each column.
        right: titles of the columns that end on the right, as numbers do.
    """
    lines = [[printable(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    for number, line in enumerate(lines):
        cells = []
        for cell, width, title in zip(line, widths, columns, strict=True):
            blank = " " * (width - cell_len(cell))
            cells.append(blank + cell if title in right else cell + blank)
        console.print(" ".join(cells).rstrip(), style="bold" if number == 0 else None)


def print_metrics(frame: pd.DataFrame) -> None:
    """Measured numbers, one table a run: what was measured, its value and 95 % interval, and n.

    Args:
        frame: from ``records.leaderboard`` or ``records.summarize_over_seeds``.
    """
    import pandas as pd

    keys = [key for key in ("name", "preset", "dataset", "parameters", "seed", "seconds") if key in frame]
    one_run = [*keys, "created"] if "created" in frame else keys
    for run_of, runs in frame.groupby(one_run, sort=False, dropna=False):
        console.print(", ".join(f"{k} {v}" for k, v in zip(keys, run_of, strict=False) if v != ""), style="bold")
        rows = [
            (row.metric, f"{row.value:.3f}", "" if pd.isna(row.low) else f"{row.low:.3f} to {row.high:.3f}",
             "" if pd.isna(row.n) else f"{row.n:.0f}")
            for row in runs.itertuples(index=False)
        ]  # fmt: skip
        print_table(("metric", "value", "95 % interval", "n"), rows, right=("value", "n"))
