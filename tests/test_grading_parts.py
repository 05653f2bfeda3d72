"""The parts of the grading, one by one, in the process of the tests."""

import ast
import builtins
import copy
import csv
import inspect
import json
import operator
import pickle
import sys
import types

import hand_in_notebooks as hand_ins
import jupytext
import numpy as np
import pytest
import torch
from commands import call
from hand_in_notebooks import CHECK, GOOD, IMPORTS, RIGHT, STUB, notebook

from facelab.errors import BadParameterError
from facelab.exercises import Exercise, Prediction, judge
from facelab.exercises.registry import all_exercises
from facelab.grading.grades import Row, best_rows, hidden_folders, measured_guesses, write_grades
from facelab.grading.hand_ins import find_hand_ins
from facelab.grading.judging import execute, guard
from facelab.grading.notebook_code import UnreadableNotebookError, read_answers
from facelab.grading.seal import MeddlingError, Seal, require_plain, take_out_of_reach
from facelab.labs.parameters import notebook_sources


def read(tmp_path, text: str | bytes):
    path = tmp_path / "x.ipynb"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_answers(path)


def run(pieces) -> object:
    """What the function of 2.1 returns, which needs no arguments."""
    return execute([(p.cell, p.line, p.source) for p in pieces], "top_k_accuracy")(None, None, None)


def sources(answers) -> str:
    return "\n".join(piece.source for piece in answers["2.1"])


def test_an_answer_brings_what_it_needs_and_nothing_else(tmp_path):
    answers = read(
        tmp_path,
        notebook(
            "from os import *\nimport torch, math as m\nfaces = undefined()\nEPS, unused = 1e-8, 2",
            "def helper(x):\n    return x + EPS + m.pi\n",
            "def top_k_accuracy(scores, labels, k):\n    faces = 3\n    return [helper(x) for x in scores]\n" + CHECK,
            "EPS = 5\nraise SystemExit",
        ),
    )
    text = sources(answers)
    assert text.splitlines()[:3] == ["from os import *", "import math as m", "EPS, unused = 1e-8, 2"]
    assert "def helper" in text and "def top_k_accuracy" in text
    assert not any(word in text for word in ("torch", "undefined", "check_answer", "EPS = 5", "SystemExit", "labs"))
    assert answers["2.2"] is None and set(answers) == {"2.1", "2.2", "2.3", "2.4", "2.5"}


def test_of_two_definitions_the_last_counts_and_a_cell_of_another_exercise_is_replaced_by_the_reference(tmp_path):
    other = "def split_by_photo(photo, share, rng):\n    return nonsense\n"
    answers = read(tmp_path, notebook(STUB, other, RIGHT.replace("    best =", "    split_by_photo; best =") + CHECK))
    text = sources(answers)
    assert "argsort" in text and "return ..." not in text
    assert "nonsense" not in text and inspect.getsource(all_exercises()["2.2"].solution) in text
    assert "nonsense" in answers["2.2"][-1].source


