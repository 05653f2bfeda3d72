"""The course as somebody has it who installed the wheel: no checkout, one folder of their own."""

import re

import nbformat
import pytest
from student import exercises_of, facelab, install, printed, write_answers

from facelab.paths import COURSE_MANIFEST


@pytest.fixture
def site(tmp_path):
    return install(tmp_path / "site")


def test_a_student_runs_answers_sees_the_progress_and_keeps_the_work_in_an_update(site, tmp_path):
    course = tmp_path / "home" / "course"
    course.parent.mkdir()
    done = facelab(site, course.parent, "start", "course")
    assert (done.returncode, done.stderr) == (0, "") and "START.md" in done.stdout
    assert len(list((course / "notebooks").glob("*.ipynb"))) == 12 and (course / COURSE_MANIFEST).is_file()

    mine = course / "notebooks" / "my answers.ipynb"
    write_answers(mine, 2)
    done = facelab(site, course / "notebooks", "run", "my answers.ipynb", "--preset", "smoke")
    assert done.returncode == 0, done.stderr
    runs = course / "runs"
    assert (runs / "records" / "02_cnn_mlp" / "smoke-orl-wild-0.json").is_file(), "named by the notebook, not its file"
    assert [path.name for path in tmp_path.rglob("runs")] == ["runs"], "nothing is written elsewhere"
    right, wrong, none = exercises_of(2)[:3]
    said = printed(runs / "notebooks" / "notebooks" / "my answers-smoke-orl-wild-0.ipynb")
    assert f"Exercise {right.name}: right" in said
    assert f"Exercise {wrong.name}: " in said and f"Exercise {none.name}: " in said

    work = mine.read_bytes()
    third = course / "notebooks" / "03_supcon.ipynb"
    notebook = nbformat.read(third, 4)
    notebook.cells.append(nbformat.v4.new_markdown_cell("My own thoughts"))
    nbformat.write(notebook, third)
    thoughts = third.read_bytes()
    for name in ("03_supcon.ipynb", "04_moco.ipynb"):
        path = site / "facelab" / "_notebooks" / name
        path.write_bytes(path.read_bytes() + b"\n")  # the next version of facelab
    done = facelab(site, course, "start", ".", "--update")
    assert "brought up to date: notebooks/04_moco.ipynb" in done.stdout
    assert "changed by you, so kept, though there is a newer one: notebooks/03_supcon.ipynb" in done.stdout
    assert third.read_bytes() == thoughts and mine.read_bytes() == work
    assert (course / "notebooks" / "03_supcon.new.ipynb").read_bytes().endswith(b"\n\n")

    progress = facelab(site, course, "labs", "02").stdout
    for task, state in ((right, "done"), (wrong, "wrong"), (none, "open")):
        assert re.search(rf"^\s*{re.escape(task.number)} .*\b{state}\b", progress, re.MULTILINE), progress
