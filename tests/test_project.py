"""The project's own promises: one list of dependencies, arrows that point one way, public names that are explained."""

import ast
from pathlib import Path

import pytest
import yaml

from facelab.paths import project_root

ROOT = project_root()
ORDER = [
    "datasets", "cropping", "augment", "backbones", "losses", "optim", "methods", "training", "evaluation", "search", "records",
    "plots", "projector", "webapp", "exercises", "protocols", "labs", "commands", "experiments", "cli",
]  # fmt: skip
GROUND = {
    "__init__",
    "errors",
    "files",
    "paths",
    "progress",
}  # what every room stands on; they import none of the rooms


def test_environment_yml_brings_only_what_pip_cannot():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    pip = [entry for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert {entry.split(">")[0].split("=")[0] for entry in conda} == {"python", "pip", "cxx-compiler"}
    assert pip == [{"pip": ["-e .[test]"]}]
    wanted = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    python = next(entry for entry in conda if entry.startswith("python"))
    assert f'requires-python = "{python.removeprefix("python")}"' in wanted


def modules():
    return sorted((ROOT / "facelab").rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(ROOT / "facelab").with_suffix("").parts[0]


def test_every_room_has_its_place():
    assert {room(path) for path in modules()} == {*ORDER, *GROUND}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    """A package may import what stands before it in design.md's list, never what stands behind."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] != "facelab" or len(parts) < 2 or parts[1] not in ORDER:
                continue
            assert room(path) in ORDER, f"line {node.lineno}: {name}: {room(path)} stands below all rooms"
            assert ORDER.index(parts[1]) <= ORDER.index(room(path)), f"line {node.lineno}: {name}"
            assert room(path) != "losses" or parts[1] == "losses", f"line {node.lineno}: losses import torch only"