def test_lines_are_those_of_the_cell(tmp_path):
    cell = "x = 1\n\n@staticmethod\ndef top_k_accuracy(scores, labels, k):\n    return 1 / 0\n"
    (piece,) = [p for p in read(tmp_path, notebook(cell))["2.1"] if "def " in p.source]
    assert (piece.cell, piece.line) == (2, 3)
    answer = execute([(piece.cell, piece.line, piece.source)], "top_k_accuracy")
    finding = judge(all_exercises()["2.1"], answer)
    assert (
        finding.state == "error" and finding.message == "your code raised ZeroDivisionError: division by zero (line 5)."
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_json_tells_of_are_read(tmp_path, encoding):
    assert "argsort" in sources(read(tmp_path, GOOD.encode(encoding)))


def test_old_notebooks_magics_and_lambdas_are_read(tmp_path):
    assert "argsort" in sources(read(tmp_path, hand_ins.old_notebook(IMPORTS, RIGHT)))
    assert "argsort" in sources(read(tmp_path, notebook("%matplotlib inline\n!ls\n" + RIGHT)))
    assert "lambda s" in sources(read(tmp_path, notebook("top_k_accuracy = lambda s, y, k: 1\n" + CHECK)))


@pytest.mark.parametrize(
    "first", ["%%time", "\n%%capture out --no-stderr", "%%time\n%%capture", "# mine\n%%timeit -n 1"]
)
def test_magics_that_time_or_silence_a_cell_leave_its_names_and_lines(tmp_path, first):
    cell = f"{first}\n%time EPS = 2\n%matplotlib inline\ndef top_k_accuracy(s, y, k):\n    return EPS\n"
    pieces = read(tmp_path, notebook(cell))["2.1"]
    assert run(pieces) == 2
    without_lines_above = cell.lstrip("\n").split("\n")
    assert pieces[-1].line == without_lines_above.index("def top_k_accuracy(s, y, k):") + 1


@pytest.mark.parametrize(
    ("before", "value"),
    [
        ("if np.pi > 4:\n    X = 1\nelse:\n    X = 2", 2),
        ("try:\n    from nowhere import X\nexcept ImportError:\n    X = 3", 3),
        ("with np.errstate():\n    X = np.float64(4)", 4),
        ("for X in range(6): pass", 5),
        ("while True:\n    def X(): return 6\n    break\nX = X()", 6),
        ("match 7:\n    case X: pass", 7),
        ("X = 8\nif np.pi > 4:\n    X = 1", 8),  # where the condition does not hold, the earlier one stands
        ("X = 0\nX = 4\nX += 4\nX = X + 1", 9),
        ("print(X := 10)", 10),
        ("if True:\n    from math import *\nX = 11 + floor(0.5)", 11),
        ("X = 12\ndel unknown", 12),
    ],
)
def test_names_that_a_statement_binds_by_others_in_it_are_there(tmp_path, before, value):
    assert run(read(tmp_path, notebook(before, "def top_k_accuracy(s, y, k):\n    return X\n" + CHECK))["2.1"]) == value


def test_an_answer_within_another_statement_is_found(tmp_path):
    cell = "if np.pi > 3:\n    def top_k_accuracy(s, y, k):\n        return 1\n"
    assert run(read(tmp_path, notebook(STUB + CHECK, cell + CHECK))["2.1"]) == 1


def test_what_a_notebook_has_without_an_import_is_no_error(tmp_path):
    cell = "def top_k_accuracy(s, y, k):\n    display(s)\n    %matplotlib inline\n    !ls\n    return 1\n"
    assert run(read(tmp_path, notebook(cell))["2.1"]) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"), ("   \n", "is empty"), ("[]", "no cells"), ('{"cells": [1]}', "no cells"), ("{", "not the JSON"),
        ("[" * 100_000, "not the JSON"), (b'{"cells": "\xe9"}', "not UTF-8"), ('{"cells": []}', "No exercise"),
        (json.dumps({"cells": [{"cell_type": "code", "source": "x = 1"}]}), "No exercise"),
    ],
)  # fmt: skip
def test_what_is_no_notebook_of_the_course_is_said(tmp_path, text, problem):
    with pytest.raises(UnreadableNotebookError, match=problem):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("cell", "problem"),
    [("def top_k_accuracy(:", "cell 2, line 1"), (RIGHT + "\0", "null bytes"),
     ("def top_k_accuracy(a):\n    return " + "-" * 100_000 + "1", "cell 2")],
)  # fmt: skip
def test_a_cell_that_is_not_python_is_told_of_its_exercise(tmp_path, cell, problem):
    assert problem in read(tmp_path, notebook(cell))["2.1"]


@pytest.mark.parametrize("source", notebook_sources(), ids=lambda source: source.stem)
def test_every_solution_in_its_notebook_is_right_under_the_guard(tmp_path, source):
    """What a solution makes its libraries do, none of it counts as meddling."""
    by_name = {task.function_name: task for task in all_exercises().values() if isinstance(task, Exercise)}
    book = jupytext.read(source, fmt="py:percent")
    cells = []
    for cell in book.cells:
        if cell.cell_type == "code":
            stub = [n for n in ast.parse(cell.source).body if isinstance(n, ast.FunctionDef) and n.name in by_name]
            cells.append(cell.source if not stub else inspect.getsource(by_name[stub[0].name].solution))
    answers = read(tmp_path, notebook(*cells))
    assert len(answers) >= 3
    for number, pieces in answers.items():
        task = all_exercises()[number]
        answer = execute([(p.cell, p.line, p.source) for p in pieces], task.function_name)
        if isinstance(task, Prediction):
            assert answer() is ...
        else:
            finding = judge(task, guard(answer, Seal(), []))
            assert finding.state == "right", f"{task.name}: {finding.message}"


