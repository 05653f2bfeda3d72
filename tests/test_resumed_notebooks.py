"""A notebook in batch that made room or was killed: the next run trains only the rest, and ends with the same record."""

import ast
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from commands import call

from facelab import labs
from facelab.errors import BadParameterError
from facelab.files import try_lock_folder
from facelab.labs import batch, checkpoints, notebook
from facelab.labs.build import notebook_from_source
from facelab.labs.parameters import find_source, notebook_sources, resolve_parameters
from facelab.paths import runs_root
from facelab.records import read_record
from facelab.training import ScratchFolder

# of the cells of notebook 02 that its first training needs
PARTS = ('preset: str = "laptop"', "run = labs.begin(", "train, validation, test = (", "history = fit(")
END = """
import hashlib
for number, epoch in enumerate(history.epochs):
    for name, value in epoch.items():
        run.record_metric(f"{name}/{number}", value)
weights = b"".join(value.numpy().tobytes() for value in method.state_dict().values())
run.record_metric("hash of the weights", int(hashlib.sha256(weights).hexdigest()[:12], 16))
run.finish()
"""
# runs in each kernel before its first cell: says who it is and each step, and writes a checkpoint whenever it may
STARTUP = """
import os
from facelab.training import checkpoint, loop

def say(text):
    with open(os.environ["STEPS"], "a") as file:
        file.write(text + "\\n")

step = loop.TrainingLoop.step
def told(self, position, *others):
    say(f"{position.epoch} {position.step}")
    return step(self, position, *others)

loop.TrainingLoop.step = told
checkpoint.Checkpoint.is_due = lambda self: self.path is not None
say(str(os.getpid()))
"""
STEPS = 12  # of an epoch of notebook 02 at the preset smoke


class Batch:
    """``facelab run`` of the first training of notebook 02."""

    def __init__(self, folder: Path, monkeypatch) -> None:
        self.folder, self.path = folder, folder / "mine" / "02_cnn_mlp.ipynb"
        self.words = ("run", str(self.path), "--preset", "smoke")
        whole = notebook_from_source(find_source("02"))
        cells = [cell for cell in whole.cells if any(part in cell.source for part in PARTS)]
        assert len(cells) == len(PARTS)
        code = [nbformat.v4.new_code_cell(text) for text in ("clean = closed_set.split_closed_set(faces, seed)", END)]
        whole.cells = self.cells = [*cells[:2], code[0], *cells[2:], code[1]]
        self.path.parent.mkdir()
        nbformat.write(whole, self.path)
        startup = folder / "ipython" / "profile_default" / "startup" / "steps.py"
        startup.parent.mkdir(parents=True)
        startup.write_text(STARTUP)
        for name, value in {"IPYTHONDIR": str(folder / "ipython"), "OMP_NUM_THREADS": "1"}.items():
            monkeypatch.setenv(name, value)

    def log(self, monkeypatch, name: str) -> "Log":
        """The log of the kernels that start from now on."""
        monkeypatch.setenv("STEPS", str(self.folder / name))
        return Log(self.folder / name)

    def step_through(self) -> None:
        """As somebody in JupyterLab does, in this process."""
        names = {}
        for cell in self.cells:
            exec(cell.source.replace('preset: str = "laptop"', 'preset: str = "smoke"'), names)

    def record(self):
        return read_record(runs_root() / "records" / "02_cnn_mlp" / "smoke-orl-wild-0.json")


def kept_files() -> list[Path]:
    """What lies below the folder of checkpoints, but for the locks."""
    found = (runs_root() / "checkpoints").rglob("*")
    return [path for path in found if path.is_file() and path.name != ".lock"]


class Log:
    """What a kernel said: the number of its process, then each step."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _lines(self) -> list[str]:
        return self._path.read_text().splitlines() if self._path.exists() else []

    @property
    def kernel(self) -> int:
        return int(self._lines()[0])

    @property
    def steps(self) -> list[tuple[int, int]]:
        return [tuple(map(int, line.split())) for line in self._lines()[1:]]

    def wait_for(self, step: tuple[int, int], ended: Callable[[], object] = lambda: None) -> None:
        """Until the step is taken; an error where what should take it ended, or a quarter of an hour is over."""
        deadline = time.monotonic() + 900
        while step not in self.steps:
            assert time.monotonic() < deadline and ended() is None
            time.sleep(0.02)


@pytest.fixture
def stoppable():
    """SIGTERM as in a process of the command, which the tests' own gets back."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


def test_it_makes_room_and_is_killed_and_ends_with_the_record_of_a_run_that_nothing_disturbed(
    tmp_path, monkeypatch, stoppable, capfd
):
    begun = Batch(tmp_path, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr("matplotlib.pyplot.show", lambda: None)
        begun.step_through()
    expected = begun.record()
    capfd.readouterr()

    first = begun.log(monkeypatch, "first")

    def ask():
        first.wait_for((0, 5))
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=ask, daemon=True).start()
    assert call(monkeypatch, *begun.words) == 75
    assert "made room" in capfd.readouterr().err

    second = begun.log(monkeypatch, "second")
    process = subprocess.Popen([sys.executable, "-m", "facelab.cli", *begun.words], stdout=subprocess.DEVNULL)
    try:
        second.wait_for((1, 4), process.poll)
    finally:
        process.kill()
    with contextlib.suppress(ProcessLookupError):  # it sees within a second that nobody listens, and ends
        os.kill(second.kernel, signal.SIGKILL)
    process.wait()
    assert "last.ckpt" in [path.name for path in kept_files()]

    third = begun.log(monkeypatch, "third")
    assert call(monkeypatch, *begun.words) == 0
    assert not kept_files()
    every = [(epoch, step) for epoch in range(2) for step in range(STEPS)]
    before, rest = first.steps + second.steps, third.steps
    assert before == every[: len(before)], "who makes room loses no step, and takes none twice"
    assert rest in (every[len(before) :], every[len(before) - 1 :]), "a kill costs the step that it cut"
    found = begun.record()
    assert (found.metrics, found.data, found.parameters) == (expected.metrics, expected.data, expected.parameters)


