"""``facelab export``: a trained network for others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facelab.commands.console import console
from facelab.errors import BadParameterError, FacelabError
from facelab.paths import user_path

if TYPE_CHECKING:
    from facelab.methods import StoredMethod
    from facelab.records import Record


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a facelab train, or a method.pt alone.")],
    out_dir: Annotated[Path, typer.Argument(metavar="DIR", help="New folder, or one of an earlier export.")],
    head: Annotated[
        bool, typer.Option("--head", help="The classifier that --head of facelab train made, not the method.")
    ] = False,
    labels: Annotated[
        bool,
        typer.Option("--labels", help="Of a classifier, with its classes and their names: personal data of others."),
    ] = False,
    crop: Annotated[
        str | None,
        typer.Option(
            help="How its faces were cut out: dataset, or arcface (aligned by five points; the default after rec:PATH)."
        ),
    ] = None,
    record: Annotated[
        list[Path] | None, typer.Option(help="Record of something else measured of it, for the card.")
    ] = None,
) -> None:
    """Write a trained network for others: safetensors, ONNX, and a model card. What served the training alone stays behind."""
    from facelab.exchange.model_folder import FILES, export_model
    from facelab.exchange.training_record import crop_of_training, record_of_run
    from facelab.methods import load_method
    from facelab.records import read_record

    run, out_dir = user_path(run), user_path(out_dir)
    path = _method_file(run, head)
    own = record_of_run(run) if run.is_dir() else None
    others = [_without_dataset(read_record(user_path(other))) for other in record or ()]
    stored = load_method(path)
    model = export_model(
        stored,
        out_dir,
        crop=crop_of_training(path) if crop is None else crop,
        labels=_people(stored, own) if labels else None,
        records=[*filter(None, [own]), *others],
    )
    for name in FILES:
        if (out_dir / name).is_file():
            console.print(f"{out_dir / name}  {(out_dir / name).stat().st_size:,} bytes")
    channels = {1: "grey", 3: "RGB"}[model.in_channels]
    console.print(
        f"takes {channels} crops of {model.size} x {model.size} pixels, gives {model.dimension} numbers; "
        f"crop: {model.config['preprocessing']['crop']}"
    )
    if labels:
        console.print(f"labels.json names {len(model.labels)} people: hand it to nobody who may not have their names")
    if not any(one.metrics for one in (own, *others) if one is not None):
        console.print("nothing was measured of it: its card has no results")
    console.print(f"read README.md before you hand it on; here: facelab.load_model({str(out_dir)!r})")


def _method_file(run: Path, head: bool) -> Path:
    """The stored method of a run.

    Raises:
        FacelabError: there is none.
        BadParameterError: ``--head`` of a file alone.
    """
    if not run.is_dir():
        if head:
            raise BadParameterError("--head is for the folder of a facelab train.", "Give the folder, or its head.pt.")
        return run
    path = run / ("head.pt" if head else "method.pt")
    if not path.is_file():
        remedy = (
            "Train one: facelab train METHOD --head frozen." if head else "Name the folder that facelab train printed."
        )
        raise FacelabError(f"{run} holds no {path.name}.", remedy)
    return path


def _without_dataset(record: Record) -> Record:
    """A record of something else than the training: what it names as its data set is no data of the training."""
    return replace(record, parameters={key: value for key, value in record.parameters.items() if key != "dataset"})


def _people(stored: StoredMethod, record: Record | None) -> list[str]:
    """Names of the people whom a classifier tells apart, in the order of its classes, from the photographs of its training.

    Raises:
        BadParameterError: it is no classifier, or not of these photographs.
        FacelabError: the record of its training is not there.
    """
    from facelab.datasets import load
    from facelab.protocols.closed_set import people_with_photos
    from facelab.protocols.unseen_people import split_unseen_people

    if stored.name != "classifier":
        raise BadParameterError(
            f"A {stored.name} has no labels: it is no classifier.", "Leave out --labels, or export a --head."
        )
    if record is None or not {"size", "min_photos", "people", "seed"} <= record.parameters.keys():
        raise FacelabError(
            "There is no record of its training, which says who was in it.",
            "Call its facelab train with --do test first.",
        )
    known = record.parameters
    faces = people_with_photos(load(known["dataset"], known["size"]), known["min_photos"])
    if faces.sha256 != record.data.get("faces", {}).get("sha256"):
        raise BadParameterError(
            f"{known['dataset']} holds other photographs now than when it was trained.", "Leave out --labels."
        )
    train = split_unseen_people(faces, known["seed"])[0] if known["people"] == "unseen" else faces
    return [train.names[person] for person in train.people]
