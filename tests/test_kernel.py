"""The kernel of a run: always this interpreter's; what ends it is one line, and nothing is left behind."""

import asyncio
import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

import nbformat
import pytest
from nbclient import NotebookClient

from facelab.errors import DataMissingError, FacelabError
from facelab.labs import batch, build, kernel

SOURCE = """# %% tags=["parameters"]
preset: str = "laptop"  # smoke, laptop or paper
dataset: str = "orl"  # any source
seed: int = 0  # of everything

# %%
import os, signal, sys, time
from pathlib import Path
print(sys.executable)

# %%
"""


@pytest.fixture
def new_source(notebook_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(code, first=SOURCE):
        path = notebook_folder / "98_test.py"
        path.write_text(first + code)
        return path

    return write


def printed(path):
    cells = nbformat.read(path, 4).cells
    return "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))


@pytest.mark.parametrize("python", ["/no/such/python", "/bin/true"])
def test_a_stale_or_foreign_kernelspec_changes_nothing(new_source, tmp_path, monkeypatch, python):
    spec = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    source = new_source("1\n")
    made = batch.run_notebook(source, {}) if python == "/bin/true" else build.build_notebook(source)
    assert printed(made).strip() == sys.executable


CONNECTION = """
import json
from ipykernel.connect import get_connection_info
print(*[json.loads(get_connection_info())[name] for name in ("transport", "ip")])
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such sockets")
def test_kernels_side_by_side_need_no_port(new_source, tmp_path, monkeypatch):
    """Each talks by sockets in a folder of its own, which is gone afterwards; by ports where that folder's path is too long."""
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        long = tmp_path / ("x" * 100)
        long.mkdir()
        for place, expected in ((short, "ipc"), (long, "tcp")):
            monkeypatch.setattr(tempfile, "tempdir", str(place))
            transport, ip = printed(batch.run_notebook(new_source(CONNECTION), {})).split()[-2:]
            assert transport == expected and ip.startswith(f"{place}/facelab-") == (expected == "ipc")
            assert not os.listdir(place)


def top(path):
    """The text that stands first in an executed notebook."""
    cell = nbformat.read(path, 4).cells[0]
    assert cell.cell_type == "markdown" and cell.metadata["tags"] == ["papermill-error-cell-tag"]
    return cell.source


DEATH = "os.kill(os.getpid(), signal.SIGKILL)\n"


def test_a_kernel_that_dies_is_one_line_and_the_notebook_is_there_to_look_at(new_source, tmp_path):
    with pytest.raises(
        FacelabError, match=r"kernel of 98_test died in cell 4: .* Look at .*98_test-laptop-orl-0.ipynb"
    ):
        batch.run_notebook(new_source(DEATH), {})
    executed = tmp_path / "runs" / "notebooks" / "98_test-laptop-orl-0.ipynb"
    assert sys.executable in printed(executed) and "The kernel of 98_test died in cell 4" in top(executed)
    batch.run_notebook(new_source("1\n"), {})
    assert "died" not in executed.read_text(), "of the run before"


def test_a_kernel_that_dies_in_a_build_is_one_line_and_nothing_is_stored(new_source, tmp_path):
    with pytest.raises(FacelabError, match="kernel of 98_test died in cell 3: .* build it again"):
        build.build_notebook(new_source(DEATH))
    assert not list(tmp_path.glob("notebooks/*.ipynb"))


def test_a_cell_that_takes_too_long_is_one_line(new_source, tmp_path, monkeypatch):
    monkeypatch.setattr(kernel, "CELL_SECONDS", 1)
    with pytest.raises(FacelabError, match="98_test was stopped in cell 4: .* 1 seconds"):
        batch.run_notebook(new_source("time.sleep(60)\n"), {})
    assert "98_test was stopped in cell 4" in top(tmp_path / "runs" / "notebooks" / "98_test-laptop-orl-0.ipynb")


def test_a_kernel_that_does_not_start_is_one_line(new_source, tmp_path):
    source = new_source("1\n")
    # a student's file beside the notebooks, where a kernel runs, is found before Python's own
    (tmp_path / "notebooks" / "ipykernel_launcher.py").write_text("raise SystemExit('mine')\n")
    with pytest.raises(
        FacelabError, match="kernel of 98_test did not start .* PYTHONPATH.* hides that module.*IPYTHONDIR"
    ):
        batch.run_notebook(source, {})
    assert "did not start" in top(tmp_path / "runs" / "notebooks" / "98_test-laptop-orl-0.ipynb")


def test_a_kernel_whose_files_have_no_place_is_one_line(new_source, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(FacelabError, match="kernel of 98_test did not start .* set TMPDIR"):
        batch.run_notebook(new_source("1\n"), {})


def test_whoever_looks_meanwhile_sees_a_whole_notebook(new_source, tmp_path, monkeypatch):
    """So does a second run of the same. And a folder may have braces and bytes that are no text in its name."""
    runs = tmp_path / "{some} caf\udce9"
    monkeypatch.setenv("FACELAB_RUNS", str(runs))
    source = new_source("print('x' * 5_000_000)\n" + "\n# %%\n1\n" * 20)
    seen, ended = [], threading.Event()

    def look():
        while not ended.is_set():
            seen.extend(json.loads(path.read_bytes()) for path in runs.rglob("*.ipynb"))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        executed = batch.run_notebook(source, {"seed": 3})
    finally:
        ended.set()
        watcher.join()
    assert len(seen) > 3 and seen[-1]["metadata"]["papermill"]["parameters"]["seed"] == 3
    left = [path for path in runs.rglob("*") if "checkpoints" not in path.relative_to(runs).parts]
    assert left == [executed.parent, executed]
    metadata = json.loads(executed.read_bytes())["metadata"]
    assert len(json.dumps(metadata)) < 5000 and metadata["papermill"]["output_path"].endswith(str(executed))


@pytest.mark.parametrize("variable", ["FACELAB_RUNS", "FACELAB_DATA", "FACELAB_CACHE"])
def test_a_variable_that_names_a_file_is_named_before_a_kernel_starts(new_source, tmp_path, monkeypatch, variable):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv(variable, "file")
    with pytest.raises(FacelabError, match=f"{variable} is 'file'"):
        batch.run_notebook(new_source("1\n"), {})


def test_a_relative_path_is_where_the_user_stands(new_source, tmp_path, monkeypatch):
    source = new_source("print(Path(dataset.partition(':')[2]).is_dir())\n")
    (tmp_path / "here" / "faces").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    executed = batch.run_notebook(source, {"dataset": "folder:faces"})
    assert printed(executed).splitlines() == [sys.executable, "True"]


def test_a_data_set_that_is_not_here_is_said_before_a_kernel_starts(new_source, tmp_path, monkeypatch):
    def must_not_start(*_):
        raise AssertionError("a kernel was started")

    monkeypatch.setattr(batch, "kernel_options", must_not_start)
    monkeypatch.setenv("FACELAB_DATA", str(tmp_path))
    (tmp_path / "file").touch()
    literal = SOURCE.replace("# any source", "# [orl, lfw] those")
    for first, name in ((SOURCE, "folder:nothere"), (SOURCE, "folder:file"), (SOURCE, "orl+lfw"), (literal, "lfw")):
        with pytest.raises(DataMissingError, match="not on this machine"):
            batch.run_notebook(new_source("1\n", first), {"dataset": name})


@pytest.fixture
def ctrl_c():
    """Ctrl-C means what it does in a terminal, also where a shell started the tests behind it and ignores it for them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def told_by_asyncio(caplog):
    gc.collect()
    return [record for record in caplog.records if record.name == "asyncio"]


def test_ctrl_c_leaves_nothing_that_tells_of_a_dead_kernel_later(new_source, monkeypatch, caplog, ctrl_c):
    class SlowManager(kernel.OwnKernelManager):
        async def cleanup_resources(self, restart=False):
            await asyncio.sleep(1.5)  # longer than from one look at the kernel to the next
            await super().cleanup_resources(restart)

    monkeypatch.setattr(kernel, "OwnKernelManager", SlowManager)
    with pytest.raises(KeyboardInterrupt):
        batch.run_notebook(new_source("os.kill(os.getppid(), signal.SIGINT)\ntime.sleep(60)\n"), {})
    assert not told_by_asyncio(caplog)


def test_ctrl_c_that_meets_a_look_at_the_kernel_is_told_of_once(new_source, monkeypatch, caplog, ctrl_c):
    """The signal may come at any moment, also while the task that looks whether the kernel lives is at work."""

    async def look(client):
        await asyncio.sleep(0.1)
        raise KeyboardInterrupt

    monkeypatch.setattr(NotebookClient, "_async_poll_kernel_alive", look)
    with pytest.raises(KeyboardInterrupt):
        batch.run_notebook(new_source("time.sleep(60)\n"), {})
    assert not told_by_asyncio(caplog)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_all_but_ctrl_c_is_told_of_as_before(caplog, error):
    async def fail():
        raise error("mine")

    async def forget_a_task():
        asyncio.create_task(fail())
        await asyncio.sleep(0.01)

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(kernel.tell_all_but_ctrl_c)
    with pytest.raises(KeyboardInterrupt) if error is KeyboardInterrupt else contextlib.nullcontext():
        loop.run_until_complete(forget_a_task())
    said = [str(record.exc_info[1]) for record in told_by_asyncio(caplog)]
    loop.close()
    assert said == ["mine"] * (error is ValueError)


@pytest.mark.parametrize("theirs", [None, lambda loop, context: None], ids=["no handler", "somebody else's"])
def test_a_loop_keeps_the_handler_that_it_has(monkeypatch, theirs):
    async def start(manager, **options):
        pass

    async def start_two():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(theirs)
        for _ in range(2):
            await kernel.OwnKernelManager().start_kernel()
        return loop.get_exception_handler()

    monkeypatch.setattr(kernel.AsyncKernelManager, "start_kernel", start)
    assert asyncio.run(start_two()) is (theirs or kernel.tell_all_but_ctrl_c)


_RUN = """
import signal, sys
from pathlib import Path
from facelab import cli
from facelab.labs import batch, build, parameters

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # where a shell started the tests behind it, it is ignored
    root = Path(sys.argv.pop(1))
    for module in (build, parameters):
        module.project_folder = lambda name: root / name
    batch.work_root = lambda: root
    cli.main()
"""


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.fixture
def start(new_source, tmp_path):
    """Start a command on a notebook, and wait until its cell has written the number of its process."""
    script, told, started = tmp_path / "run.py", tmp_path / "notebooks" / "pid", []
    script.write_text(_RUN)

    def begin(command, code):
        new_source(code)
        quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}  # older debuggers of ipykernel warn of Python's frozen modules
        surroundings = {**os.environ, **quiet, "FACELAB_RUNS": str(tmp_path / "runs")}
        words = [sys.executable, str(script), str(tmp_path), command, "98"]
        main = subprocess.Popen(words, env=surroundings, stderr=subprocess.PIPE, text=True)
        started.append(main)
        deadline = time.monotonic() + 300
        while not (told.exists() and told.read_text()):
            assert main.poll() is None, main.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return main, int(told.read_text())

    yield begin
    for main in started:
        main.kill()


WAIT = "Path('pid').write_text(str(os.getpid()))\ntime.sleep(600)\n"


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize(
    ("command", "sent", "code", "said"),
    [
        ("run", "SIGTERM", 143, "facelab: stopped.\n"),
        ("build", "SIGINT", 130, "facelab: stopped.\n"),
        ("run", "SIGKILL", -9, None),
        (
            "run",
            "SIGUSR2",
            75,
            "facelab: 98_test was asked to make room (SIGUSR2). Call it again: it goes on.\n",
        ),
    ],
)
def test_a_stopped_run_leaves_no_kernel_and_no_file_of_its_own(start, tmp_path, command, sent, code, said):
    main, kernel_process = start(command, WAIT)
    main.send_signal(getattr(signal, sent))
    told = main.communicate(timeout=300)[1]
    deadline = time.monotonic() + 60
    while is_running(kernel_process):  # killed, the kernel looks for its parent once a second
        assert time.monotonic() < deadline, "the kernel is left"
        time.sleep(0.1)
    assert main.returncode == code and (said is None or told == said)
    left = [path for path in tmp_path.rglob("*.ipynb*")]
    assert [path.name for path in left] == (["98_test-laptop-orl-0.ipynb"] if command == "run" else [])
    assert all(nbformat.read(path, 4).cells for path in left)


# as a training does, without PyTorch; it takes a while to see the signal
ROOM = """
class PreemptedError(Exception):
    pass

asked = []
# with names of its own: a kernel that is slow to end gets SIGTERM when those of the notebook are gone
note = lambda number, frame, asked=asked, Signals=signal.Signals: asked.append(Signals(number).name)
for name in ("SIGTERM", "SIGUSR1", "SIGUSR2"):
    signal.signal(getattr(signal, name), note)
Path("pid").write_text(str(os.getpid()))
while not asked:
    time.sleep(0.05)
time.sleep(0.5)
Path("checkpoint").write_text(" ".join(set(asked)))
raise PreemptedError("written")
"""


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("sent", [["SIGTERM"], ["SIGUSR1", "SIGUSR2"]], ids="+".join)
def test_a_run_that_is_asked_to_make_room_lets_its_kernel_write_a_checkpoint(start, tmp_path, sent):
    main, kernel_process = start("run", ROOM)
    for name in sent:
        main.send_signal(getattr(signal, name))
    assert main.communicate(timeout=300)[1] == "facelab: 98_test made room in cell 4. The same call goes on.\n"
    assert main.returncode == 75 and not is_running(kernel_process)
    assert (tmp_path / "notebooks" / "checkpoint").read_text() == "SIGUSR1", "what the kernel is told"
