"""What runs in the process of one answer, or of one notebook that is read; ``apart`` starts and ends it."""

from __future__ import annotations
import __future__

import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from facelab.errors import OutOfMemoryError
from facelab.exercises import Exercise, Finding, judge, judge_guess
from facelab.exercises.registry import find_exercise
from facelab.grading.child import Send
from facelab.grading.notebook_code import UnreadableNotebookError, read_answers
from facelab.grading.seal import MeddlingError, Seal, refuse_reaching_out, require_plain, take_out_of_reach
from facelab.training.memory import explain_memory_errors

_MOST_MESSAGE = 2000  # letters; an error's text may be a whole array


def read_notebook(argument: dict[str, object], send: Send) -> None:
    """Reply with the answers of the notebook at ``argument["path"]``, or with its problem, as JSON."""
    try:
        answers = {
            number: found if not isinstance(found, list) else [dataclasses.astuple(piece) for piece in found]
            for number, found in read_answers(Path(argument["path"])).items()
        }
        reply = {"answers": answers}
    except UnreadableNotebookError as error:
        reply = {"problem": str(error)}
    except MemoryError:
        reply = {"problem": "It does not fit into the memory that is allowed (--memory)."}
    send(json.dumps(reply).encode())


def judge_answer(argument: dict[str, object], send: Send) -> None:
    """Reply with the verdict on one answer: its state, the value of a guess, and the message, a line each.

    Args:
        argument: ``"number"`` of the exercise, and ``"pieces"``: (cell, line, source) of each statement to execute.
        send: replies and ends this process.
    """
    exercise = find_exercise(argument["number"])
    take_out_of_reach("facelab.exercises", "facelab.grading")
    refuse_reaching_out()
    seal = Seal()
    ran_out = []  # of memory
    value = None
    try:
        answer = execute(argument["pieces"], exercise.function_name)
        guarded = guard(answer, seal, ran_out)
        if isinstance(exercise, Exercise):
            finding = judge(exercise, guarded)
        else:
            finding, value = judge_guess(exercise, guarded)
        seal.verify()
    except MeddlingError as error:
        finding = Finding("error", str(error))
    except MemoryError as error:
        finding = Finding("memory", f"{error}")
    except BaseException as error:  # noqa: BLE001  (whatever a student's code raises is a finding, also KeyboardInterrupt)
        finding = Finding("error", f"your code raised {type(error).__name__}: {error}")
    if ran_out:
        finding = Finding("memory", "your code asked for more memory than is allowed.")
    text = f"{finding.state}\n{'' if value is None else value}\n{finding.message[:_MOST_MESSAGE]}"
    send(text.encode("utf-8", "backslashreplace"))


def execute(pieces: list[tuple[int, int, str]], name: str) -> Callable:
    """The function of that name, which the statements of the notebook define."""
    # what a notebook has without an import: forgotten in an answer, it is no error there
    shell = SimpleNamespace(
        run_line_magic=_do_nothing, run_cell_magic=_do_nothing, system=_do_nothing, getoutput=_do_nothing
    )
    names: dict[str, object] = {"__name__": "__main__", "display": _do_nothing, "get_ipython": lambda: shell}
    for cell, line, source in pieces:
        # as many empty lines before it as its cell has, so that errors name the student's line; annotations stay text
        code = compile("\n" * (line - 1) + source, f"cell {cell}", "exec", __future__.annotations.compiler_flag, True)
        exec(code, names)
    if not callable(names.get(name)):
        raise TypeError(f"{name} is no function")
    return names[name]


def _do_nothing(*args: object, **kwargs: object) -> None:
    """Nothing is shown, and no magic is called."""


def guard(answer: Callable, seal: Seal, ran_out: list[bool]) -> Callable:
    """The answer, with a look at what it has done after each call."""

    @functools.wraps(answer)
    def guarded(*args: object, **kwargs: object) -> object:
        try:
            with explain_memory_errors():
                result = answer(*args, **kwargs)
        except OutOfMemoryError:
            ran_out.append(True)
            raise
        finally:
            seal.verify()
        require_plain(result)
        return result

    return guarded
