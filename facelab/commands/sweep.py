"""``facelab sweep``: one notebook under several seeds, and its references."""

from __future__ import annotations

from typing import Annotated

import typer

from facelab.commands.console import console, print_metrics
from facelab.commands.parameters import Parameters, Preset, notebook_values
from facelab.errors import BadParameterError


def sweep(
    notebook: Annotated[str, typer.Argument(help="Number or name.")],
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 0 ... seeds-1.")] = 5,
    preset: Preset = None,
    param: Parameters = None,
    reference: Annotated[bool, typer.Option(help="Store the result as the notebook's reference.")] = False,
) -> None:
    """Run a notebook under several seeds; with --reference its numbers become the stored reference with its tolerance."""
    from facelab import records
    from facelab.labs import batch, references
    from facelab.labs.notebook import record_path
    from facelab.labs.parameters import find_source
    from facelab.paths import project_root

    if reference:
        project_root()  # an installed package is never written to
    source, values = find_source(notebook), notebook_values(preset, param)
    if reference and seeds < references.MIN_SEEDS:
        raise BadParameterError(f"{seeds} seeds make no reference.", f"Give --seeds {references.MIN_SEEDS} or more.")
    if "seed" in values:
        raise BadParameterError("A sweep gives each run its own seed.", "Give --seeds, or take facelab run for one.")
    runs = [batch.plan_source(source, values | {"seed": str(seed)}, parse=True) for seed in range(seeds)]
    batch.prepare(runs[0])
    found = []
    for run in runs:
        console.print(f"{source.stem}, seed {run.parameters['seed']} ...")
        batch.execute(run)
        found.append(records.read_record(record_path(source.stem, run.parameters)))
    print_metrics(records.summarize_over_seeds(found))
    if reference:
        references.store(found)
