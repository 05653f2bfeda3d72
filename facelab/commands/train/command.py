"""``facelab train``: its options, and what is said at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facelab.commands.console import console, print_metrics
from facelab.commands.parameters import parse_parameters
from facelab.commands.train.recipes import get_recipe, use_recipe
from facelab.errors import BadParameterError, DataMissingError
from facelab.paths import user_path


def train(
    method: Annotated[
        str, typer.Argument(help="classifier, supcon, moco ...; a wrong name lists them. A --recipe has its own.")
    ],
    recipe: Annotated[
        str | None,
        typer.Option(
            is_eager=True,
            callback=use_recipe,
            help="Settings of an earlier project by name, as defaults of all options; list names them.",
        ),
    ] = None,
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
        typer.Option(
            help="Column of the attributes, or person; of one value there, any photograph may be the second view."
        ),
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
    optimizer: Annotated[str, typer.Option(help="adamw, sgd, lars, lars_paper or muon.")] = "adamw",
    weight_decay: Annotated[float, typer.Option(min=0, help="On kernels and matrices.")] = 0.05,
    momentum: Annotated[float, typer.Option(help="Of sgd, lars and muon.")] = 0.9,
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
    devices: Annotated[
        int | None,
        typer.Option(min=1, help="Processes, a GPU each; by default 1, or those that srun or torchrun has started."),
    ] = None,
    sync_batch_norm: Annotated[
        bool, typer.Option("--sync-batch-norm", help="Batch norm over the photographs of all GPUs, not of each.")
    ] = False,
    precision: Annotated[str, typer.Option(help="32-true, bf16-mixed or 16-mixed.")] = "32-true",
    logger: Annotated[
        str | None, typer.Option(help="Live log in the folder: tensorboard or csv, of every step and epoch.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of checkpoint and record; below runs/train by default.")
    ] = None,
) -> None:
    """Train a method on a data set and measure it. Stop it and call again: it goes on."""
    from facelab import records
    from facelab.commands.train.effects import check_effects
    from facelab.commands.train.run import train_and_measure
    from facelab.commands.train.settings import settings_and_plan

    options = parse_parameters(param)
    if recipe is not None:
        known = get_recipe(recipe)
        if method != known.settings["method"]:
            raise BadParameterError(
                f"The recipe {recipe!r} is one of {known.settings['method']}, not of {method}.", "Leave the method out."
            )
        options = known.param | options
    settings, plan = settings_and_plan(
        method, options, dataset=dataset, min_photos=min_photos, size=size, people=people, scene=scene,
        augmentation=augmentation, backbone=backbone, width=width, weights=weights, freeze=freeze, head=head,
        head_epochs=head_epochs, epochs=epochs, batch_size=batch_size, per_class=per_class, lr=lr, optimizer=optimizer,
        weight_decay=weight_decay, momentum=momentum, warmup_epochs=warmup_epochs, clip_norm=clip_norm, seed=seed, chunk=chunk,
        sync_batch_norm=sync_batch_norm, precision=precision, recipe=recipe,
    )  # fmt: skip
    check_effects(settings, plan, do, devices, logger)
    out = None if out is None else user_path(out)
    try:
        folder = train_and_measure(settings, plan, out, do, plots, devices, logger)
    except DataMissingError as error:
        if recipe is None or known.settings["dataset"] != dataset:
            raise
        raise DataMissingError(
            error.problem, f"{error.remedy} Or take the recipe to other photographs, as by --dataset orl-wild."
        ) from error
    if folder is None:  # another process has the results
        return
    if do != "train":
        print_metrics(records.leaderboard([records.read_record(folder / "record.json")]))
    console.print(f"everything is in {folder}")
