"""The facelab command: run notebooks, look after data, crop and split folders, train, read the results, start Face-ID."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from facelab import cli_data
from facelab.errors import BadParameterError, FacelabError

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_show_locals=False)
app.add_typer(cli_data.app, name="data")
console = Console()

_UsageError = typer.BadParameter.__base__  # of click, of which newer versions of typer carry a copy of their own
_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}

Values = Annotated[list[str] | None, typer.Option("--param", "-p", help="name=value, as often as needed.")]


def _pairs(values: list[str] | None) -> dict[str, str]:
    """``["epochs=3"]`` to ``{"epochs": "3"}``."""
    for value in values or []:
        if "=" not in value:
            raise BadParameterError(f"-p {value!r} has no '='.", "Write -p name=value.")
    return dict(value.split("=", 1) for value in values or [])


@app.command()
def run(
    notebooks: Annotated[list[str], typer.Argument(help="Numbers or names, or 'all'.")],
    preset: Annotated[
        str, typer.Option(help="smoke: seconds; laptop: minutes; paper: the papers' settings, on a GPU.")
    ] = "laptop",
    param: Values = None,
) -> None:
    """Run notebooks by papermill into runs/notebooks; the measured numbers go to runs/records."""
    from facelab.labs import build
    from facelab.labs.parameters import find_source, given, sources

    found = sources() if notebooks == ["all"] else [find_source(name) for name in notebooks]
    values = {"preset": preset, **_pairs(param)}
    for source in found:
        given(source, values, typed=True)  # refuse a wrong parameter before the first notebook runs
    for number, source in enumerate(found, start=1):
        console.print(f"[{number}/{len(found)}] {source.stem} (preset {values['preset']}) ...", markup=False)
        console.print(f"    {build.run(source, values, typed=True)}", markup=False, soft_wrap=True)


@app.command()
def sweep(
    notebook: Annotated[str, typer.Argument(help="Number or name.")],
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 0 ... seeds-1.")] = 5,
    preset: Annotated[str, typer.Option()] = "laptop",
    param: Values = None,
    reference: Annotated[bool, typer.Option(help="Store the result as the notebook's reference.")] = False,
) -> None:
    """Run a notebook under several seeds; with --reference its numbers become the stored reference with its tolerance."""
    from facelab import records
    from facelab.labs import build, references
    from facelab.labs.notebook import record_path
    from facelab.labs.parameters import find_source, given

    source, found = find_source(notebook), []
    if reference and seeds < references.MIN_SEEDS:
        raise BadParameterError(f"{seeds} seeds make no reference.", f"Give --seeds {references.MIN_SEEDS} or more.")
    for seed in range(seeds):
        values = given(source, {"preset": preset, **_pairs(param), "seed": str(seed)}, typed=True)
        console.print(f"{source.stem}, seed {seed} ...", markup=False)
        build.run(source, values)
        found.append(records.read(record_path(source.stem, values)))
    _show(records.over_seeds(found))
    if reference:
        references.store(found)


@app.command()
def leaderboard(
    folders: Annotated[list[Path] | None, typer.Argument(help="Folders with records; runs/records by default.")] = None,
    metric: Annotated[str | None, typer.Option(help="Only metrics whose name this regular expression finds.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the table to this file too.")] = None,
) -> None:
    """Every measured number with its interval, from the records below some folders."""
    from facelab import records
    from facelab.files import write_text
    from facelab.paths import runs_root

    for folder in folders or []:
        if not folder.is_dir():
            raise BadParameterError(f"{folder} is no folder.", "Name folders with records, such as runs/records.")
    folders = folders or [runs_root() / "records"]
    found = records.find(*folders)
    if not found:
        raise FacelabError(
            f"There is no record yet in {', '.join(map(str, folders))}.", "Run a notebook first: facelab run 02."
        )
    table = records.leaderboard(found, metric)
    if table.empty and metric is not None:
        raise BadParameterError(f"No metric's name contains {metric!r}.", "Call it without --metric to see them all.")
    _show(table)
    if csv is not None:
        write_text(csv, table.to_csv(index=False))


def _show(frame: pd.DataFrame) -> None:
    """Measured numbers, one table a run: what was measured, its value and 95 % interval, and n."""
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


@app.command()
def crop(
    in_dir: Annotated[Path, typer.Argument(help="Folder tree of photographs.")],
    out_dir: Annotated[Path, typer.Argument(help="New folder for the faces, or one begun with the same settings.")],
    detector: Annotated[str, typer.Option(help="yunet or haar.")] = "yunet",
    size: Annotated[int, typer.Option(help="Side of the crops in pixels.")] = 112,
    margin: Annotated[float, typer.Option(help="Room around the face, as a share of the side.")] = 0.0,
    padding: Annotated[
        float, typer.Option(help="Border added before the search, as a share of the shorter side.")
    ] = 0.0,
    upscale: Annotated[float, typer.Option(help="Enlarge before the search, for faces below 24 pixels.")] = 1.0,
    workers: Annotated[int, typer.Option(min=1, help="Threads.")] = 2,
) -> None:
    """Crop the largest face of every photograph, aligned by the eyes; resumable. Exit code 1 if a photograph has no crop."""
    from facelab.cropping import HaarDetector, YuNetDetector, crop_tree

    known = {
        "yunet": lambda: YuNetDetector(padding=padding, upscale=upscale),
        "haar": lambda: HaarDetector(("frontal", "profile", "profile_flipped"), padding=padding, upscale=upscale),
    }
    if detector not in known:
        raise BadParameterError(f"No detector is called {detector!r}.", f"There are: {', '.join(known)}.")
    report = crop_tree(in_dir, out_dir, known[detector](), size, margin, workers)
    console.print(str(report), markup=False)
    for file, reason in report.failures:
        console.print(f"no crop: {file}: {reason}", markup=False)
    if report.failures:
        raise typer.Exit(1)


@app.command()
def split(
    in_dir: Annotated[Path, typer.Argument(help="Folder tree person/photo; stays as it is.")],
    out_dir: Annotated[Path, typer.Argument(help="New folder for train/ and test/.")],
    train: Annotated[float, typer.Option(help="Per cent of each person's photographs for training.")] = 70,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Copy a tree into train/person and test/person, with a manifest. Augment after this, never before."""
    from facelab.datasets.split_tree import split_tree

    done = split_tree(in_dir, out_dir, train, seed)
    console.print(f"train {done.train}, test {done.test} photographs ({done.copied} copied now)", markup=False)
    for person in done.single:
        console.print(f"one photograph only, kept in train: {person}", markup=False)
    for file, reason in done.rejected:
        console.print(f"not usable: {file}: {reason}", markup=False)
    for file, reason in done.damaged:
        console.print(f"copied, but not usable: {file}: {reason}", markup=False)
    for first, second in done.duplicates:
        console.print(f"the same picture in train and test: {first}, {second}", markup=False)