def test_the_names_of_functions_tell_all_exercises_apart():
    assert len({task.function_name for task in all_exercises().values()}) == len(all_exercises())


def evil(*args, **kwargs):
    """Stands for whatever an answer may want to have called."""
    return True


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (np, "allclose", evil),
        (np.linalg, "norm", evil),
        (np, "linalg", types.SimpleNamespace(norm=evil)),  # a module is no function, but a name of one
        (np, "pi", 3.0),
        (builtins, "abs", evil),
        (builtins, "all", evil),  # the seal itself calls it
        (operator, "is_", evil),
        (
            sys.modules[inspect.unwrap(np.allclose).__globals__["__name__"]],
            "abs",
            evil,
        ),  # a new name, before that of Python
        (torch.Tensor, "item", evil),  # of its base
        (torch.Tensor, "shape", (1,)),
        (torch.Tensor, "backward", evil),
        (torch.Tensor, "grad", property(evil)),
        (torch.Tensor, "__array_function__", evil),  # NumPy asks for it
        (torch.nn.Linear, "forward", evil),
        (torch.nn.Linear, "__call__", evil),
        (np, "__class__", type("Module", (types.ModuleType,), {"allclose": property(lambda module: evil)})),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_seal_sees_what_was_replaced_and_forgives_what_was_put_back(owner, name, value):
    seal = Seal()
    seal.verify()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, value, raising=False)
        with pytest.raises(MeddlingError, match=name.strip("_")):
            seal.verify()
    seal.verify()


def test_the_seal_sees_other_modules_and_other_bases(monkeypatch):
    seal = Seal()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "numpy.linalg", types.ModuleType("numpy.linalg"))
        with pytest.raises(MeddlingError, match="the module numpy.linalg"):
            seal.verify()
    bases = torch.nn.Linear.__bases__
    torch.nn.Linear.__bases__ = (type("Own", (torch.nn.Module,), {"__call__": evil}),)
    try:
        with pytest.raises(MeddlingError, match="the bases of torch.nn"):
            seal.verify()
    finally:
        torch.nn.Linear.__bases__ = bases


def test_the_seal_bears_what_honest_code_makes_its_libraries_do():
    seal = Seal()
    layer = torch.nn.Linear(2, 2)
    layer(torch.ones(1, 2)).sum().backward()
    torch.optim.Adam(layer.parameters()).step()
    torch.func.vmap(torch.sin)(torch.ones(2))
    copy.deepcopy(layer), pickle.dumps(layer), repr(layer), torch.nn.Linear.__annotations__
    torch.manual_seed(1)
    with np.printoptions(precision=3), np.errstate(all="ignore"):
        seal.verify()


