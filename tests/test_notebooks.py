"""The stored notebooks keep the contract: made from their sources, executed, small, and stable to compare."""

import nbformat
import pytest

from facelab.labs.build import notebook_from_source
from facelab.labs.parameters import declared_parameters, notebook_sources
from facelab.paths import project_root

SOURCES = notebook_sources()
IDS = [path.stem for path in SOURCES]


def stored(source):
    return nbformat.read(project_root() / "notebooks" / f"{source.stem}.ipynb", as_version=4)


def test_every_notebook_has_a_source():
    assert sorted(IDS) == sorted(path.stem for path in (project_root() / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("source", SOURCES, ids=IDS)
def test_the_notebook_is_what_its_source_makes(source):
    def parts(notebook):
        return [(c.cell_type, c.source, c.metadata.get("tags", []), c.id) for c in notebook.cells]

    assert parts(stored(source)) == parts(notebook_from_source(source)), "run: make notebooks"


@pytest.mark.parametrize("source", SOURCES, ids=IDS)
def test_it_was_executed_and_nbval_can_compare_it(source):
    """A stripped notebook passes nbval silently, so an execution count is demanded of every code cell."""
    cells = [cell for cell in stored(source).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", f"a warning is stored: {output.get('text')}"
            assert "image/svg+xml" not in output.get("data", {})
            if "nbval-ignore-output" not in cell.metadata.get("tags", []):
                text = str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
                assert " at 0x" not in text and str(project_root()) not in text and "/site-packages/" not in text
    assert stored(source).metadata["facelab"]["seconds"] > 0


@pytest.mark.parametrize("source", SOURCES, ids=IDS)
def test_it_stays_small(source):
    assert (project_root() / "notebooks" / f"{source.stem}.ipynb").stat().st_size < 300_000


@pytest.mark.parametrize("source", SOURCES, ids=IDS)
def test_its_parameters_follow_the_contract(source):
    found = declared_parameters(source)
    assert list(found)[:3] == ["preset", "dataset", "seed"]
    assert found["preset"].default == "laptop"
    assert all(parameter.help for parameter in found.values())


@pytest.mark.parametrize("source", SOURCES, ids=IDS)
def test_notebooks_do_not_import_each_other(source):
    text = source.read_text(encoding="utf-8")
    assert not any(f"import {other.stem}" in text or f"{other.stem}.ipynb')" in text for other in SOURCES)
