#!/bin/bash
# One training on several nodes or GPUs: a task for each GPU, which all see the same --out. With GPUs, for example:
#
#   sbatch --nodes=2 --ntasks-per-node=4 --gpus-per-node=4 docs/cluster/slurm-train.sh \
#     moco --dataset folder:/data/faces --batch-size 1024 --out /shared/moco
#
# (--gpus-per-node, not --gpus-per-task: each task must see all GPUs of its node.) Called a second time, it goes on.
#SBATCH --job-name=facelab-train
#SBATCH --time=24:00:00

# Two minutes before the limit Slurm sends SIGUSR1 to the tasks, which then write a checkpoint and end with exit code 75.
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append

srun facelab train "$@"
code=$?
if [ "$code" -eq 75 ]; then
  exec scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
