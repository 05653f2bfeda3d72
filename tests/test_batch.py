"""``facelab run``: a number runs the course's own notebook, and says where the file has other code; a path runs that file."""

import nbformat
import pytest
from commands import call

from facelab.errors import BadParameterError
from facelab.labs import batch
from facelab.labs.build import notebook_from_source
from facelab.paths import runs_root

SOURCE = """# %% [markdown]
# # 98 A title

# %% tags=["parameters"]
preset: str = "laptop"  # smoke, laptop or paper
dataset: str = "orl"  # any source
seed: int = 0  # of everything

# %%
print("the course's own", seed)
"""


@pytest.fixture
def source(notebook_folder, tmp_path, monkeypatch):
    path = notebook_folder / "98_test.py"
    path.write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    return path


@pytest.fixture
def own(source, tmp_path):
    """A student's file that was made from the course's."""
    path = tmp_path / "my" / "98_test.ipynb"
    save(path, source, "import helper\nprint(helper.WORD, seed)")
    (path.parent / "helper.py").write_text("WORD = 'my own'\n")
    return path


def save(path, source, *code):
    """Make a notebook file from a source, with other code in its last cells."""
    notebook = notebook_from_source(source)
    for cell, text in zip(notebook.cells[-len(code) :] if code else (), code, strict=True):
        cell["source"] = text
    path.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, path)


def printed(path):
    cells = nbformat.read(path, 4).cells
    return "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))


def test_a_number_and_a_path_are_run_each_as_what_it_names(source, own, monkeypatch, capsys):
    before = own.read_bytes()
    assert call(monkeypatch, "run", "98", "my/98_test.ipynb", "-p", "seed=3") == 0
    executed = runs_root() / "notebooks"
    assert printed(executed / "98_test-laptop-orl-3.ipynb") == "the course's own 3\n"
    assert printed(executed / "my" / "98_test-laptop-orl-3.ipynb") == "my own 3\n"
    assert own.read_bytes() == before
    told = capsys.readouterr()
    assert f"[2/2] {own} ..." in told.out and told.err == ""


def test_a_file_is_run_as_it_is_where_nothing_is_given(source, own):
    save(own, source, "seed = 5\nany_line = [seed] * 2", "print(any_line)")
    planned = batch.plan_file(own, {})
    assert planned.parameters == {} and planned.executed == runs_root() / "notebooks" / "my" / "98_test.ipynb"


def test_a_file_that_papermill_has_run_before_can_be_run_again(source, own, monkeypatch):
    notebook = nbformat.read(own, 4)
    injected = nbformat.v4.new_code_cell("seed = 3", metadata={"tags": ["injected-parameters"]})
    notebook.cells.insert(2, injected)
    nbformat.write(notebook, own)
    assert call(monkeypatch, "run", str(own), "-p", "seed=4") == 0
    assert printed(runs_root() / "notebooks" / "my" / "98_test-laptop-orl-4.ipynb") == "my own 4\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["my/98_test.ipynb", "-p", "sede=3"], "98_test has no parameter 'sede'. Did you mean 'seed'"),
        (["my/98_test.ipynb", "-p", "seed=x"], "seed is 'x'"),
        (["my/98_test.ipynb", "--preset", "huge"], "preset is 'huge'"),
        (["my/98_test.ipynb", "my/98_test.ipynb"], "Two notebooks would be written to"),
        (["all", "my/98_test.ipynb"], "'all' stands beside other notebooks"),
        (["my/98.ipynb"], "my/98.ipynb is not a notebook file. Did you mean '98_test'"),
        (["my/helper.py"], "my/helper.py is not a notebook file"),
        (["my/folder.ipynb"], "my/folder.ipynb is not a notebook file"),
        (["my/plain.ipynb", "-p", "seed=3"], "has no cell tagged 'parameters', so it takes no -p"),
        (["my/plain.ipynb", "--preset", "smoke"], "has no cell tagged 'parameters'"),
        (["my/computed.ipynb", "-p", "seed=3"], "computed.ipynb: 'seed: int = 1 + x' is not a parameter"),
        (["my/text.ipynb"], "text.ipynb is not a notebook"),
        (["my/list.ipynb"], "list.ipynb is not a notebook"),
        (["my/cells.ipynb"], "cells.ipynb is not a notebook"),
        (["my/encoded.ipynb"], "encoded.ipynb is not a notebook"),
        (["my/empty.ipynb"], "empty.ipynb is not a notebook"),
        (["my/deep.ipynb"], "deep.ipynb is not a notebook"),
    ],
)
def test_what_cannot_be_run_is_one_line_before_anything_is(source, own, monkeypatch, capsys, words, said):
    folder = own.parent
    (folder / "folder.ipynb").mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")]), folder / "plain.ipynb")
    save(folder / "computed.ipynb", source, "seed: int = 1 + x", "1")
    contents = {
        "text": b"hello",
        "list": b"[]",
        "cells": b'{"cells": 3, "nbformat": 4}',
        "encoded": b"\xff\xfe{",
        "empty": b"",
    }
    for name, data in (contents | {"deep": b"[" * 100_000}).items():
        (folder / f"{name}.ipynb").write_bytes(data)
    assert call(monkeypatch, "run", "98", *words) == 1
    told = capsys.readouterr()
    assert said in told.err and told.err.count("\n") == 1 and told.out == ""
    assert not runs_root().exists()


