"""Where commands print: one console, and measured numbers as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:  # it takes a third of a second to come, and facelab --help needs none
    import pandas as pd

console = Console()


def print_metrics(frame: pd.DataFrame) -> None:
    """Measured numbers, one table a run: what was measured, its value and 95 % interval, and n.

    Args:
        frame: from ``records.leaderboard`` or ``records.summarize_over_seeds``.
    """
    import pandas as pd

    keys = [key for key in ("name", "preset", "dataset", "seed", "seconds") if key in frame]
    one_run = [*keys, "created"] if "created" in frame else keys
    for run_of, rows in frame.groupby(one_run, sort=False):
        console.print(
            ", ".join(f"{k} {v}" for k, v in zip(keys, run_of, strict=False) if v != ""), style="bold", soft_wrap=True
        )
        table = Table(box=None, pad_edge=False)
        for column, side in (("metric", "left"), ("value", "right"), ("95 % interval", "left"), ("n", "right")):
            table.add_column(column, justify=side, overflow="fold")
        for row in rows.itertuples(index=False):
            interval = "" if pd.isna(row.low) else f"{row.low:.3f} to {row.high:.3f}"
            table.add_row(row.metric, f"{row.value:.3f}", interval, "" if pd.isna(row.n) else f"{row.n:.0f}")
        console.print(table)
