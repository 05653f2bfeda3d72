"""``facelab split``: a tree of photographs into training and test."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facelab.commands.console import console
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
    from facelab.datasets.output_tree import count_of, some_names
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
    for file, fault in done.mended_copies:
        console.print(f"copied again, the copy was {fault}: {file}")
    if done.kept_copies:
        copies = count_of(done.kept_copies, "earlier copy", "earlier copies")
        console.print(f"{copies} kept, whose photograph cannot be read now ({some_names(done.kept_copies)})")
    if done.removed_copies:
        copies = count_of(done.removed_copies, "copy", "copies")
        console.print(f"{copies} of an earlier split removed ({some_names(done.removed_copies)})")
    if done.foreign_files:
        console.print(
            f"{count_of(done.foreign_files, 'file')} in {out_dir} not from here ({some_names(done.foreign_files)}): left alone"
        )