def test_other_code_in_the_file_beside_the_source_is_said_before_the_source_is_run(
    source, tmp_path, monkeypatch, capsys
):
    path = tmp_path / "notebooks" / "98_test.ipynb"
    save(path, source, "print('my work')")
    assert call(monkeypatch, "run", "98") == 0
    said = capsys.readouterr().err
    assert f"{path} has other code" in said and f"facelab run {path}" in said
    assert printed(runs_root() / "notebooks" / "98_test-laptop-orl-0.ipynb") == "the course's own 0\n"


def test_text_outputs_and_an_empty_cell_are_no_other_code(source, tmp_path):
    path = tmp_path / "notebooks" / "98_test.ipynb"
    assert batch.differs_from_course(source) is None, "there is no file at all"
    save(path, source)
    notebook = nbformat.read(path, 4)
    notebook.cells[0]["source"] = "# My title"
    notebook.cells[-1]["outputs"] = [nbformat.v4.new_output("stream", text="0")]
    notebook.cells.append(nbformat.v4.new_code_cell(""))
    nbformat.write(notebook, path)
    assert batch.differs_from_course(source) is None
    notebook.cells.append(nbformat.v4.new_code_cell("1"))
    nbformat.write(notebook, path)
    assert batch.differs_from_course(source) == path
    path.write_text("{")
    assert batch.differs_from_course(source) == path


def test_where_a_notebook_fails_the_others_are_run_and_it_is_a_row_at_the_end(source, own, monkeypatch, capsys):
    bad = own.parent / "97_bad.ipynb"
    save(bad, source, "1 / 0")
    words = ["run", "my/97_bad.ipynb", "98", "-p", "seed=3"]
    assert call(monkeypatch, *words, "--stop") == 1
    good = runs_root() / "notebooks" / "98_test-laptop-orl-3.ipynb"
    assert not good.exists() and "97_bad failed in cell 3" in capsys.readouterr().err
    assert call(monkeypatch, *words) == 1
    told = capsys.readouterr()
    assert printed(good) == "the course's own 3\n"
    assert told.err == f"facelab: 1 of 2 notebooks failed. Mend them, and run them alone: facelab run {bad}.\n"
    executed = runs_root() / "notebooks" / "my" / "97_bad-laptop-orl-3.ipynb"
    error = f"97_bad failed in cell 3: ZeroDivisionError: division by zero Look at {executed}."
    assert told.out.splitlines()[-1] == f"{bad} {error}"


def test_a_data_set_that_a_file_names_is_sought_before_it_runs(own, data):
    from facelab.errors import DataMissingError

    with pytest.raises(DataMissingError, match="lfw"):
        batch.prepare(batch.plan_file(own, {"dataset": "lfw"}))
    with pytest.raises(BadParameterError, match="olr"):
        batch.plan_file(own, {"dataset": "olr"})
