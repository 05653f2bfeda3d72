"""The runner of experiments: what it computes, keeps, reports and writes, and that it can be stopped anywhere."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from facelab import records
from facelab.errors import BadParameterError, FacelabError
from facelab.evaluation import mean_over_seeds
from facelab.experiments import grid
from facelab.experiments.cells import cell_path, code_digest, compute_cell
from facelab.experiments.experiment import Cell, Experiment
from facelab.experiments.grid import run_experiment
from facelab.records import Metric

PIXELS = {"faces": {"source": "made here", "images": 3, "sha256": "0" * 64}}


def run(cell: Cell) -> dict[str, object]:
    """Figures that another number of threads, another order or another process could change, and a mark that it ran."""
    name, seed = cell.key
    with Path(cell.settings["marks"], f"{name}-{seed}").open("a") as file:
        file.write(f"{os.getpid()} {torch.get_num_threads()}\n")
    if name == "broken":
        raise ZeroDivisionError("on purpose")
    if name == "leaving":
        sys.exit("a library that leaves")
    if name == "not a number":
        return {"sum": float("nan")}
    if name == "no dict":
        return 3.0
    if name == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((300, 300)).astype(np.float32)
    return {
        "sum": float((matrix @ matrix).sum()),
        "torch": torch.from_numpy(matrix).matmul(torch.ones(300)).sum().item(),
    }


def summarise(results):
    names = dict.fromkeys(name for name, _ in results)
    found = {name: [figures["sum"] for (own, _), figures in results.items() if own == name] for name in names}
    return {f"sum/{name}": Metric.from_estimate(mean_over_seeds(values)) for name, values in found.items()}


@pytest.fixture
def experiment(tmp_path, monkeypatch) -> Experiment:
    monkeypatch.setenv("FACELAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(grid, "project_data", lambda *parts: tmp_path.joinpath("data", *parts))
    (tmp_path / "marks").mkdir()
    return declare(tmp_path, "one", "other")


def declare(folder: Path, *names: str) -> Experiment:
    settings = {"marks": str(folder / "marks")}
    return Experiment(
        name="99_test",
        notebook="99",
        shows="that the runner runs",
        datasets=(),
        grid=lambda seeds: [Cell((name, seed), settings) for seed in range(seeds) for name in names],
        run=run,
        summarise=summarise,
        parameters=lambda seeds: {"seeds": seeds},
        data=lambda: PIXELS,
    )


def times_run(folder: Path) -> int:
    return sum(len(path.read_text().splitlines()) for path in (folder / "marks").iterdir())


def test_all_cells_are_computed_once_and_the_record_is_their_summary(experiment, tmp_path):
    kept, path = run_experiment(experiment, workers=2)
    assert list(kept) == ["one/0", "other/0", "one/1", "other/1", "one/2", "other/2"] and times_run(tmp_path) == 6
    record = records.read_record(path)
    assert path == tmp_path / "data" / "results" / "99_test.json"
    assert record.command == "facelab experiment run 99_test --seeds 3" and record.data == PIXELS
    expected = mean_over_seeds([run(Cell(("one", seed), {"marks": str(tmp_path)}))["sum"] for seed in range(3)])
    metric = record.metrics["sum/one"]
    assert record.versions["machine"].endswith(" 1 threads") and {cell.code for cell in kept.values()} == {
        code_digest()
    }
    assert metric.n == 3 and metric.value == pytest.approx(expected.value, rel=1e-4)
    assert record.wall_seconds == pytest.approx(sum(cell.seconds for cell in kept.values()), abs=0.05)
    again, _ = run_experiment(experiment, workers=1)
    assert again == kept and times_run(tmp_path) == 6
    run_experiment(experiment, seeds=4)
    assert times_run(tmp_path) == 8, "two more cells, the others are kept"


def test_figures_do_not_depend_on_the_number_of_workers(experiment, tmp_path, monkeypatch):
    found = []
    for workers in (1, 2, 3):
        monkeypatch.setenv("FACELAB_RUNS", str(tmp_path / f"runs{workers}"))
        kept, _ = run_experiment(experiment, workers=workers)
        found.append({label: cell.figures for label, cell in kept.items()})
    assert found[0] == found[1] == found[2], "bit for bit"
    processes = [line.split() for path in (tmp_path / "marks").iterdir() for line in path.read_text().splitlines()]
    assert {threads for _, threads in processes} == {"1"}
    assert str(os.getpid()) not in {process for process, _ in processes}, "one worker is a process of its own too"


def test_whatever_decides_a_cell_is_in_the_name_of_its_file(experiment, monkeypatch):
    cell = experiment.grid(1)[0]
    path = cell_path(experiment, cell, PIXELS)
    assert path.parent.name == "99_test" and path.name.startswith("one-0-")
    pixels = {"faces": {**PIXELS["faces"], "sha256": "1" * 64}}
    others = [
        cell_path(experiment, replace(cell, settings={**cell.settings, "epochs": 2}), PIXELS),
        cell_path(experiment, replace(cell, key=("one", 1)), PIXELS),
        cell_path(replace(experiment, name="98_test"), cell, PIXELS),
        cell_path(experiment, cell, pixels),
    ]
    versions = records.versions()
    monkeypatch.setattr(records, "versions", lambda: {**versions, "machine": "another, 64 threads"})
    assert cell_path(experiment, cell, PIXELS) == path
    monkeypatch.setattr(records, "versions", lambda: {**versions, "torch": "1.0"})
    others.append(cell_path(experiment, cell, PIXELS))
    assert len({path, *others}) == 6


def test_a_cell_that_fails_is_reported_at_the_end_and_loses_no_other(tmp_path, experiment, capfd):
    mixed = declare(tmp_path, "one", "broken", "other")
    with pytest.raises(
        FacelabError, match=r"3 of 9 cells failed: broken/\d, broken/\d, broken/\d\. The others are kept"
    ):
        run_experiment(mixed, workers=2)
    told = capfd.readouterr().err
    assert told.count("ZeroDivisionError: on purpose") == 3 and "in run" in told
    assert not (tmp_path / "data").exists(), "no record of a part"
    before = times_run(tmp_path)
    kept, _ = run_experiment(mixed, workers=2, only="^o")
    assert len(kept) == 6 and times_run(tmp_path) == before, "all others are kept"


def test_a_cell_that_leaves_or_has_no_figures_is_one_that_failed(tmp_path, experiment, capfd):
    mixed = declare(tmp_path, "leaving", "not a number", "no dict", "one")
    with pytest.raises(FacelabError, match="9 of 12 cells failed"):
        run_experiment(mixed, workers=1)
    told = capfd.readouterr().err
    assert told.count("SystemExit: a library that leaves") == 3 and told.count("not JSON compliant") == 3
    assert told.count("A cell gives a dict of figures by name, not 3.0.") == 3
    kept = [path.name for path in (tmp_path / "runs" / "experiments" / "99_test").iterdir()]
    assert len(kept) == 3 and all(name.startswith("one-") for name in kept)


def test_a_process_that_is_killed_is_one_clear_error(tmp_path, experiment):
    with pytest.raises(FacelabError, match="killed, perhaps for want of memory"):
        run_experiment(declare(tmp_path, "killed"), workers=1)
    assert len(run_experiment(experiment, workers=2)[0]) == 6, "the next call works"


def test_only_some_cells_make_no_record(experiment, tmp_path):
    kept, path = run_experiment(experiment, only="other/[01]$")
    assert list(kept) == ["other/0", "other/1"] and path is None and times_run(tmp_path) == 2
    assert not (tmp_path / "data").exists()
    with pytest.raises(
        BadParameterError, match=r"'moco'\. There are 6: 'one/0' 'other/0' 'one/1' 'other/1' 'one/2' ... 'other/2'"
    ):
        run_experiment(experiment, only="moco")
    with pytest.raises(BadParameterError, match="not a regular expression"):
        run_experiment(experiment, only="(")


def test_an_experiment_without_a_summary_makes_no_record(experiment, tmp_path):
    kept, path = run_experiment(replace(experiment, summarise=None))
    assert len(kept) == times_run(tmp_path) == 6 and path is None
    assert not (tmp_path / "data").exists()


def test_wrong_numbers_are_refused_before_anything_runs(experiment, tmp_path):
    with pytest.raises(BadParameterError, match="--seeds 2 is too few for 99_test. Give --seeds 3"):
        run_experiment(experiment, seeds=2)
    with pytest.raises(BadParameterError, match="draws nothing that has a seed"):
        run_experiment(replace(experiment, seeds=0), seeds=3)
    with pytest.raises(BadParameterError, match="measures time"):
        run_experiment(replace(experiment, alone=True), workers=2)
    with pytest.raises(BadParameterError, match="0 workers"):
        run_experiment(experiment, workers=0)
    assert times_run(tmp_path) == 0


def test_a_damaged_file_is_named_before_anything_is_computed(experiment, tmp_path):
    path = cell_path(experiment, experiment.grid(1)[0], PIXELS)
    path.parent.mkdir(parents=True)
    wrong_types = json.dumps({"figures": 3, "seconds": "x", "code": 5})
    for content in ("", '{"figures": {', "[1]", "[" * 100_000, json.dumps({"seconds": 1}), wrong_types):
        path.write_text(content)
        with pytest.raises(FacelabError, match="holds no figures .* Move it away"):
            run_experiment(experiment)
    path.unlink()
    path.mkdir()
    with pytest.raises(FacelabError, match="holds no figures"):
        run_experiment(experiment)
    assert times_run(tmp_path) == 0


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_computed(experiment, tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(FacelabError, match="runs is not a folder"):
        run_experiment(experiment)
    assert times_run(tmp_path) == 0


def test_two_cells_of_one_label_are_refused(experiment, tmp_path):
    for keys in ([("a", 0), ("a", 0)], [("a/b", 1), ("a", "b", 1)], [(0.1234567,), (0.12345678,)]):
        with pytest.raises(BadParameterError, match="Two cells of the grid are called"):
            run_experiment(replace(experiment, grid=lambda seeds, keys=keys: [Cell(key) for key in keys]))


def test_an_engine_of_another_kind_can_be_plugged_in(experiment):
    seen = []

    def here(jobs, workers):
        for job in jobs:
            seen.append(job.cell.label)
            yield compute_cell(job)

    kept, path = run_experiment(experiment, engine=here)
    assert sorted(seen) == sorted(kept) and records.read_record(path).metrics["sum/one"].n == 3


_STOPPED = """
import signal, subprocess
from facelab.experiments import registry
from facelab.experiments.experiment import Cell, Experiment

