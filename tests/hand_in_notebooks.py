"""Notebooks as students hand them in: good, broken and hostile ones, each of notebook 02 with exercise 2.1 alone."""

import json
import os
from pathlib import Path

RIGHT = '''
def top_k_accuracy(scores: np.ndarray, labels: np.ndarray, k: int) -> float:
    """Mine."""
    best = np.argsort(-scores, axis=1)[:, :k]
    return float((best == labels[:, None]).any(axis=1).mean())
'''
WRONG = """
def top_k_accuracy(scores, labels, k):
    return float((scores.argmax(axis=1) == labels).mean())
"""
STUB = "def top_k_accuracy(scores, labels, k):\n    return ...\n"
CHECK = "top_k_accuracy = labs.check_answer(exercises.TOP_K_ACCURACY, top_k_accuracy)\n"
IMPORTS = """
import numpy as np
from facelab import labs
from facelab.exercises import chapter_02 as exercises
"""


def body(*lines: str) -> str:
    """An answer to 2.1 that does this and then gives nonsense."""
    return "def top_k_accuracy(scores, labels, k):\n" + "".join(f"    {line}\n" for line in lines) + "    return 2.0\n"


def notebook(*cells: str, outputs: list | None = None) -> str:
    """JSON of a notebook with these code cells, after the imports; the last one has the outputs."""
    made = [
        {"cell_type": "code", "metadata": {}, "execution_count": n, "outputs": [], "source": cell.splitlines(True)}
        for n, cell in enumerate((IMPORTS, *cells))
    ]  # fmt: skip
    made[-1]["outputs"] = outputs or []
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})


def old_notebook(*cells: str) -> str:
    """The same in the format of 2013."""
    made = [{"cell_type": "code", "input": cell, "language": "python", "outputs": []} for cell in cells]
    return json.dumps({"worksheets": [{"cells": made}], "metadata": {}, "nbformat": 3, "nbformat_minor": 0})


OUTLIVING = "facelab-outlive"  # name of a process that an answer leaves behind, at most 15 letters
SAYS_RIGHT = [{"output_type": "stream", "name": "stdout", "text": ["Exercise 2.1 top-k accuracy: right.\n"]}]
GOOD = notebook(RIGHT + CHECK)

# student -> (file, content, state and a part of the message of the row that it gets)
ISSUE = {
    "good": ("02_cnn_mlp.ipynb", GOOD, "right", "right."),
    "wrong": ("02_cnn_mlp.ipynb", notebook(WRONG + CHECK), "wrong", "top-3"),
    "deleted-cells": ("02_cnn_mlp.ipynb", notebook("x = 1"), "missing", "no cell defines top_k_accuracy"),
    "renamed": ("hand in (1).json", GOOD, "right", "right."),
    "syntax-error": ("02.ipynb", notebook("x = 1", STUB.replace("...", "(") + CHECK), "error", "cell 3, line"),
    "endless": ("02.ipynb", notebook(body("while True: pass")), "timeout", "stopped after"),
    "exits": ("02.ipynb", notebook(body("import os", "os._exit(0)")), "error", "ended with code 0"),
    "allocates": ("02.ipynb", notebook(body("np.ones(20_000_000_000, np.uint8)")), "memory", "more memory"),
    "own-check": (
        "02.ipynb",
        notebook(
            "def check_answer(exercise, answer):\n    print('right')\n    return answer\n\nlabs.check_answer = check_answer",
            "exercises.TOP_K_ACCURACY = None\n" + WRONG + CHECK,
        ),
        "wrong",
        "top-3",
    ),
    "fakes-output": ("02.ipynb", notebook(STUB + CHECK, outputs=SAYS_RIGHT), "open", "still a stub"),
    "encoding": ("02.ipynb", GOOD.replace("Mine.", "Größe.").encode("latin-1"), "error", "not UTF-8"),
    "empty": ("02.ipynb", "", "error", "is empty"),
}