@app.command()
def train(
    method: Annotated[str, typer.Argument(help="classifier, supcon, moco ...; a wrong name lists them.")],
    dataset: Annotated[
        str, typer.Option(help="A name of facelab data list, folder:PATH, or several joined by +.")
    ] = "orl-wild",
    min_photos: Annotated[int, typer.Option(min=1, help="Only people with at least so many photographs.")] = 4,
    size: Annotated[int, typer.Option(help="Working size in pixels.")] = 48,
    people: Annotated[
        str, typer.Option(help="known: tested on other photographs of everybody; unseen: on half of the people.")
    ] = "known",
    scene: Annotated[
        str | None,
        typer.Option(help="Column of the attributes; of one value there, any photograph may be the second view."),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", help="Option of the method, name=value; a wrong name lists them."),
    ] = None,
    augmentation: Annotated[
        str | None, typer.Option(help="Name of a preset; that of the method's recipe by default.")
    ] = None,
    backbone: Annotated[str, typer.Option(help="Name of a network; a wrong name lists them.")] = "resnet10",
    width: Annotated[
        int, typer.Option(min=0, help="Channels of its first stage; 0: as published, 16 for resnet10.")
    ] = 0,
    weights: Annotated[
        str | None, typer.Option(help="Of the backbone at the start: a published name or a file, such as a method.pt.")
    ] = None,
    freeze: Annotated[int, typer.Option(min=0, help="So many of its first layers stay as they are.")] = 0,
    head: Annotated[
        str, typer.Option(help="none; an MLP on top afterwards, the backbone frozen, or finetuned with it.")
    ] = "none",
    head_epochs: Annotated[int, typer.Option(min=1, help="Of the head's training.")] = 16,
    epochs: Annotated[int | None, typer.Option(min=1, help="The method's own by default.")] = None,
    batch_size: Annotated[int, typer.Option(min=2, help="Over all devices; batch norm needs two on each.")] = 32,
    per_class: Annotated[int, typer.Option(min=1, help="So many photographs of a person stay together.")] = 1,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate; the method's own by default.")] = None,
    optimizer: Annotated[str, typer.Option(help="adamw, sgd, lars or lars_paper.")] = "adamw",
    weight_decay: Annotated[float, typer.Option(min=0, help="On kernels and matrices.")] = 0.05,
    momentum: Annotated[float, typer.Option(min=0, max=1, help="Of sgd and lars.")] = 0.9,
    warmup_epochs: Annotated[
        float | None, typer.Option(min=0, help="Linear rise of the rate; by default 1, or half of a shorter run.")
    ] = None,
    clip_norm: Annotated[float, typer.Option(min=0, help="Largest norm of the gradient; 0: any.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    chunk: Annotated[
        int,
        typer.Option(min=0, help="Photographs that go through the network at a time, where memory is short; 0: all."),
    ] = 0,
    do: Annotated[str, typer.Option(help="train, test (what was trained is measured again), or both.")] = "both",
    plots: Annotated[bool, typer.Option(help="Draw learning curves and results into the folder.")] = False,
    devices: Annotated[int, typer.Option(min=1, help="Processes, a GPU each; or start it with torchrun.")] = 1,
    precision: Annotated[str, typer.Option(help="32-true, bf16-mixed or 16-mixed.")] = "32-true",
    trials: Annotated[
        int, typer.Option(min=0, help="Search: try so many settings on the validation photographs, and print the best.")
    ] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder of checkpoint and record; below runs/train by default.")
    ] = None,
) -> None:
    """Train a method on a data set and measure it. Stop it and call again: it goes on."""
    from facelab import records
    from facelab.labs import search_command, train_command
    from facelab.labs.train_settings import Settings, recipe
    from facelab.training import Plan

    own, options = recipe(method), _pairs(param)
    epochs = epochs or own.epochs
    warmup = min(1.0, epochs / 2) if warmup_epochs is None else warmup_epochs
    plan = Plan(
        epochs, batch_size, own.lr if lr is None else lr, optimizer, weight_decay, momentum, warmup, clip_norm,
        per_class, seed, chunk,
    )  # fmt: skip
    settings = Settings(
        method, {**own.options, **options}, dataset, min_photos, size, people, scene, augmentation or own.augmentation,
        backbone, width or None, weights, freeze, head, head_epochs, precision,
    )  # fmt: skip
    if trials and (plots or do != "both"):
        raise BadParameterError("A search prints a command.", "Give --do and --plots to that command.")
    if trials:
        best, line = search_command.search(settings, plan, trials, options, out, devices)
        console.print(f"best of {trials} trials, by top-1: {best}", markup=False)
        console.print(line, markup=False, soft_wrap=True)
        return
    folder = train_command.run(settings, plan, out, do, plots, devices)
    if folder is None:  # another process has the results
        return
    if do != "train":
        _show(records.leaderboard([records.read(folder / "record.json")]))
    console.print(f"everything is in {folder}", markup=False, soft_wrap=True)