def test_packages_out_of_reach_are_imported_anew(monkeypatch):
    for name in ("aside", "aside.inner"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["aside"].inner = sys.modules["aside.inner"]
    take_out_of_reach("aside.inner")
    assert "aside.inner" not in sys.modules and not hasattr(sys.modules["aside"], "inner")


def test_results_of_own_classes_are_refused():
    class Any:
        __module__, __qualname__ = "numpy", "ndarray"  # it says so
        __eq__ = __ge__ = __le__ = lambda self, other: True

    for plain in (1, 1.5, None, ..., "x", np.float32(1), np.ones(2), [1, (2, {"a": {3}})], np.array(["a"], object)):
        require_plain(plain)
    for own in (Any(), [Any()], {"a": (Any(),)}, np.array([Any()], object), type("L", (list,), {})()):
        with pytest.raises(MeddlingError, match="your code returns a"):
            require_plain(own)


def test_no_text_of_a_student_is_a_formula_in_the_table(tmp_path):
    nasty = ["=cmd()|x", "+1", "-1", "@x", "  =1", "\t=1", "\r=1", "a\n=1", 'a","=1', "[red]x"]
    write_grades(tmp_path / "g.csv", [Row(text, text, "2.1", text, "error", text, off=-0.5) for text in nasty])
    with (tmp_path / "g.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(nasty) and all(row["off"] == "-0.5" for row in rows)
    for row in rows:
        assert not row["message"].lstrip().startswith(("=", "+", "-", "@")) and "\n" not in row["message"]
        assert row["student"] == row["notebook"] == row["name"] == row["message"]
    assert rows[0]["student"] == "'=cmd()|x" and rows[-1]["student"] == "[red]x"


def test_of_several_notebooks_the_best_counts():
    rows = [Row("a", n, "2.1", "x", state, "") for n, state in (("1", "open"), ("2", "right"), ("3", "wrong"))]
    assert best_rows(rows)["a"]["2.1"].notebook == "2"


def test_every_guess_has_its_measured_value():
    guesses = {number for number, task in all_exercises().items() if isinstance(task, Prediction)}
    assert set(measured_guesses()) == guesses


def write(path, text=GOOD):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_students_are_the_folders_and_loose_notebooks(tmp_path):
    for name in ("Anna/a.ipynb", "Anna/deep/b.IPYNB", "anna/x.json", "z.ipynb"):
        write(tmp_path / name)
    for name in ("Anna/.ipynb_checkpoints/a.ipynb", "Anna/runs/notebooks/a.ipynb", "__MACOSX/a.ipynb"):
        write(tmp_path / name)
    write(tmp_path / "anna" / "notes.txt", "none")
    write(tmp_path / "zip" / "all.zip", "PK")
    hand_ins.link(tmp_path / "zip" / "02.ipynb", "/etc/passwd")
    hand_ins.link(tmp_path / "other", str(tmp_path / "Anna"))
    found = {hand_in.student: hand_in for hand_in in find_hand_ins(tmp_path)}
    assert {name: sorted(path.name for path in hand_in.files) for name, hand_in in found.items()} == {
        "Anna": ["a.ipynb", "b.IPYNB"], "anna": ["x.json"], "z.ipynb": ["z.ipynb"], "zip": [], "other": [],
    }  # fmt: skip
    assert "a link" in found["zip"].problems[0][1] and "a link" in found["other"].problems[0][1]


@pytest.mark.parametrize("others", ["env/{}.json", "data/{}.txt", "notebooks/0{}.json"])
def test_notebooks_are_found_behind_any_number_of_other_files(tmp_path, others):
    for number in range(101):
        write(tmp_path / "Anna" / others.format(number), "{}")
    write(tmp_path / "Anna" / "notebooks" / "a.IPYNB")
    (hand_in,) = find_hand_ins(tmp_path)
    assert hand_in.files[0].name == "a.IPYNB" and len(hand_in.files) == 100
    assert "more than 100 files" in hand_in.problems[0][1]


def test_a_folder_with_nothing_to_grade_is_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadParameterError, match="no notebook"):
        find_hand_ins(tmp_path)
    assert call(monkeypatch, "grade", str(tmp_path / "nowhere")) == 1
    assert "is not a folder. Name the folder" in capsys.readouterr().err
    assert call(monkeypatch, "grade", str(tmp_path), "--out", "/proc/nowhere/grades.csv") == 1
    assert "/proc/nowhere cannot be written" in capsys.readouterr().err


def test_no_answer_sees_hand_ins_grades_or_home_but_what_python_needs(tmp_path, monkeypatch):
    hand_ins, out, home = (tmp_path / name for name in ("hand-ins", "out/grades.csv", "home"))
    for folder in (hand_ins, out.parent, home):
        folder.mkdir()
    monkeypatch.setenv("HOME", str(home))
    assert hidden_folders(hand_ins, out) == ((hand_ins, home, out.parent), ())
    assert hidden_folders(hand_ins) == ((hand_ins, home), ())
    assert hidden_folders(hand_ins, tmp_path / "grades.csv") == ((tmp_path,), ())  # one in another cannot be mounted
    monkeypatch.syspath_prepend(str(home / "packages"))
    assert hidden_folders(hand_ins, out) == ((hand_ins, out.parent), (home,))
    assert hidden_folders(hand_ins, tmp_path / "grades.csv") == ((hand_ins,), (tmp_path, home))
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    assert hidden_folders(hand_ins, out) == ((hand_ins, out.parent), ())


def test_the_first_line_says_what_stays_readable(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("facelab.grading.apart.can_isolate", lambda hidden: True)
    monkeypatch.setattr("facelab.grading.grades.Grader.grade", lambda self, hand_in: iter(()))
    monkeypatch.syspath_prepend(str(tmp_path / "[packages]"))
    write(tmp_path / "hand-ins" / "z.ipynb")
    monkeypatch.setenv("HOME", str(tmp_path / "hand-ins"))
    assert call(monkeypatch, "grade", str(tmp_path / "hand-ins"), "--out", str(tmp_path / "grades.csv")) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert f"finds {tmp_path}/hand-ins empty. But it can read what is in {tmp_path}, where Python" in said
