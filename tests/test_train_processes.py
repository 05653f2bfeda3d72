"""Who starts the processes of a training: --devices, torchrun, srun, or nobody; and what each process does."""

import os
from types import SimpleNamespace

import pytest
import torch
from lightning_fabric.plugins.environments import LightningEnvironment, SLURMEnvironment
from tiny import tiny_faces, tiny_method
from torch import nn

from facelab.backbones import backbone
from facelab.commands.train import run as run_module
from facelab.commands.train import task as task_module
from facelab.commands.train.processes import find_launch, new_fabric
from facelab.commands.train.run import train_and_measure
from facelab.commands.train.settings import Settings
from facelab.errors import BadParameterError, FacelabError
from facelab.files import lock_folder
from facelab.training import Plan, check_sync_batch_norm, fit, single_process_fabric, synchronize_batch_norms

SETTINGS = Settings(
    method="supcon", options={"projection": "6"}, dataset="tiny", min_photos=4, size=16, people="known", scene=None,
    augmentation="supcon", backbone="resnet10", width=8, weights=None, freeze=0, head="none",
)  # fmt: skip
PLAN = Plan(epochs=1, batch_size=8, warmup_epochs=0)
TORCHRUN = {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "6", "LOCAL_WORLD_SIZE": "3", "RANK": "5", "LOCAL_RANK": "2"}
#: Of a job of two nodes with two tasks each, as a script of sbatch has them.
JOB = {
    "SLURM_JOB_ID": "71234", "SLURM_JOB_NAME": "train", "SLURM_NTASKS": "4", "SLURM_NNODES": "2", "SLURM_NODELIST": "a,b",
    "SLURM_NTASKS_PER_NODE": "2", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_job(monkeypatch):
    """These tests may themselves run in a job. What a step sets for Lightning goes again with the test."""
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    for name in (*TORCHRUN, *JOB, "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def told(monkeypatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def step(tasks: int, nodes: int, shares: str, node_names: str = "a,b", **more: str) -> dict[str, str]:
    """What srun tells a task of a step of that job."""
    counts = {"SLURM_STEP_NUM_TASKS": str(tasks), "SLURM_STEP_NUM_NODES": str(nodes)}
    return JOB | counts | {"SLURM_STEP_TASKS_PER_NODE": shares, "SLURM_STEP_NODELIST": node_names} | more


@pytest.mark.parametrize("devices", [None, 3])
def test_under_torchrun_its_processes_train(monkeypatch, devices):
    """Process 5 of 2 machines with 3 each."""
    told(monkeypatch, TORCHRUN | {"GROUP_RANK": "1"})
    fabric = new_fabric(devices, "32-true")
    assert (fabric.world_size, fabric.global_rank, fabric.strategy.num_processes) == (6, 5, 3)


@pytest.mark.parametrize("devices", [None, 2])
def test_under_srun_its_tasks_train(monkeypatch, devices):
    """Task 3 of 2 nodes with 2 each."""
    ranks = {"SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_NODEID": "1"}
    told(monkeypatch, step(4, 2, "2(x2)", **ranks))
    fabric = new_fabric(devices, "32-true")
    assert (fabric.world_size, fabric.global_rank, fabric.local_rank, fabric.node_rank) == (4, 3, 1, 1)
    assert fabric.strategy.cluster_environment.main_address == "a"


def test_a_step_on_one_node_of_the_job_is_a_training_there(monkeypatch):
    told(monkeypatch, step(2, 1, "2", "b", SLURM_PROCID="1", SLURM_LOCALID="1"))
    fabric = new_fabric(None, "32-true")
    assert (fabric.world_size, fabric.global_rank) == (2, 1)
    assert fabric.strategy.cluster_environment.main_address == "b"


@pytest.mark.parametrize("name", ["train", "bash"])
def test_tasks_without_a_number_a_node_are_a_training_too(monkeypatch, name):
    """``srun -n2`` alone; and in an interactive job, which Lightning leaves aside."""
    variables = step(2, 1, "2", "a", SLURM_PROCID="1", SLURM_JOB_NAME=name)
    del variables["SLURM_NTASKS_PER_NODE"]
    told(monkeypatch, variables)
    fabric = new_fabric(None, "32-true")
    assert (fabric.world_size, fabric.global_rank) == (2, 1)


@pytest.mark.parametrize(
    ("variables", "devices", "said"),
    [
        (step(4, 2, "2(x2)"), 3, "--devices 3, and srun has started 2 processes on each node. Give --devices 2"),
        (step(2, 2, "1(x2)"), 2, "--devices 2, and srun has started 1 process on each node. Give --devices 1"),
        (step(3, 2, "2,1"), None, r"unevenly \(2,1 on the 2 nodes\). Give srun --ntasks-per-node"),
        (TORCHRUN | {"RANK": "0"}, 2, "--devices 2, and torchrun has started 3 processes on each node"),
    ],
)
def test_a_mismatch_is_one_line(monkeypatch, variables, devices, said):
    told(monkeypatch, variables)
    with pytest.raises(BadParameterError, match=said) as error:
        new_fabric(devices, "32-true")
    assert "\n" not in str(error.value)


def test_a_mismatch_is_said_by_the_first_process_alone(monkeypatch, capsys):
    told(monkeypatch, step(4, 2, "2(x2)", SLURM_PROCID="2"))
    with pytest.raises(SystemExit) as end:
        new_fabric(3, "32-true")
    assert end.value.code == 1 and not "".join(capsys.readouterr())


@pytest.mark.parametrize("variables", [JOB, step(1, 1, "1", "a")])
def test_a_batch_script_and_a_single_task_are_alone(monkeypatch, variables):
    """Whatever their job has; and --devices starts processes there as anywhere."""
    told(monkeypatch, variables)
    assert find_launch() is None
    one, two = new_fabric(None, "32-true"), new_fabric(2, "32-true")
    assert one.world_size == 1 and two.world_size == 2
    assert isinstance(two.strategy.cluster_environment, LightningEnvironment)


@pytest.mark.parametrize("variables", [JOB, JOB | {"SLURM_PROCID": "1"}, step(4, 2, "2(x2)", SLURM_PROCID="3")])
def test_fit_in_a_notebook_is_one_process_whatever_slurm_says(monkeypatch, variables):
    told(monkeypatch, variables)
    assert SLURMEnvironment.detect()  # Fabric by itself would be one of several
    fabric = single_process_fabric()
    assert (fabric.world_size, fabric.global_rank) == (1, 0)
    history = fit(tiny_method(), tiny_faces(), Plan(1, 8, warmup_epochs=0))
    assert len(history.epochs) == 1


def test_processes_whose_first_one_has_no_folder_end_without_a_training(tmp_path, monkeypatch):
    """The first says that another has the folder; the others are told, and say nothing."""
    monkeypatch.setattr(task_module, "load", lambda name, size: tiny_faces(people=6, shots=10))
    monkeypatch.setattr(run_module, "train_task", lambda *_: pytest.fail("it trained"))
    sent = []

    def fabric(rank: int, broadcast) -> SimpleNamespace:
        kind = {"device": torch.device("cpu"), "world_size": 2, "is_global_zero": rank == 0}
        return SimpleNamespace(**kind, launch=lambda: None, broadcast=broadcast)

    with lock_folder(tmp_path, "facelab train"):
        monkeypatch.setattr(run_module, "new_fabric", lambda *_: fabric(0, lambda value: sent.append(value) or value))
        with pytest.raises(FacelabError, match="in use by another facelab train"):
            train_and_measure(SETTINGS, PLAN, tmp_path)
    assert sent == [False]
    monkeypatch.setattr(run_module, "new_fabric", lambda *_: fabric(1, lambda value: sent[0]))
    assert train_and_measure(SETTINGS, PLAN, tmp_path) is None


def test_batch_norms_are_synchronised_under_their_names():
    method = tiny_method()
    before = method.state_dict()
    norms = [name for name, part in method.named_modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    assert synchronize_batch_norms(method) is method
    assert norms == [name for name, part in method.named_modules() if isinstance(part, nn.SyncBatchNorm)]
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())


def test_a_batch_norm_without_scale_is_refused():
    """PyTorch's SyncBatchNorm gives its shift no gradient: airbench would train without."""
    with pytest.raises(BadParameterError, match=r"batch norm body\.groups\.0\.first_norm learns a shift and no scale"):
        synchronize_batch_norms(backbone("airbench", 3, width=8))


def test_batch_norms_of_a_cpu_and_of_one_gpu_cannot_be_synchronised():
    for kind, count, said in (("cpu", 2, "SyncBatchNorm for GPUs alone"), ("cuda", 1, "one process trains")):
        with pytest.raises(BadParameterError, match=said) as error:
            check_sync_batch_norm(SimpleNamespace(device=torch.device(kind), world_size=count))
        assert "\n" not in str(error.value)
    check_sync_batch_norm(SimpleNamespace(device=torch.device("cuda"), world_size=2))
