"""What a split writes of itself: its settings, and the manifest of its copies; another split is told by them."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path

from facelab.datasets.output_tree import some_names, source_name
from facelab.datasets.trees import is_empty
from facelab.errors import BadParameterError
from facelab.files import atomic_write, read_json_object

MANIFEST, SETTINGS = "manifest.csv", "split.json"


def part_and_file(copy: str) -> tuple[str, str]:
    """``train`` or ``test``, and the photograph's path below the source."""
    part, _, file = copy.partition("/")
    return part, file


def read_earlier_split(target: Path) -> tuple[dict[str, object], dict[str, str]]:
    """Settings of an earlier run, and its copies and their SHA-256 as its manifest has them; empty where there was none.

    Raises:
        BadParameterError: the folder holds something else.
    """
    if is_empty(target):
        return {}, {}
    try:
        begun = read_json_object(target / SETTINGS)
    except (OSError, ValueError):
        raise BadParameterError(f"{target} is not empty, and not a split of ours.", "Name a new folder.") from None
    return begun, _read_manifest(target / MANIFEST, begun.get("manifest_sha256"))


def _read_manifest(path: Path, sha256: object) -> dict[str, str]:
    """Copy -> SHA-256, of a manifest that is whole; empty of another."""
    try:
        data = path.read_bytes()
    except OSError:
        return {}
    if hashlib.sha256(data).hexdigest() != sha256:
        return {}
    rows = csv.DictReader(io.StringIO(data.decode(), newline=""))
    return {f"{row['part']}/{row['file']}": row["sha256"] for row in rows}


def check_same_split(
    target: Path, begun: dict[str, object], settings: dict[str, object], is_whole: bool, old: list[str], prune: bool
) -> None:
    """Refuse an output folder that holds another split and may not be brought up to date.

    Args:
        target: the folder.
        begun: settings of the split that it holds; empty where it holds none.
        settings: those of this one.
        is_whole: whether the earlier split came to its end.
        old: its copies that are not in this one.
        prune: whether it is to be brought up to date.

    Raises:
        BadParameterError: it is another split.
    """
    differ = [key for key in settings if begun.get(key) != settings[key]]
    if not begun or not differ:
        return
    named = [key for key in differ if key != "manifest_sha256"] or ["photographs"]
    problem = f"{target} holds another split (other {', '.join(named)})."
    if {"source", "percent_train", "seed"} & set(differ) or not is_whole:
        raise BadParameterError(problem, "Name a new folder.")
    if not prune:
        are = "is" if len(old) == 1 else "are"
        left = f" {len(old)} of its copies {are} not in this one ({some_names(old)})." if old else ""
        raise BadParameterError(
            problem + left, "Give --prune to bring it up to date (it removes such copies), or name a new folder."
        )


def settings_of(source: Path, percent_train: float, seed: int, copies: dict[str, str]) -> dict[str, object]:
    """What ``split.json`` says of a split of these copies (copy -> SHA-256): two splits with equal settings are one."""
    settings = {"source": source_name(source), "percent_train": percent_train, "seed": seed, "files": len(copies)}
    return settings | {"manifest_sha256": hashlib.sha256(_manifest_of(copies)).hexdigest()}


def write_manifest(target: Path, copies: dict[str, str]) -> None:
    """Write ``manifest.csv`` of copies -> SHA-256 into a folder, whole or not at all."""
    with atomic_write(target / MANIFEST) as partial:
        partial.write_bytes(_manifest_of(copies))


def _manifest_of(copies: dict[str, str]) -> bytes:
    """The CSV file of copy -> SHA-256: file, part, sha256, one row a copy, UTF-8; the same bytes on every system."""
    rows = [(file, part, copies[f"{part}/{file}"]) for part, file in map(part_and_file, copies)]
    return "".join(_csv_line(row) for row in [("file", "part", "sha256"), *rows]).encode()


def _csv_line(row: tuple[str, str, str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(row)  # it quotes what is in its line end: names may hold both
    return text.getvalue().removesuffix("\r\n") + "\n"
