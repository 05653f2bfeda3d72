"""Every exercise: the solution passes, a stub is called one, and each typical mistake gets its own message."""

import importlib
import pkgutil

import pytest

from facelab import exercises, labs
from facelab.exercises import Exercise


def all_exercises() -> dict[str, Exercise]:
    found = {}
    for module in pkgutil.iter_modules(exercises.__path__):
        if module.name.startswith("chapter_"):
            content = vars(importlib.import_module(f"facelab.exercises.{module.name}")).items()
            found |= {f"{module.name}.{name}": value for name, value in content if isinstance(value, Exercise)}
    return found


BY_NAME = all_exercises()
TASKS = list(BY_NAME.values())
WRONG = [pytest.param(t, label, id=f"{t.name}: {label}") for t in TASKS for label in t.mistakes]


def test_every_exercise_of_every_notebook_is_collected():
    assert len(TASKS) == len({task.name for task in TASKS}) == 44
    assert all(name.endswith(f".{task.solution.__name__.upper()}") for name, task in BY_NAME.items())
    assert sorted({int(task.name.split(".")[0]) for task in TASKS}) == list(range(12))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_solution_passes_and_a_stub_is_called_one(task, capsys):
    assert len(task.mistakes) >= 3, "name at least three typical mistakes"
    assert labs.check_answer(task, task.solution) is task.solution
    assert capsys.readouterr().out.strip() == f"Exercise {task.name}: right."
    assert labs.check_answer(task, lambda *args, **kwargs: ...) is task.solution
    assert "still a stub" in capsys.readouterr().out


@pytest.mark.parametrize(("task", "label"), WRONG)
def test_a_typical_mistake_gets_its_message(task, label, capsys):
    answer, message = task.mistakes[label]
    assert labs.check_answer(task, answer) is task.solution
    assert message in capsys.readouterr().out
