"""The processes of one training: as many as --devices asks for, or those that srun or torchrun has started already."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning_fabric.utilities.exceptions import MisconfigurationException

from facelab.errors import BadParameterError
from facelab.training import default_accelerator


@dataclass(frozen=True)
class Launch:
    """Processes that another program has started.

    Attributes:
        program: its name.
        devices: processes on each node.
        nodes: how many.
        environment: from which Fabric learns which of them this is.
    """

    program: str
    devices: int
    nodes: int
    environment: ClusterEnvironment


def new_fabric(devices: int | None, precision: str) -> Fabric:
    """Devices and precision; under srun or torchrun the processes that it has started.

    Args:
        devices: processes on this machine, or on each node; None: those that were started, else 1.
        precision: as Fabric names it.

    Raises:
        BadParameterError: there are not so many devices, they do not have that precision, or others were started.
    """
    launch = find_launch()
    if launch is not None and devices not in (None, launch.devices):
        if launch.environment.global_rank() > 0:
            raise SystemExit(1)  # all of them see the same, and the first says it
        processes = f"{launch.devices} process{'es' * (launch.devices > 1)}"
        raise BadParameterError(
            f"--devices {devices}, and {launch.program} has started {processes} on each node.",
            f"Give --devices {launch.devices}, or leave it out.",
        )
    launch = launch or Launch("facelab", devices or 1, 1, LightningEnvironment())
    devices = launch.devices
    if launch.program == "facelab" and not torch.cuda.is_available() and devices > (os.cpu_count() or 1):
        raise BadParameterError(
            f"--devices {devices}, and this machine has {os.cpu_count()} processors.", "Give fewer."
        )
    if precision == "16-mixed" and not torch.cuda.is_available():
        raise BadParameterError("--precision 16-mixed needs a GPU.", "Give 32-true or bf16-mixed.")
    strategy = "ddp" if devices * launch.nodes > 1 else "auto"
    try:
        return Fabric(
            accelerator=default_accelerator(),
            strategy=strategy,
            devices=devices,
            num_nodes=launch.nodes,
            precision=precision,
            plugins=[launch.environment],
        )
    except MisconfigurationException as error:
        raise BadParameterError(f"--devices {devices} cannot be had ({error}).", "Give fewer.") from error


def find_launch() -> Launch | None:
    """What started this process as one of several; None where it is alone, as in a batch script, whatever its job may have.

    Raises:
        BadParameterError: srun has not started equally many tasks on each node.
    """
    if torch.distributed.is_available() and torch.distributed.is_torchelastic_launched():
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        return Launch("torchrun", devices, int(os.environ["WORLD_SIZE"]) // devices, TorchElasticEnvironment())
    if int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1:  # of a step, that is of srun
        return _find_step()
    return None


def _find_step() -> Launch:
    """The step of this task. Lightning reads the variables of the job, which may have more tasks and nodes than its step."""
    tasks, nodes = (int(os.environ[f"SLURM_STEP_NUM_{what}"]) for what in ("TASKS", "NODES"))
    shares = os.environ["SLURM_STEP_TASKS_PER_NODE"]
    if not re.fullmatch(r"\d+(\(x\d+\))?", shares):
        raise BadParameterError(
            f"srun has started {tasks} tasks unevenly ({shares} on the {nodes} nodes).",
            f"Give srun --ntasks-per-node, and a number of tasks that {nodes} nodes can share.",
        )
    os.environ["SLURM_NTASKS"], os.environ["SLURM_NNODES"] = str(tasks), str(nodes)
    os.environ["SLURM_NTASKS_PER_NODE"] = str(tasks // nodes)
    os.environ["SLURM_NODELIST"] = os.environ["SLURM_STEP_NODELIST"]
    return Launch("srun", tasks // nodes, nodes, SLURMEnvironment())
