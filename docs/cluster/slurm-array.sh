#!/bin/bash
# A batch as one array of Slurm, where nothing but Slurm and facelab is wanted:
#
#   facelab batch make seeds 02 05 --seeds 0-19          # 40 tasks: 0 to 39
#   sbatch --array=0-39%8 docs/cluster/slurm-array.sh seeds
#   facelab batch status seeds
#
# Called a second time, it does what is missing. All nodes must see the same FACELAB_RUNS, FACELAB_DATA and FACELAB_CACHE.
# Options of your cluster (partition, account, GPU) go before the file's name, or here:
#SBATCH --job-name=facelab
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
#SBATCH --time=04:00:00

# Two minutes before the limit Slurm sends SIGUSR1 to the task, which then writes a checkpoint and ends with exit code 75.
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append

srun --ntasks=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" facelab batch task "$1"
code=$?
if [ "$code" -eq 75 ]; then
  exec scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
