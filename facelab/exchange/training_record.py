"""What ``facelab train`` left beside a method: which photographs it learned from, and so how faces are cut out for it."""

from __future__ import annotations

import shlex
from pathlib import Path

from facelab.datasets.sources import is_of_aligned_crops
from facelab.errors import FacelabError
from facelab.records import Record, read_record


def record_of_run(run: Path) -> Record | None:
    """What is known of a run: its record, or where nothing was measured the data set that its command names.

    Raises:
        FacelabError: its record is damaged.
    """
    if (run / "record.json").is_file():
        return read_record(run / "record.json")
    path = run / "command.txt"
    if not path.is_file():
        return None
    command = path.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    try:
        words = shlex.split(command)
        return Record("facelab train", command, {"dataset": words[words.index("--dataset") + 1]})
    except (ValueError, IndexError):  # somebody else's file
        return None


def crop_of_training(path: Path) -> str:
    """How the faces were cut out that a ``method.pt`` learned from, one of ``exported_model.CROPS``.

    "arcface" where what stands beside it says that they were all of a form in which aligned crops are handed round.
    """
    try:
        record = record_of_run(path.parent)
        dataset = None if record is None else record.parameters.get("dataset")
        return "arcface" if isinstance(dataset, str) and is_of_aligned_crops(dataset) else "dataset"
    except (FacelabError, OSError):  # somebody else's file, or a damaged one
        return "dataset"
