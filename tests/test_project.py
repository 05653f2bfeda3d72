"""The project's own promises: one list of dependencies, arrows that point one way, public names that are explained."""

import ast
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from facelab.paths import project_root

ROOT = project_root()
ORDER = [
    "datasets", "cropping", "augment", "backbones", "losses", "optim", "methods", "training", "evaluation", "scoring", "search",
    "records", "exchange", "plots", "projector", "webapp", "exercises", "protocols", "labs", "grading", "batches", "sweeps",
    "commands", "experiments", "cli",
]  # fmt: skip
GROUND = {
    "__init__",
    "errors",
    "extras",
    "files",
    "heap",
    "interrupts",
    "paths",
    "processes",
    "progress",
    "tensor_files",
    "terminal",
    "threads",
    "whole_numbers",
}  # what every folder stands on; they import none of them


def test_environment_yml_brings_only_what_pip_cannot():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    pip = [entry for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert {entry.split(">")[0].split("=")[0] for entry in conda} == {"python", "pip", "cxx-compiler"}
    assert pip == [{"pip": ["-e .[test]"]}]
    wanted = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    python = next(entry for entry in conda if entry.startswith("python"))
    assert f'requires-python = "{python.removeprefix("python")}"' in wanted


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_the_makefile_works_in_a_folder_whose_name_has_a_blank(tmp_path):
    """What ``make`` would do there, read as a shell reads it: every folder of runs is one word."""
    folder = tmp_path / "my course"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    shown = subprocess.run(
        ["make", "-n", "smoke", "nbval"], cwd=folder, capture_output=True, text=True, check=True
    ).stdout
    words = [word for line in shown.splitlines() if "FACELAB_RUNS=" in line for word in shlex.split(line.rstrip("\\"))]
    runs = [word.removeprefix("FACELAB_RUNS=") for word in words if word.startswith("FACELAB_RUNS=")]
    assert runs == [f"{folder}/runs/smoke"] * 2 + [f"{folder}/runs/nbval"]


def modules():
    return sorted((ROOT / "facelab").rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(ROOT / "facelab").with_suffix("").parts[0]


def test_every_room_has_its_place():
    assert {room(path) for path in modules()} == {*ORDER, *GROUND}


def imported_rooms(path: Path) -> dict[str, int]:
    """The folders and modules of the package that a file imports from, and the line where."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "facelab" and len(parts) > 1 and parts[1] in {*ORDER, *GROUND}:
                found[parts[1]] = node.lineno
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    """A folder may import what stands before it in ORDER, never what stands behind."""
    here = room(path)
    for there, line in imported_rooms(path).items():
        if here in GROUND:
            assert there in GROUND, f"line {line}: {there} stands above {here}"
        elif there in ORDER:
            assert ORDER.index(there) <= ORDER.index(here), f"line {line}: {there}"
        assert here != "losses" or there == "losses", f"line {line}: losses import torch only"


@pytest.mark.parametrize("folder", ["webapp", "experiments/face_id", "webapp/attacks"])
def test_the_map_of_a_large_folder_names_all_its_files(folder):
    package = ROOT / "facelab" / folder
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8")))
    files = {path.stem for path in package.glob("*.py")} | {f"{path.parent.name}/" for path in package.glob("*/*")}
    assert files - {"__init__", "__pycache__/"} <= set(re.findall(r"``([\w/]+)``", text))


@pytest.mark.parametrize("folder", [name for name in ORDER if (ROOT / "facelab" / name).is_dir()])
def test_a_folder_says_what_it_imports(folder):
    package = ROOT / "facelab" / folder
    used = {there for path in package.rglob("*.py") for there in imported_rooms(path)} - {folder, *GROUND}
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8")))
    said = re.search(r"^Imports from facelab: ((?:.|\n)+)\.$", text, re.MULTILINE)[1].replace("\n", " ")
    assert said == (
        ", ".join(sorted(used, key=ORDER.index)) or ("nothing" if folder == "losses" else "no other folder")
    )


def documented_arguments(text: str) -> set[str]:
    """The names below ``Args:`` of a docstring."""
    section = re.search(r"^Args:\n((?:    .*\n|\n)*)", f"{text}\n", re.MULTILINE)
    entries = re.findall(r"^    ([\w*][\w*, ]*):", section[1] if section else "", re.MULTILINE)
    return {name.strip(" *") for entry in entries for name in entry.split(",")}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_name_arguments_that_there_are(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        takes = node
        if isinstance(node, ast.ClassDef):
            takes = next((part for part in node.body if getattr(part, "name", "") == "__init__"), None)
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and takes is not None:
            arguments = {argument.arg for argument in ast.walk(takes.args) if isinstance(argument, ast.arg)}
            unknown = documented_arguments(ast.get_docstring(node) or "") - arguments
            assert not unknown, f"line {node.lineno}: {node.name} takes no {', '.join(sorted(unknown))}"