def run(cell):
    if cell.key[0] >= 2:
        subprocess.run(["sleep", "60"])  # what a cell starts ends with it
    return {"figure": 1.0}

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have set it aside for what it runs behind
    from facelab import cli

    cells = [Cell((number,)) for number in range(200)]
    slow = Experiment("slow", "0", "", (), lambda _: cells, run, dict, lambda _: {}, seeds=0)
    registry.get_experiment = lambda name: slow
    cli.main()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize(("how", "code"), [("Ctrl-C", 130), ("SIGTERM", 143), ("SIGKILL", -9)])
def test_a_stop_ends_it_at_once_with_nothing_half_written_and_no_process_left(how, code, tmp_path):
    script, folder = tmp_path / "slow.py", tmp_path / "runs" / "experiments" / "slow"
    script.write_text(_STOPPED)
    surroundings = {**os.environ, "FACELAB_RUNS": str(tmp_path / "runs")}
    command = [sys.executable, str(script), "experiment", "run", "slow", "--workers", "2"]
    main = subprocess.Popen(command, env=surroundings, start_new_session=True, stderr=subprocess.PIPE, text=True)
    try:
        while len(list(folder.glob("*.json"))) < 2:
            assert main.poll() is None, main.stderr.read()
            time.sleep(0.05)
        if how == "Ctrl-C":
            os.killpg(main.pid, signal.SIGINT)  # as a terminal sends it: to all processes of the group
        else:
            main.send_signal(signal.SIGTERM if how == "SIGTERM" else signal.SIGKILL)
        told = main.communicate(timeout=50)[1]  # the cells that run would take 60 s
        deadline = time.monotonic() + 30
        while group_alive(main.pid):
            assert time.monotonic() < deadline, "a process is left"
            time.sleep(0.05)
    finally:
        if group_alive(main.pid):
            os.killpg(main.pid, signal.SIGKILL)
    assert main.returncode == code and "Traceback" not in told
    assert how == "SIGKILL" or told.endswith("facelab: stopped.\n")
    assert len([path for path in folder.iterdir() if path.suffix == ".json"]) == len(list(folder.iterdir())) == 2


def group_alive(group: int) -> bool:
    """Whether a process of the group is there, zombies aside: the container's first process may reap nobody."""
    states = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has ended meanwhile
        if int(fields[2]) == group:
            states.append(fields[0])
    return any(state != "Z" for state in states)
