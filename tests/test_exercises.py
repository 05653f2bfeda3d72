"""Every exercise: the solution passes, a stub is called one, and each typical mistake gets its own message."""

import importlib
import pkgutil

import pytest

from facelab import labs
from facelab.exercises.exercise import Exercise


def all_exercises() -> list[Exercise]:
    found = []
    for module in pkgutil.iter_modules(labs.__path__):
        if module.name.startswith("exercises_"):
            content = vars(importlib.import_module(f"facelab.labs.{module.name}")).values()
            found += [value for value in content if isinstance(value, Exercise)]
    return found


TASKS = all_exercises()
WRONG = [pytest.param(t, label, id=f"{t.name}: {label}") for t in TASKS for label in t.wrong]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_solution_passes_and_a_stub_is_called_one(task, capsys):
    assert len(task.wrong) >= 3, "name at least three typical mistakes"
    assert labs.exercise(task, task.solution) is task.solution
    assert capsys.readouterr().out.strip() == f"Exercise {task.name}: right."
    assert labs.exercise(task, lambda *args, **kwargs: ...) is task.solution
    assert "still a stub" in capsys.readouterr().out


@pytest.mark.parametrize(("task", "label"), WRONG)
def test_a_typical_mistake_gets_its_message(task, label, capsys):
    answer, message = task.wrong[label]
    assert labs.exercise(task, answer) is task.solution
    assert message in capsys.readouterr().out
