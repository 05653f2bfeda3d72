"""Notebooks are built and run from their sources: outputs made small, folders absolute, failures named with their cell."""

import base64
import io
import os

import nbformat
import numpy as np
import pytest
from commands import call
from IPython.core.pylabtools import print_figure
from PIL import Image

from facelab import plots
from facelab.errors import BadParameterError, FacelabError
from facelab.labs import batch, build
from facelab.plots.style import COLORS, hex_to_rgb, use_course_style
from facelab.records import Metric

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
def source(notebook_folder, tmp_path, monkeypatch):
    path = notebook_folder / "98_test.py"
    path.write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACELAB_RUNS", "some/runs")
    return path


def test_a_run_has_its_parameters_and_absolute_folders(source, tmp_path):
    executed = batch.run_notebook(source, {"seed": 3})
    assert executed == tmp_path / "some" / "runs" / "notebooks" / "98_test-laptop-orl-3.ipynb"
    outputs = [output for cell in nbformat.read(executed, 4).cells for output in cell.get("outputs", [])]
    assert outputs[0].text == "3 True\n"
    assert not list(executed.parent.glob(".*"))


def test_a_failing_cell_is_named_and_the_notebook_kept(source):
    with pytest.raises(FacelabError, match="ZeroDivisionError.*98_test-laptop-orl-7.ipynb"):
        batch.run_notebook(source, {"seed": 7})
    assert (source.parents[2] / "some/runs/notebooks/98_test-laptop-orl-7.ipynb").exists()


def test_a_wrong_parameter_runs_nothing(source):
    with pytest.raises(BadParameterError):
        batch.run_notebook(source, {"sede": 1})
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
    assert call(monkeypatch, "build", "98") == 0
    path = source.parents[1] / "98_test.ipynb"
    stamp = nbformat.read(path, 4).cells[2].outputs
    source.write_text(SOURCE.replace("A title", "Another title"))
    assert call(monkeypatch, "build", "--text") == 0
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


def test_thin_lines_keep_their_colours():
    use_course_style()
    names = ("raw pixels", "whitened PCA", "one", "one, then the other without names", "one, then the other with names")
    shown = {
        name: Metric(value, 10, value - 0.02, value + 0.02)
        for name, value in zip(names, (0.61, 0.7, 0.63, 0.8, 0.83), strict=True)
    }
    figure = plots.intervals({"": shown}, "accuracy, per cent; 50 is chance", "people never seen", chance=0.5)
    drawn = print_figure(figure, bbox_inches="tight")
    output = nbformat.v4.new_output("display_data", data={"image/png": base64.b64encode(drawn).decode()})
    build._normalise(output)
    kept = base64.b64decode(output["data"]["image/png"])
    before, after = (np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int) for png in (drawn, kept))
    for colour in map(hex_to_rgb, COLORS[: len(names)]):
        its = (before == colour).all(axis=2)
        assert its.sum() > 20 and np.abs(after[its] - colour).max() <= 10
