"""What lets the project grow old: versions that are locked, files that other services read, parameters that still matter."""

import ast
import json
import re

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from facelab.labs.parameters import declared_parameters, notebook_sources
from facelab.paths import project_root

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

ROOT = project_root()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def locked() -> dict[str, list[str]]:
    """Name of a package -> its versions in the lock file."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(
        r"^([a-z0-9._-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE
    ):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


def test_the_lock_has_every_dependency_within_its_bounds():
    wanted = [
        Requirement(text)
        for texts in [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
        for text in texts
    ]
    for requirement in wanted:
        marker = requirement.marker  # the lock is for Python 3.11 and later
        if requirement.name != "facelab" and (marker is None or marker.evaluate({"python_version": "3.11"})):
            versions = locked()[canonicalize_name(requirement.name)]
            assert all(requirement.specifier.contains(version) for version in versions), requirement


def test_each_locked_package_has_hashes():
    entries = re.split(r"^(?=[a-z0-9])", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)[1:]
    assert len(entries) > 100
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_and_nothing_else(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    targets = set(re.findall(r"^([a-z-]+)(?: [a-z-]+)*:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 120
        for step in job["steps"]:
            assert "uses" not in step or re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])
            assert not step.get("run", "").startswith("make ") or step["run"].split()[1] in targets | {"${{"}


def test_three_systems_are_tried():
    text = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    assert all(f"{system}-latest" in text for system in ("ubuntu", "macos", "windows"))


def test_the_development_container_makes_the_environment_of_the_makefile():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    assert container["postCreateCommand"] == "make .venv/.ready"


def test_the_citation_names_this_version():
    """The keys that the Citation File Format 1.2.0 demands, and those that must agree with the package."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys() and citation["cff-version"] == "1.2.0"
    assert citation["version"] == PROJECT["version"] and citation["license"] == PROJECT["license"]["text"]


def test_the_changelog_has_this_version():
    assert f"\n## {PROJECT['version']}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("source", notebook_sources(), ids=lambda source: source.stem)
def test_every_parameter_of_a_notebook_is_used(source):
    """Beyond being handed to ``labs.begin``, which takes them all; the preset is what ``run.choose`` looks at."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    handed = {
        id(node)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "labs.begin"
        for node in ast.walk(call)
    }
    read = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in handed
    }
    chosen = {"preset"} if "run.choose(" in source.read_text(encoding="utf-8") else set()
    assert declared_parameters(source).keys() <= read | chosen
