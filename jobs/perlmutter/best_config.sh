#!/bin/bash
#SBATCH -A PROJECT
#SBATCH -J dh_project
#SBATCH -o %x-%j.out
#SBATCH -C gpu
#SBATCH -q regular
#SBATCH --nodes=1
#SBATCH --gpus-per-node=4
#SBATCH --time=01:00:00

# One command, on one node, on Perlmutter, GPU nodes (NERSC).
# Keep the directives above together, without comments on or between them.
started=$(date +%s)
cd "${SLURM_SUBMIT_DIR:?this script is for a job: sbatch it}" || exit 1
module load pytorch/2.0.1
source venv/bin/activate  # EDIT: the environment that has dh_project
export TMPDIR="/tmp"
export DH_PROJECT_SITE=perlmutter
set -u
command -v python > /dev/null || { echo "python is not found: activate its environment above" >&2; exit 127; }

export OMP_NUM_THREADS=16

# a rank sees its own GPUs, which are near its cores
# shellcheck disable=SC2016  # the shell of the rank expands these
affinity='gpus=(3 2 1 0); rank=${SLURM_LOCALID:?no variable holds the local rank}; export CUDA_VISIBLE_DEVICES=${gpus[rank % 4]}; exec "$@"'
srun --nodes=1 --ntasks=1 --ntasks-per-node=1 --kill-on-bad-exit=1 --cpus-per-task=32 --cpu-bind=cores --gpus-per-node=4 --gpu-bind=none \
    bash -c "$affinity" affinity \
    python -m dh_project.cgcnn_mp.best_config search/best.json epochs=300
status=$?
echo "ended with status $status after $(( $(date +%s) - started )) s"
exit "$status"
