"""On a real Slurm of two nodes: these tests start it, and are skipped where its packages are absent."""

import json
import os
import shlex
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import psutil
import pytest
import torch
from batch_project import clone
from commands import call
from slurm_cluster import SlurmCluster, reason_to_skip, wait_until
from tiny import tiny_faces, tiny_method

from facelab.commands.train.processes import new_fabric
from facelab.errors import BadParameterError
from facelab.methods import load_method
from facelab.paths import project_root
from facelab.training import Plan, fit, single_process_fabric

pytestmark = pytest.mark.skipif(reason_to_skip() is not None, reason=str(reason_to_skip()))


@pytest.fixture(scope="module")
def slurm():
    with SlurmCluster() as cluster:
        yield cluster


def test_two_nodes_that_both_take_a_task(slurm):
    lines = slurm.ask("srun", "-N2", "--ntasks-per-node=1", "bash", "-c", "echo $SLURM_PROCID $SLURMD_NODENAME")
    assert sorted(lines.splitlines()) == [f"{rank} {node}" for rank, node in enumerate(slurm.nodes)]


# ---- one training of several processes ----

#: A network without batch norm, whose statistics would be those of each process.
TRAIN = ["margin", "-p", "loss=cosface", "--dataset", "orl", "--size", "32", "--backbone", "vgg16", "--width", "8"]
TRAIN += ["--optimizer", "sgd", "--batch-size", "64", "--epochs", "1", "--do", "train"]
CLUSTER = project_root() / "docs" / "cluster"
SCRIPT = shlex.quote(str(CLUSTER / "slurm-train.sh"))
LAUNCHERS = {
    "two nodes": "srun -N2 --ntasks-per-node=1 facelab train",
    "two tasks of a node": f"sbatch -N1 --ntasks-per-node=2 --wait --output=two.out {SCRIPT}",
    "torchrun": "torchrun --standalone --nproc-per-node=2 --no-python facelab train",
}


@pytest.fixture(scope="module")
def folders(slurm) -> dict[str, str]:
    """Where facelab keeps what it writes."""
    return {f"FACELAB_{name.upper()}": str(slurm.folder / name) for name in ("runs", "cache", "data")}


@pytest.fixture(scope="module")
def alone(slurm, folders) -> dict[str, torch.Tensor]:
    """The weights that this process trains."""
    with pytest.MonkeyPatch.context() as monkeypatch, patch.dict(os.environ, folders):
        assert call(monkeypatch, "train", *TRAIN, "--out", str(slurm.folder / "alone")) == 0
    return weights(slurm.folder / "alone")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_method(folder / "method.pt").method.state_dict()


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_several_processes_are_one_training_with_the_weights_of_a_single_one(slurm, folders, alone, launcher):
    done = slurm.call(*shlex.split(LAUNCHERS[launcher]), *TRAIN, "--out", launcher, **folders)
    said = done.stdout + done.stderr + "".join(path.read_text() for path in slurm.folder.glob("two.out"))
    assert done.returncode == 0, said[-3000:]
    assert said.count("everything is in") == 1 and said.count("MEMBER: 2/2") == 1, said
    (slurm.folder / "two.out").unlink(missing_ok=True)
    together = weights(slurm.folder / launcher)
    biases = [name for name in alone if name.endswith(".bias")]  # zero before the training
    assert biases and min(alone[name].abs().max() for name in biases) > 1e-3
    torch.testing.assert_close(together, alone, atol=2e-6, rtol=0)


def variables(text: str) -> dict[str, str]:
    """What ``env -0`` says of Slurm."""
    return dict(entry.split("=", 1) for entry in text.split("\0") if entry.startswith("SLURM_"))


@pytest.mark.parametrize(("layout", "tasks"), [(["-N2", "--ntasks-per-node=1"], 1), (["-n2"], 2)])
def test_other_devices_than_the_tasks_of_a_node_are_refused_in_one_line(slurm, layout, tasks):
    first = slurm.ask("srun", *layout, "bash", "-c", "[ $SLURM_PROCID != 0 ] || env -0")
    with patch.dict(os.environ, variables(first)):
        fabric = new_fabric(None, "32-true")
        assert (fabric.world_size, fabric.strategy.num_processes) == (2, tasks)
        with pytest.raises(BadParameterError, match=f"--devices 3, and srun has started {tasks} process") as refused:
            new_fabric(3, "32-true")
    assert "\n" not in str(refused.value)


def test_a_notebook_in_a_job_of_two_tasks_is_one_process(slurm):
    """The kernel has the variables of the batch script, which names two tasks and is one process."""
    job = slurm.submit("-n2", "-o", "variables.out", "--wrap", "env -0")
    assert slurm.wait_for_end(job) == {job: "COMPLETED"}
    found = variables((slurm.folder / "variables.out").read_text())
    assert found["SLURM_NTASKS"] == "2"
    with patch.dict(os.environ, found):
        assert new_fabric(None, "32-true").world_size == single_process_fabric().world_size == 1
        there = undisturbed(0)
    assert there == undisturbed(0)


# ---- a batch ----