# ---- run.folder ----


def begin_02():
    return labs.begin("02_cnn_mlp", **resolve_parameters(find_source("02"), {}, parse=False))


def test_who_steps_through_a_notebook_trains_afresh_each_time(monkeypatch):
    monkeypatch.delenv(notebook.CHECKPOINTS_VARIABLE, raising=False)
    run = begin_02()
    assert run.folder("network") is None and run.folder("network") is None


def test_in_batch_each_training_has_a_folder_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setenv(notebook.CHECKPOINTS_VARIABLE, str(tmp_path))
    run = begin_02()
    names = ["network", "Network", "a/b", "a b", "20% left out", "x" * 300]
    found = [run.folder(name) for name in names]
    assert len({str(folder.path).lower() for folder in found}) == len(names)
    assert all(folder.path.parent == tmp_path for folder in found)
    assert found[0] / "head" == ScratchFolder(tmp_path / "network" / "head")
    with pytest.raises(BadParameterError, match="'a b'"):
        run.folder("a b")


TRAINS = {"fit", "Training", "new_training", "run_closed_set", "run_unseen_people", "train_head", "fine_tune"}
TRAINS |= {"predict_with_few_labels"}


def trainings(source: Path) -> list[ast.Call]:
    calls = [node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Call)]
    return [call for call in calls if getattr(call.func, "attr", getattr(call.func, "id", "")) in TRAINS]


@pytest.mark.parametrize("source", notebook_sources(), ids=lambda path: path.stem)
def test_every_training_of_a_notebook_has_a_folder(source):
    for training in trainings(source):
        words = ast.unparse(training)
        without = "predict_with_few_labels" in words and words.endswith("None)")  # nothing is fine-tuned
        assert words.count("run.folder(") == (0 if without else 1), words


def test_the_test_above_sees_the_trainings():
    assert len(trainings(find_source("02"))) == 4 and len(trainings(find_source("09"))) == 4


# ---- what a checkpoint belongs to ----

SOURCE = """# %% tags=["parameters"]
preset: str = "laptop"  # smoke, laptop or paper
dataset: str = "orl"  # any source
seed: int = 0  # of everything
weights: str = ""  # ["", a file] a path

# %%
x = 1
"""


@pytest.fixture
def source(notebook_folder, tmp_path, monkeypatch):
    path = notebook_folder / "98_test.py"
    path.write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    return path


def kept_in(source, values) -> str:
    """The folder of the checkpoints of a run that fails."""
    with (
        pytest.raises(ZeroDivisionError),
        checkpoints.notebook_checkpoints(batch.plan_source(source, values, parse=False)),
    ):
        found = os.environ[notebook.CHECKPOINTS_VARIABLE]
        Path(found).mkdir(exist_ok=True)
        raise ZeroDivisionError
    assert notebook.CHECKPOINTS_VARIABLE not in os.environ
    return found


def test_checkpoints_are_apart_for_whatever_decides_the_run(source, tmp_path):
    weights, helper = tmp_path / "w.pt", tmp_path / "notebooks" / "helper.py"
    weights.write_bytes(b"1")
    first = kept_in(source, {})
    assert kept_in(source, {}) == first and Path(first).is_dir()
    found = [first, kept_in(source, {"seed": 1}), kept_in(source, {"weights": str(weights)})]
    assert all(map(os.path.isdir, found)), "other parameters are another run"
    weights.write_bytes(b"2")
    found.append(kept_in(source, {"weights": str(weights)}))
    helper.write_text("x = 1\n")
    found.append(kept_in(source, {}))
    source.write_text(SOURCE + "x = 2\n")
    found.append(kept_in(source, {}))
    source.write_text(SOURCE.replace("# %%\nx", "# %% [markdown]\n# Text.\n\n# %%\nx"))
    assert len(set(found)) == len(found)
    assert [path for path in found if os.path.isdir(path)] == [found[n] for n in (1, 3, 5)], "those of other code went"
    helper.unlink()
    assert kept_in(source, {}) == first, "text decides nothing"


def test_a_second_process_of_the_same_run_does_without(source):
    run = batch.plan_source(source, {}, parse=False)
    with checkpoints.notebook_checkpoints(run), checkpoints.notebook_checkpoints(run):
        assert notebook.CHECKPOINTS_VARIABLE not in os.environ
    assert not kept_files()


def test_the_checkpoints_of_a_run_that_begins_when_this_one_ends_are_left_alone(source, monkeypatch):
    with contextlib.ExitStack() as next_run:

        @contextlib.contextmanager
        def lock_and_hand_over(folder):
            with try_lock_folder(folder) as held:
                yield held
            next_run.enter_context(try_lock_folder(folder))
            (folder / "theirs").mkdir()
            (folder / "theirs" / "last.ckpt").touch()

        monkeypatch.setattr(checkpoints, "try_lock_folder", lock_and_hand_over)
        with checkpoints.notebook_checkpoints(batch.plan_source(source, {}, parse=False)):
            own = Path(os.environ[notebook.CHECKPOINTS_VARIABLE])
            own.mkdir()
            (own / "last.ckpt").touch()
        assert kept_files() == [own.parent / "theirs" / "last.ckpt"] and (own.parent / ".lock").exists()
