"""What needs a package that is not there says so, with the extra that brings it; a fault of ours is no missing package."""

import re
import sys

import pytest

from facelab.errors import FacelabError
from facelab.experiments.registry import all_experiments
from facelab.extras import needs_extra
from facelab.paths import project_root


def test_a_missing_package_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(FacelabError) as caught, needs_extra("A thing", "ann", instead=", or take another."):
        import faiss.contrib  # noqa: F401
    assert str(caught.value) == (
        "A thing needs faiss, which is not installed. pip install 'facelab[ann]', or take another."
    )


def test_a_fault_of_ours_stays_what_it_is():
    with pytest.raises(ModuleNotFoundError), needs_extra("A thing", "ann"):
        import facelab.nothing  # noqa: F401
    with pytest.raises(ZeroDivisionError), needs_extra("A thing", "ann"):
        print(1 / 0)


def test_every_extra_that_is_named_is_there():
    tomllib = pytest.importorskip("tomllib", reason="Python reads TOML itself from 3.11 on")
    known = tomllib.loads((project_root() / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    calls = re.compile(r"needs_extra\(\s*f?\"[^\"]*\",\s*\"(\w+)\"")
    files = (project_root() / "facelab").rglob("*.py")
    named = {name for path in files for name in calls.findall(path.read_text(encoding="utf-8"))}
    named |= {experiment.extra for experiment in all_experiments().values() if experiment.packages}
    assert {"app", "track", "ann", "cluster"} <= named <= set(known["optional-dependencies"])
