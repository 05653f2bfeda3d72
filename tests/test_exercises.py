"""Every exercise: the solution passes, a stub is called one, and each typical mistake gets its own message."""

import ast
import importlib
import json
import pkgutil

import pytest

from facelab import exercises, labs
from facelab.exercises import Exercise, Prediction, judge
from facelab.exercises.registry import all_exercises
from facelab.labs.exercise_cells import solution_source
from facelab.labs.parameters import notebook_sources
from facelab.paths import project_data

BY_NAME = {
    f"{module.name}.{name}": value
    for module in pkgutil.iter_modules(exercises.__path__)
    if module.name.startswith("chapter_")
    for name, value in vars(importlib.import_module(f"facelab.exercises.{module.name}")).items()
    if isinstance(value, (Exercise, Prediction))
}
TASKS = [value for value in all_exercises().values() if isinstance(value, Exercise)]
GUESSES = [value for value in all_exercises().values() if isinstance(value, Prediction)]
WRONG = [pytest.param(t, label, id=f"{t.name}: {label}") for t in TASKS for label in t.mistakes]


def test_every_exercise_of_every_notebook_is_collected_and_has_a_number_of_its_own():
    assert len(all_exercises()) == len(BY_NAME), "two exercises have one number"
    assert all(name.endswith(f".{task.function_name.upper()}") for name, task in BY_NAME.items())
    for chapter in range(12):
        tasks = [task for number, task in all_exercises().items() if int(number.split(".")[0]) == chapter]
        assert [task.number for task in tasks] == [f"{chapter}.{place}" for place in range(1, len(tasks) + 1)]
        assert any(isinstance(task, Exercise) and task.minutes >= 20 and task.difficulty >= 4 for task in tasks)
        assert any(isinstance(task, Prediction) for task in tasks)


@pytest.mark.parametrize("task", [*TASKS, *GUESSES], ids=lambda task: task.name)
def test_it_says_how_long_it_takes_and_has_two_hints(task):
    assert 1 <= task.minutes <= 60 and 1 <= task.difficulty <= 5 and 1 <= task.importance <= 5
    assert len(task.hints) == (2 if isinstance(task, Exercise) else len(task.hints))
    assert all(len(hint) > 30 for hint in task.hints) and len(set(task.hints)) == len(task.hints)


@pytest.mark.parametrize("source", notebook_sources(), ids=lambda source: source.stem)
def test_a_solution_that_is_pasted_into_the_notebook_is_right(source):
    """Beside nothing but what the notebook imports."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    for task in TASKS:
        if task.number.split(".")[0] == str(int(source.stem[:2])):
            names: dict[str, object] = {}
            exec(compile(ast.Module(imports, []), source.name, "exec"), names)
            exec(solution_source(task), names)
            assert judge(task, names[task.function_name]).state == "right", task.name


@pytest.mark.parametrize("task", GUESSES, ids=lambda task: task.name)
def test_what_is_guessed_is_measured_and_has_a_reference(task):
    stem = next(source.stem for source in notebook_sources() if int(source.stem[:2]) == int(task.number.split(".")[0]))
    settings = json.loads(project_data("references", f"{stem}.json").read_text(encoding="utf-8"))
    values = [found[task.metric]["value"] for setting, found in settings.items() if setting.startswith("laptop/orl")]
    assert values and all(task.lowest <= value <= task.highest for value in values)


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