CHAPTER = "facelab.exercises.chapter_02"
HOSTILE = {
    "patches-check": (body(f"import {CHAPTER} as c", "c.require_value = lambda *a, **k: None"), "wrong", ""),
    "patches-exercise": (
        body(
            "import facelab.exercises as e, facelab.grading.judging as j",
            "e.judge = j.judge = lambda *a: e.Finding('right', 'right.')",
            "object.__setattr__(exercises.TOP_K_ACCURACY, 'check', lambda answer: None)",
        ),
        "wrong", "",
    ),
    "patches-numpy": (body("np.allclose = lambda *a, **k: True"), "error", "replaced numpy.allclose"),
    "patches-code": (
        body("import numpy.testing as t", "t.assert_equal.__code__ = (lambda *a: None).__code__"), "error", "must not use",
    ),
    "patches-builtins": (body("import builtins", "builtins.isinstance = lambda *a: True"), "error", "replaced builtins"),
    "equals-all": (
        body("class All(float):", "    __eq__ = __ge__ = __le__ = lambda self, other: True", "return All(0.5)"),
        "error", "returns a 'All'",
    ),
    "mock": (body("from unittest.mock import ANY", "return ANY"), "error", "returns a '_ANY'"),
    "prints": (body("print('Exercise 2.1 top-k accuracy: right.')"), "wrong", ""),
    "prints-much": (body("for _ in range(1024): print('x' * 1024 * 1024)"), "wrong", ""),
    "writes-to-all-files": (
        body("import os", "for number in range(64):", "    try: os.write(number, b'right\\n\\nright.')",
             "    except OSError: pass", "os._exit(0)"),
        "error", "ended with code 0",
    ),
    "replies": (
        body("import sys", "frame = sys._getframe()", "while 'send' not in frame.f_locals:", "    frame = frame.f_back",
             "frame.f_locals['send'](b'right')"),
        "error", "something else than a finding",
    ),
    "raises-exit": (body("raise SystemExit('right')"), "error", "SystemExit"),
    "raises-interrupt": (body("raise KeyboardInterrupt"), "error", "KeyboardInterrupt"),
    "open-error": (
        body("from facelab.exercises.exercise import ExerciseError", "raise ExerciseError('right.')"), "error", "ExerciseError",
    ),
    "recursion": (body("return top_k_accuracy(scores, labels, k)"), "error", "RecursionError"),
    "crashes": (body("import ctypes", "ctypes.string_at(0)"), "error", "signal 11"),
    "thread": (
        body("import threading, time", "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"),
        "error", "left a thread",
    ),
    "forks": (body("import os", "os.fork()"), "error", "must not use os.fork"),
    "outlives": (
        body("import ctypes, os, signal, time", "if ctypes.CDLL(None).fork() == 0:", "    os.setsid()",
             "    signal.signal(signal.SIGTERM, signal.SIG_IGN)",
             f"    ctypes.CDLL(None).prctl(15, b'{OUTLIVING}', 0, 0, 0)  # its name", "    time.sleep(3600)"),
        "wrong", "",
    ),
    "fork-bomb": (body("import ctypes", "while True: ctypes.CDLL(None).fork()"), "error", "too many processes"),
    "fills-disk": (body("open('x', 'wb').write(bytes(400 << 20))"), "error", "Errno"),
    "looks-around": (
        body("import os, pathlib", "seen = [os.listdir(FOLDER), [n for n in os.listdir('/proc') if n.isdigit()]]",
             "seen += [os.environ.get('SECRET'), 'SECRET' in pathlib.Path('/proc/self/environ').read_text()]",
             "raise ValueError(seen)"),
        "error", "ValueError: [[], ['1'], None, False]",
    ),
    "reads-grades": (  # of those before it, which lie beside the hand-ins
        body("import glob", "raise ValueError(glob.glob(FOLDER + '/../grades*/*'))"), "error", "ValueError: []",
    ),
    "writes": (body("open(FOLDER + '/x', 'w')"), "error", "Errno"),
    "connects": (body("import socket", "socket.create_connection(('127.0.0.1', 9), 1)"), "error", "must not use socket"),
    "needs-imports": (RIGHT.replace("np.argsort", "_sorted") + "\n_sorted = np.argsort\n", "right", ""),
}  # fmt: skip


def write_issue(folder: Path) -> None:
    """The ten broken and hostile notebooks, and two honest ones, a student each."""
    for student, (name, content, _, _) in ISSUE.items():
        (folder / student).mkdir(parents=True)
        (folder / student / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def write_hostile(folder: Path) -> None:
    """More of them."""
    for student, (answer, _, _) in HOSTILE.items():
        (folder / student).mkdir(parents=True)
        text = notebook(f"FOLDER = {str(folder)!r}", answer + CHECK)
        (folder / student / "02.ipynb").write_text(text, encoding="utf-8")


def link(path: Path, target: str) -> None:
    """A symbolic link in a new folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.symlink(target, path)
