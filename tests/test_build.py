"""Notebooks are built and run from their sources: outputs made small, folders absolute, failures named with their cell."""

import base64
import io
import os
import sys

import nbformat
import numpy as np
import pytest
from PIL import Image

from facelab import cli
from facelab.errors import BadParameterError, FacelabError
from facelab.labs import build, parameters

SOURCE = """# %% [markdown]
# # 98 A title

# %% tags=["parameters"]
preset: str = "laptop"  # smoke, laptop or paper
dataset: str = "orl"  # any source
seed: int = 0  # of everything

# %%
import os
import sys
print(seed, os.path.isabs(os.environ["FACELAB_RUNS"]))
1 / (seed - 7)
"""


@pytest.fixture
def source(tmp_path, monkeypatch):
    folder = tmp_path / "notebooks" / "src"
    folder.mkdir(parents=True)
    path = folder / "98_test.py"
    path.write_text(SOURCE)
    for module in (build, parameters):
        monkeypatch.setattr(module, "project_root", lambda: tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACELAB_RUNS", "some/runs")
    return path


def test_a_run_has_its_parameters_and_absolute_folders(source, tmp_path):
    executed = build.run_notebook(source, {"seed": 3})
    assert executed == tmp_path / "some" / "runs" / "notebooks" / "98_test-laptop-orl-3.ipynb"
    outputs = [output for cell in nbformat.read(executed, 4).cells for output in cell.get("outputs", [])]
    assert outputs[0].text == "3 True\n"
    assert not list(executed.parent.glob(".*"))


def test_a_failing_cell_is_named_and_the_notebook_kept(source):
    with pytest.raises(FacelabError, match="ZeroDivisionError.*98_test-laptop-orl-7.ipynb"):
        build.run_notebook(source, {"seed": 7})
    assert (source.parents[2] / "some/runs/notebooks/98_test-laptop-orl-7.ipynb").exists()


def test_a_wrong_parameter_runs_nothing(source):
    with pytest.raises(BadParameterError):
        build.run_notebook(source, {"sede": 1})
    assert not os.path.exists("some")


def test_the_stored_notebook_is_normalised(source):
    path = build.build_notebook(source)
    notebook = nbformat.read(path, 4)
    assert [cell.id for cell in notebook.cells] == ["cell-000", "cell-001", "cell-002"]
    assert [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"] == [1, 2]
    assert notebook.metadata["facelab"]["seconds"] >= 0
    assert all("execution" not in cell.metadata for cell in notebook.cells)


def test_text_is_taken_over_without_a_run_and_code_is_not(source):
    path = build.build_notebook(source)
    outputs = [cell.get("outputs") for cell in nbformat.read(path, 4).cells]
    source.write_text(SOURCE.replace("A title", "Another title"))
    build.update_text(source)
    after = nbformat.read(path, 4)
    assert "Another title" in after.cells[0].source
    assert [cell.get("outputs") for cell in after.cells] == outputs
    source.write_text(SOURCE.replace("seed - 7", "seed - 8"))
    with pytest.raises(FacelabError, match="facelab build 98_test"):
        build.update_text(source)


def test_the_command_builds_what_is_named_and_takes_over_text_alone_where_asked(source, monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["facelab", "build", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert not left.value.code

    call("98")
    path = source.parents[1] / "98_test.ipynb"
    stamp = nbformat.read(path, 4).cells[2].outputs
    source.write_text(SOURCE.replace("A title", "Another title"))
    call("--text")
    after = nbformat.read(path, 4)
    assert "Another title" in after.cells[0].source and after.cells[2].outputs == stamp
    assert capsys.readouterr().out.count("building 98_test") == 2


def test_plots_become_small_palette_pictures_that_look_the_same():
    rng = np.random.default_rng(0)
    pixels = np.full((60, 80, 3), 255, np.uint8)
    pixels[20:40, 10:70] = (0, 114, 178)
    pixels[rng.integers(60, size=40), rng.integers(80, size=40)] = (213, 94, 0)
    plain = io.BytesIO()
    Image.fromarray(pixels).save(plain, "PNG")
    data = {"image/png": base64.b64encode(plain.getvalue()).decode()}
    output = nbformat.v4.new_output("display_data", data=data, metadata={"a": 1})
    build._normalise(output)
    after = Image.open(io.BytesIO(base64.b64decode(output["data"]["image/png"])))
    assert after.mode == "P" and output["metadata"] == {}
    assert np.abs(np.asarray(after.convert("RGB")).astype(int) - pixels).max() <= 3
