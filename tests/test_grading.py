"""``facelab grade`` as a teacher calls it: hostile and broken notebooks get their rows, and change no other."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import hand_in_notebooks as hand_ins
import psutil
import pytest
from hand_in_notebooks import CHECK, GOOD, HOSTILE, ISSUE, WRONG, body, notebook

from facelab.grading import child
from facelab.grading.apart import FORKS, can_isolate, run_apart
from facelab.grading.child import Limits
from facelab.grading.grades import Grader, _why_silent
from facelab.grading.hand_ins import find_hand_ins
from facelab.grading.judging import judge_answer

pytestmark = pytest.mark.skipif(
    not FORKS, reason="answers are forked on Linux alone; elsewhere each takes seconds to begin"
)


def start(folder: Path, *words: str) -> subprocess.Popen:
    """The command on a folder that it stands beside."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "SECRET": "a token of the teacher"}
    return subprocess.Popen(
        [sys.executable, "-m", "facelab.cli", "grade", folder.name, *words],
        cwd=folder.parent, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def read_rows(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """(rows of each student, what was printed) of all notebooks in one folder."""
    folder, out = tmp_path_factory.mktemp("hand-ins"), tmp_path_factory.mktemp("grades") / "grades.csv"
    hand_ins.write_issue(folder)
    hand_ins.write_hostile(folder)
    process = start(folder, "--out", str(out), "--seconds", "8")
    printed, errors = process.communicate()
    assert process.returncode == 0, errors
    left = [p.pid for p in psutil.process_iter(["name"]) if p.info["name"] == hand_ins.OUTLIVING]
    assert not left, "a process of an answer outlived it"
    assert sorted(path.name for path in folder.iterdir()) == sorted({*ISSUE, *HOSTILE}), (
        "a hand-in wrote into the folder"
    )
    rows: dict[str, list] = {}
    for row in read_rows(out):
        rows.setdefault(row["student"], []).append(row)
    return rows, printed


@pytest.mark.parametrize("student", ISSUE)
def test_each_notebook_of_the_issue_gets_its_row(graded, student):
    file, _, state, message = ISSUE[student]
    first, *others = graded[0][student]
    assert (first["notebook"], first["state"]) == (file, state) and message in first["message"]
    assert first["exercise"] == ("" if student in ("encoding", "empty") else "2.1")
    assert all(row["state"] == "missing" for row in others)
    assert [row["exercise"] for row in others] in ([], ["2.2", "2.3", "2.4", "2.5"])


@pytest.mark.parametrize("student", HOSTILE)
def test_no_trick_is_graded_right(graded, student):
    _, state, message = HOSTILE[student]
    first = graded[0][student][0]
    if student in ("looks-around", "reads-grades", "writes") and not can_isolate(()):
        pytest.skip("this system lets no process have namespaces of its own")
    if student == "fork-bomb":  # an ordinary user's forks are refused, and it goes on until its time is up
        assert first["state"] in ("error", "timeout")
    else:
        assert first["state"] == state and message in first["message"]


@pytest.mark.parametrize(
    "patch",
    ["torch.Tensor.item = lambda self: 0.5", "import builtins; builtins.all = lambda values: True; np.abs = abs"],
)
def test_an_answer_that_patches_a_library_is_not_right(patch):
    answer = (
        f"import torch, numpy as np\ndef kl_to_prior(mean, log_var):\n    {patch}\n    return (mean * log_var).sum()"
    )
    ending = run_apart(judge_answer, {"number": "9.1", "pieces": [(1, 1, answer)]}, Limits(300, 2048))
    assert ending.reply.decode().startswith("error\n\nyour code replaced ")


def test_a_notebook_whose_answers_are_too_large_is_one_row_and_ends_no_grading(tmp_path, monkeypatch):
    monkeypatch.setattr(child, "MOST_REPLY", 2000)  # bytes
    data = f"DATA = {'x' * 3000!r}\n"
    for student, cells in (("large", (data, body("return DATA") + CHECK)), ("other", (WRONG + CHECK,))):
        (tmp_path / student).mkdir()
        (tmp_path / student / "02.ipynb").write_text(notebook(*cells), encoding="utf-8")
    grader = Grader(Limits(300, 2048), {}, isolated=False, hidden=())
    (large,), (other, *_) = (rows for hand_in in find_hand_ins(tmp_path) for rows in grader.grade(hand_in))
    assert (large.exercise, large.state) == ("", "error") and "answers are too large" in large.message
    assert other.state == "wrong"


def test_the_table_has_a_line_for_each_student(graded):
    lines = graded[1].splitlines()
    header = next(number for number, line in enumerate(lines) if line.startswith("student "))
    totals = {line.split()[0]: line.split()[1:] for line in lines[header:]}
    assert totals["good"] == totals["renamed"] == ["1", "4"] and totals["empty"] == ["1"]
    assert "2.1: its process ended with code 0 before the check was through" in graded[1]


def test_ctrl_c_ends_all_and_keeps_the_rows_so_far(tmp_path):
    (tmp_path / "hand-ins").mkdir()
    for name, text in (("1.ipynb", GOOD), ("2.ipynb", notebook(body("while True: pass")))):
        (tmp_path / "hand-ins" / name).write_text(text, encoding="utf-8")
    process = start(tmp_path / "hand-ins", "--out", str(tmp_path / "grades.csv"), "--seconds", "600")
    assert process.stdout.readline().startswith("[1/2] 1.ipynb / 1.ipynb: 1 right")
    grader = psutil.Process(process.pid)
    while len(children := grader.children(recursive=True)) < 2:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert [row["state"] for row in read_rows(tmp_path / "grades.csv")] == ["right"] + 4 * ["missing"]
    assert not psutil.wait_procs(children, timeout=60)[1]


def test_ctrl_c_at_the_moment_of_a_fork_is_not_lost():
    program = (
        "import os, psutil, signal, time\n"
        "from facelab.grading.apart import Limits, run_apart\n"
        "os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "try:\n"
        "    print(run_apart(lambda argument, send: time.sleep(3600), {}, Limits(10, 512)).state)\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped', psutil.Process().children())\n"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "stopped []\n"


@pytest.mark.parametrize("isolated", [False, True])
def test_an_answer_ends_with_a_grader_that_is_killed(isolated, tmp_path):
    if isolated and not can_isolate(()):
        pytest.skip("this system lets no process have namespaces of its own")
    program = (
        "import time; from facelab.grading.apart import Limits, run_apart\n"
        f"run_apart(lambda argument, send: time.sleep(3600), {{}}, Limits(3600, 512), isolated={isolated})"
    )
    process = subprocess.Popen([sys.executable, "-c", program], env=os.environ | {"TMPDIR": str(tmp_path)})
    while len(children := psutil.Process(process.pid).children(recursive=True)) < 1 + isolated:
        time.sleep(0.05)
    time.sleep(0.5)  # until they have asked to die with it
    process.kill()
    process.wait()
    assert not psutil.wait_procs(children, timeout=60)[1]


def take_all_seconds(argument: dict, send) -> None:
    """On more cores than one an answer has them behind it before its time is up; here the system thinks so at once."""
    import resource  # which Windows lacks

    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    assert argument["seconds"] < soft < hard, "at the hard limit it would be killed without a word"
    resource.setrlimit(resource.RLIMIT_CPU, (1, hard))
    while True:
        pass


@pytest.mark.parametrize("isolated", [False, True])
def test_an_answer_that_has_used_up_its_seconds_is_a_timeout(isolated):
    if isolated and not can_isolate(()):
        pytest.skip("this system lets no process have namespaces of its own")
    ending = run_apart(take_all_seconds, {"seconds": 600}, Limits(600, 512), isolated=isolated)
    state, message = _why_silent(ending)
    assert (ending.state, state) == ("silent", "timeout") and "(--seconds)" in message


def test_where_no_process_can_be_forked_it_begins_anew():
    answer = (
        "import os\ndef top_k_accuracy(scores, labels, k):\n"
        "    raise ValueError(os.environ.get('SECRET'), os.getcwd() == os.environ['HOME'])"
    )
    ending = run_apart(judge_answer, {"number": "2.1", "pieces": [(1, 1, answer)]}, Limits(300, 2048), fork=False)
    assert ending.reply.decode().startswith("error\n\nyour code raised ValueError: (None, True)")
