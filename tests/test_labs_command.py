"""``facelab labs`` and what it reads: what notebooks found of the exercises."""

import threading

import pytest
from commands import call

from facelab import labs
from facelab.exercises import Exercise, Prediction
from facelab.exercises.progress import _told_of, note_finding, read_progress
from facelab.exercises.registry import all_exercises
from facelab.labs.exercise_cells import solution_source
from facelab.paths import runs_root

TASK = all_exercises()["2.1"]
GUESS = next(task for task in all_exercises().values() if isinstance(task, Prediction))


@pytest.fixture
def facelab(monkeypatch, capsys):
    def run(*words: str) -> tuple[int, str, str]:
        code = call(monkeypatch, "labs", *words)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def row(text: str, task) -> list[str]:
    """State, minutes, difficulty and importance of an exercise in the table."""
    (line,) = [line for line in text.splitlines() if line.startswith(task.name)]
    return line.removeprefix(task.name).strip().rsplit(maxsplit=3)


def test_a_stub_leaves_an_exercise_open_whatever_was_found_before():
    labs.check_answer(TASK, lambda *args: ...)
    assert read_progress("2.1").state == "open" and not (runs_root() / "exercises").exists()
    labs.check_answer(TASK, lambda *args: 2.0)
    labs.check_answer(TASK, lambda *args: ...)
    assert read_progress("2.1").state == "wrong"


def test_what_was_right_once_stays_done_and_a_later_wrong_answer_is_told():
    labs.check_answer(TASK, lambda *args: 1 / 0)
    assert read_progress("2.1").state == "wrong"
    labs.check_answer(TASK, TASK.solution)
    assert read_progress("2.1").state == "right" and not read_progress("2.1").last_wrong
    labs.check_answer(TASK, lambda *args: 2.0)
    labs.check_answer(TASK, lambda *args: ...)  # a batch run of the stub
    assert read_progress("2.1").state == "right" and read_progress("2.1").last_wrong
    labs.check_answer(TASK, TASK.solution)
    assert not read_progress("2.1").last_wrong


def test_a_guess_is_made_and_never_wrong():
    for bad in (lambda: ..., lambda: "x", lambda: 1 / 0, lambda: float("nan")):
        labs.predict(GUESS, bad)
        assert read_progress(GUESS.number).state == "open"
    labs.predict(GUESS, lambda: GUESS.lowest)
    assert read_progress(GUESS.number).state == "made"
    labs.predict(GUESS, lambda: "x")
    assert read_progress(GUESS.number).state == "made"


def test_two_notebooks_at_once_lose_nothing():
    def check(state: str) -> None:
        for _ in range(20):
            note_finding("2.1", state)

    threads = [threading.Thread(target=check, args=(state,)) for state in ("right", "wrong", "open", "wrong")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_progress("2.1").state == "right" and not read_progress("2.1").damaged


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"found": 1}', b"\xff"])
def test_a_damaged_file_is_said_and_made_anew(facelab, content):
    note_finding("2.1", "right")
    (path,) = (runs_root() / "exercises").iterdir()
    path.write_bytes(content)
    code, out, err = facelab("02")
    assert code == 0 and row(out, TASK)[0] == "open"
    assert err.startswith(str(path)) and "writes it anew" in err
    note_finding("2.1", "right")
    assert read_progress("2.1").state == "right" and not read_progress("2.1").damaged


def test_a_folder_that_cannot_be_written_stops_no_notebook_and_is_said_once(monkeypatch, tmp_path, capsys):
    _told_of.clear()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FACELAB_RUNS", str(tmp_path / "file"))
    for _ in range(2):
        assert labs.check_answer(TASK, TASK.solution) is TASK.solution
    told = capsys.readouterr()
    assert told.out == 2 * f"Exercise {TASK.name}: right.\n"
    assert (
        told.err.startswith("facelab labs will not show this exercise: FACELAB_RUNS is") and told.err.count("\n") == 1
    )


def test_a_read_only_folder_stops_no_notebook(monkeypatch, capsys):
    _told_of.clear()
    monkeypatch.setenv("FACELAB_RUNS", "/proc/nowhere")  # where not even root can make a folder
    assert labs.check_answer(TASK, TASK.solution) is TASK.solution
    assert "cannot be written" in capsys.readouterr().err


def test_the_table_shows_states_effort_and_sums(facelab):
    for number, state in (("2.1", "right"), ("2.2", "wrong"), ("2.3", "right"), ("2.3", "wrong")):
        note_finding(number, state)
    code, out, err = facelab("02")
    chapter = [task for number, task in all_exercises().items() if number.startswith("2.")]
    assert code == 0 and not err
    assert row(out, TASK) == ["done", str(TASK.minutes), str(TASK.difficulty), str(TASK.importance)]
    assert row(out, chapter[1])[0] == "wrong" and row(out, chapter[2])[0] == "done (the last answer was wrong)"
    minutes = sum(task.minutes for task in chapter if task.number not in ("2.1", "2.3"))
    left = len(chapter) - 2
    assert out.startswith(f"02_cnn_mlp: 2 of {len(chapter)} done, {left} open, {minutes} minutes left\n")
    assert "All notebooks" not in out


def test_without_a_notebook_all_are_shown_with_their_sum(facelab):
    note_finding(GUESS.number, "made")
    code, out, _ = facelab()
    tasks = list(all_exercises().values())
    assert code == 0 and row(out, GUESS)[0] == "guess made"
    assert [task.name for task in tasks if not any(line.startswith(task.name) for line in out.splitlines())] == []
    minutes = sum(task.minutes for task in tasks) - GUESS.minutes
    assert f"All notebooks: 1 of {len(tasks)} done, {len(tasks) - 1} open, {minutes} minutes left" in out


def test_hints_come_one_by_one(facelab):
    code, out, _ = facelab("hint", "2.1")
    assert code == 0 and TASK.hints[0] in out and TASK.hints[1] not in out
    assert out.endswith("The second hint: facelab labs hint 2.1 --second\n")
    code, out, _ = facelab("hint", "2.1", "--second")
    assert code == 0 and TASK.hints[1] in out and TASK.hints[0] not in out


def test_the_solution_of_a_task_is_its_code_and_of_a_guess_what_was_measured(facelab):
    assert facelab("solution", "2.1")[1] == f"{TASK.name}\n{solution_source(TASK)}\n"
    out = facelab("solution", GUESS.number)[1]
    assert "has no solution" in out and out.endswith(" seeds.\n")


def test_hints_and_solutions_are_printed_as_they_are(facelab):
    for number, task in list(all_exercises().items())[::8]:
        if isinstance(task, Exercise):
            assert task.hints[1] in facelab("hint", number, "--second")[1]
            assert solution_source(task) in facelab("solution", number)[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("hint", "2.99"), "There is no exercise '2.99'."), (("solution", "x"), "There is no exercise 'x'."),
        (("77",), "No notebook is called '77'."), (("02_cnn_mpl",), "Did you mean '02_cnn_mlp'?"),
        (("02", "03"), "Got unexpected extra argument"), (("hint",), "Missing argument"),
    ],
)  # fmt: skip
def test_unknown_numbers_are_one_line(facelab, words, message):
    code, out, err = facelab(*words)
    assert code in (1, 2) and not out and message in err and err.count("\n") == 1
