"""``facelab split``: a tree of photographs into training and test."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facelab.commands.console import console
from facelab.commands.output_tree import print_foreign, print_mended, print_some
from facelab.paths import user_path


def split(
    in_dir: Annotated[Path, typer.Argument(help="Folder tree person/photo; stays as it is.")],
    out_dir: Annotated[Path, typer.Argument(help="New folder for train/ and test/.")],
    train: Annotated[float, typer.Option(help="Per cent of each person's photographs for training.")] = 70,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw.")] = 0,
    prune: Annotated[
        bool, typer.Option(help="Photographs have changed: remove earlier copies that are not in this split.")
    ] = False,
) -> None:
    """Copy a tree into train/person and test/person, with a manifest. Augment after this, never before."""
    from facelab.datasets.split_tree import split_tree

    done = split_tree(user_path(in_dir), user_path(out_dir), train, seed, prune)
    console.print(f"train {done.train_count}, test {done.test_count} photographs ({done.copied_count} copied now)")
    for person in done.single_photo_people:
        console.print(f"one photograph only, kept in train: {person}")
    for file, reason in done.rejected_files:
        console.print(f"not usable: {file}: {reason}")
    for file, reason in done.damaged_files:
        console.print(f"copied, but not usable: {file}: {reason}")
    for first, second in done.duplicates:
        console.print(f"the same picture in train and test: {first}, {second}")
    print_mended(done.mended_copies, "copied again, the copy")
    print_some(done.kept_copies, "earlier copy", "earlier copies", "kept, whose photograph cannot be read now")
    print_some(done.removed_copies, "copy", "copies", "of an earlier split removed")
    print_foreign(done.foreign_files, out_dir)