EPOCHS = 20
#: A training that says each epoch, and lasts long enough for a signal to meet it.
TRAINS = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from tiny import tiny_faces, tiny_method
from facelab import labs
from facelab.training import Plan, fit

def monitor(method):
    with (runs / f"epochs-{{seed}}").open("a") as file:
        print("epoch", file=file, flush=True)
    time.sleep(0.2)
    return {{}}

run = labs.begin("98_trains", preset=preset, dataset=dataset, seed=seed)
plan = Plan({EPOCHS}, batch_size=8, lr=0.05, seed=seed)
history = fit(tiny_method(), tiny_faces(), plan, monitors=[monitor], folder=run.folder("network"))
(runs / f"history-{{seed}}.json").write_text(json.dumps(history.epochs))
"""


class TinyBatch:
    """Tasks 0 to 2 are a training each, of that seed."""

    def __init__(self, slurm: SlurmCluster, folders: dict[str, str]) -> None:
        self.slurm, self.runs = slurm, Path(folders["FACELAB_RUNS"])
        self.variables = folders | {"PYTHONPATH": str(clone(slurm.folder / "clone", {"98_trains": TRAINS}))}
        slurm.ask("facelab", "batch", "make", "tiny", "98", "--seeds", "0-2", "--preset", "smoke", **self.variables)

    def submit(self, *words: str) -> str:
        return self.slurm.submit(*words, **self.variables)

    def lines(self, name: str) -> list[str]:
        path = self.runs / name
        return path.read_text().splitlines() if path.exists() else []

    def starts(self, seed: int) -> int:
        """How often the notebook of a task was started."""
        return self.lines("98_trains").count(str(seed))

    def epochs(self, seed: int) -> int:
        """How many epochs were trained, all tries together."""
        return len(self.lines(f"epochs-{seed}"))

    def history(self, seed: int) -> list[dict[str, float]]:
        return json.loads((self.runs / f"history-{seed}.json").read_text())


@pytest.fixture(scope="module")
def batch(slurm, folders):
    return TinyBatch(slurm, folders)


def undisturbed(seed: int) -> list[dict[str, float]]:
    """The same training in this process."""
    return fit(tiny_method(), tiny_faces(), Plan(EPOCHS, batch_size=8, lr=0.05, seed=seed)).epochs


def test_of_an_array_on_both_nodes_a_task_makes_room_is_queued_again_and_trains_the_rest(slurm, batch):
    job = batch.submit("--array=0-1", CLUSTER / "slurm-array.sh", "tiny")
    wait_until(lambda: batch.epochs(0) >= 3, "task 0 trains", slurm)
    slurm.ask("scancel", "--signal=USR1", f"{job}_0")
    wait_until(lambda: slurm.states(job)[f"{job}_0"] == "PENDING", "task 0 is queued again", slurm)
    assert 3 <= batch.epochs(0) < EPOCHS
    time.sleep(2)  # a node takes it again only some time after it ended there
    slurm.ask("scontrol", "update", f"JobId={job}_0", "StartTime=now")  # of itself Slurm waits for two minutes
    assert set(slurm.wait_for_end(job).values()) == {"COMPLETED"}, slurm.logs()

    nodes = slurm.ask("squeue", "--noheader", "--array", "--states=all", "--jobs", job, "--format=%N").splitlines()
    assert sorted(nodes) == sorted(slurm.nodes)
    assert [batch.starts(seed) for seed in (0, 1)] == [2, 1]
    assert [batch.epochs(seed) for seed in (0, 1)] == [EPOCHS, EPOCHS], "no epoch was trained twice"
    assert [batch.history(seed) for seed in (0, 1)] == [undisturbed(seed) for seed in (0, 1)]


def test_submitit_does_the_tasks_that_are_not_done(slurm, batch):
    before = [batch.starts(seed) for seed in range(3)]
    slurm.ask("facelab", "batch", "run", "tiny", "--on", "slurm", "--timeout", "30", **batch.variables)
    assert [batch.starts(seed) for seed in range(3)] == [max(count, 1) for count in before]
    assert batch.history(2) == undisturbed(2)


# ---- the cluster of these tests itself ----

KILLED = """
import json, time
from slurm_cluster import SlurmCluster, wait_until
with SlurmCluster() as cluster:
    job = cluster.submit("--output=/dev/null", "--wrap", "sleep 1000")
    wait_until(lambda: "sleep" in cluster.processes().values(), "the job runs", cluster)
    print(json.dumps(cluster.processes()), flush=True)
    time.sleep(1000)
"""


def test_nothing_of_it_outlives_tests_that_are_killed(tmp_path):
    words = [sys.executable, "-P", "-c", KILLED]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent), "TMPDIR": str(tmp_path)}
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as tests:
        names = {int(number): name for number, name in json.loads(tests.stdout.readline()).items()}
        processes = [psutil.Process(number) for number in names]
        tests.kill()
    assert {"munged", "slurmctld", "slurmd", "slurmstepd", "sleep"} <= set(names.values())
    wait_until(lambda: not any(map(runs, processes)), "all have ended")
    assert not list(tmp_path.iterdir())


def runs(process: psutil.Process) -> bool:
    """Not ended, nor ended and never asked for its exit code, as in a container whose first process asks for none."""
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False
