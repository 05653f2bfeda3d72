"""``facelab split``: a tree of photographs into training and test."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facelab.commands.console import console


def split(
    in_dir: Annotated[Path, typer.Argument(help="Folder tree person/photo; stays as it is.")],
    out_dir: Annotated[Path, typer.Argument(help="New folder for train/ and test/.")],
    train: Annotated[float, typer.Option(help="Per cent of each person's photographs for training.")] = 70,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Copy a tree into train/person and test/person, with a manifest. Augment after this, never before."""
    from facelab.datasets.split_tree import split_tree

    done = split_tree(in_dir, out_dir, train, seed)
    console.print(
        f"train {done.train_count}, test {done.test_count} photographs ({done.copied_count} copied now)", markup=False
    )
    for person in done.single_photo_people:
        console.print(f"one photograph only, kept in train: {person}", markup=False)
    for file, reason in done.rejected_files:
        console.print(f"not usable: {file}: {reason}", markup=False)
    for file, reason in done.damaged_files:
        console.print(f"copied, but not usable: {file}: {reason}", markup=False)
    for first, second in done.duplicates:
        console.print(f"the same picture in train and test: {first}, {second}", markup=False)
