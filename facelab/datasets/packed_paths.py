"""What ``parquet:PATH`` and ``webdataset:PATH`` say: a file or a folder of shards, and perhaps which of its labels is meant."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from facelab.datasets.sources import path_of_family
from facelab.datasets.trees import is_litter, is_text
from facelab.errors import BadParameterError, DataMissingError, nearest_name


def parse_packed_path(text: str, options: Sequence[str]) -> tuple[Path, dict[str, str]]:
    """The path, and the options behind it: ``faces?image=img&label=person`` has two.

    A path that is there as a whole has none, whatever is in its name. Values are percent-encoded where they hold ``%``, ``&``,
    ``/`` or ``?``: ``%26`` for ``&``.

    Args:
        text: what follows the colon; ``~`` is the home folder.
        options: the names that options can have.

    Raises:
        BadParameterError: no such path can be, it is not text and so cannot stand in a record, or an option is given twice.
    """
    path = path_of_family(text)
    one = rf"(?:{'|'.join(options)})=[^&?/]*"
    found = re.search(rf"\?({one}(?:&{one})*)/?$", text)  # a slash is what absolute_name leaves behind a folder's name
    if not found or os.path.exists(path):
        _refuse_strange_option(text, path, options)
        return path, {}
    given = [option.split("=", 1) for option in found[1].split("&")]
    values = {name: unquote(value) for name, value in given}
    if len(values) < len(given):
        raise BadParameterError(f"{text!r} says twice what its {given[0][0]} is.", "Say it once.")
    return path_of_family(text[: found.start()]), values


def _refuse_strange_option(text: str, path: str, options: Sequence[str]) -> None:
    """Where a path is there but for what stands behind its question mark, that is a wrong word."""
    behind = re.search(r"\?([^?/]*=[^?/]*)/?$", text)
    if not behind or os.path.exists(path) or not os.path.exists(path_of_family(text[: behind.start()])):
        return
    for option in behind[1].split("&"):
        word = option.partition("=")[0]
        if word not in options:
            raise BadParameterError(
                f"{text!r} has no option {word!r}.{nearest_name(word, options)}", f"There are: {', '.join(options)}."
            )


def find_shards(root: Path, endings: tuple[str, ...]) -> list[Path]:
    """The file itself, or every file below a folder that ends so, sorted by path; hidden ones are passed over.

    Raises:
        DataMissingError: a folder cannot be opened or holds none, or it is a pipe, a socket or a device.
    """
    if os.path.isfile(root):
        return [root]
    if not os.path.isdir(root):  # opening a pipe would wait for somebody to write to it
        raise DataMissingError(
            f"{root} is neither a file nor a folder.", f"Name a {endings[0]} file or a folder of them."
        )
    shards: list[Path] = []

    def refuse(error: OSError) -> None:
        raise DataMissingError(
            f"The folder {error.filename} cannot be opened ({error.strerror}).", "Check its name and its rights."
        ) from error

    for folder, folders, files in os.walk(root, onerror=refuse):
        folders[:] = [name for name in folders if not is_litter(name)]
        paths = (Path(folder, name) for name in files if name.lower().endswith(endings) and not is_litter(name))
        shards += [
            path for path in paths if os.path.isfile(path) or not os.path.exists(path)
        ]  # a link to nothing is said when it is read
    if not shards:
        raise DataMissingError(
            f"The folder {root} holds no {endings[0]} file.", "Name the folder that holds the shards."
        )
    return sorted(shards)


def shard_name(root: Path, shard: Path) -> str:
    """How a shard is called in ``file``: its path from the folder on, with ``/`` between its parts, printable."""
    name = shard.name if shard == root else shard.relative_to(root).as_posix()
    return name if is_text(name) else ascii(name)[1:-1]
