#!/bin/bash
#SBATCH -A PROJECT
#SBATCH -J dh_project
#SBATCH -o %x-%j.out
#SBATCH -t 02:00:00
#SBATCH -p batch
#SBATCH -N 1
#SBATCH -C nvme

# One command, on one node, on Frontier (OLCF).
# Keep the directives above together, without comments on or between them.
started=$(date +%s)
cd "${SLURM_SUBMIT_DIR:?this script is for a job: sbatch it}" || exit 1
module load PrgEnv-gnu/8.7.0
module load cpe/26.03
module load miniforge3/23.11.0-0
module load rocm/7.1.1
module load craype-accel-amd-gfx90a
source venv/bin/activate  # EDIT: the environment that has dh_project
export LD_LIBRARY_PATH="$CRAY_LD_LIBRARY_PATH:${LD_LIBRARY_PATH:-}"
export MIOPEN_USER_DB_PATH="/tmp/miopen-$USER"
export MIOPEN_CUSTOM_CACHE_DIR="/tmp/miopen-$USER"
export DH_PROJECT_SITE=frontier
# a search needs no internet; other commands may need these
# export all_proxy="socks://proxy.ccs.ornl.gov:3128/"
# export ftp_proxy="ftp://proxy.ccs.ornl.gov:3128/"
# export http_proxy="http://proxy.ccs.ornl.gov:3128/"
# export https_proxy="http://proxy.ccs.ornl.gov:3128/"
# export no_proxy="localhost,127.0.0.0/8,*.ccs.ornl.gov"
set -u
command -v python > /dev/null || { echo "python is not found: activate its environment above" >&2; exit 127; }

export OMP_NUM_THREADS=7
srun -N 1 -n 1 --kill-on-bad-exit=1 --ntasks-per-node=1 -c 7 --gpus-per-task=1 --gpu-bind=closest \
    python -m dh_project.cgcnn_mp.best_config search/best.json epochs=300
status=$?
echo "ended with status $status after $(( $(date +%s) - started )) s"
exit "$status"