@app.command("app")
def face_id(
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's own needs --cert and --key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8000,
    cert: Annotated[Path | None, typer.Option(help="PEM file of the certificate, for https.")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM file of its key.")] = None,
    embedder: Annotated[str, typer.Option(help="sface, or the method.pt of a facelab train.")] = "sface",
    calibration: Annotated[
        Path | None, typer.Option(help="Made by notebook 10 for this embedder; sface has one already.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Of the accounts; the user's data folder by default.")] = None,
    lab: Annotated[bool, typer.Option(help="Show scores, for the course; on this machine alone.")] = False,
) -> None:
    """Face-ID: sign up and log in by face, in the browser. Ctrl-C ends it."""
    from facelab.webapp import command

    command.start(host, port, cert, key, embedder, calibration, folder, lab)


def main() -> None:
    """Entry point. One line for what the user can mend: exit code 1, or 2 for a word that no command knows; 130 for Ctrl-C."""
    try:
        code = app(standalone_mode=False) or 0
    except FacelabError as error:
        code = _say(str(error), 1)
    except _UsageError as error:
        text = error.format_message()
        if "\n" in text or not text:  # no word at all was given: this is the help
            print(text, end="")
            code = error.exit_code
        else:
            code = _say(
                f"{text.rstrip('.')}. See: {error.ctx.command_path if error.ctx else 'facelab'} --help.",
                error.exit_code,
            )
    except OSError as error:
        if error.errno not in _OF_THE_DISK:
            raise
        code = _say(f"{error.filename or 'A file'}: {error.strerror}. Free some space, or check the rights.", 1)
    except (typer.Abort, KeyboardInterrupt):  # as older versions of typer tell of Ctrl-C
        code = 130
    if code == 130:
        _say("stopped.", code)
    sys.exit(code)


def _say(text: str, code: int) -> int:
    print(f"facelab: {' '.join(text.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
