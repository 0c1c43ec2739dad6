#!/bin/bash
#SBATCH -J dh_project
#SBATCH -o %x-%j.out
#SBATCH -N 1
#SBATCH -t 01:00:00
#SBATCH --exclusive

# One command, on one node, on a cluster with Slurm.
# Keep the directives above together, without comments on or between them.
started=$(date +%s)
cd "${SLURM_SUBMIT_DIR:?this script is for a job: sbatch it}" || exit 1
source venv/bin/activate  # EDIT: the environment that has dh_project
export TMPDIR="/tmp"
export DH_PROJECT_SITE=slurm
set -u
command -v python > /dev/null || { echo "python is not found: activate its environment above" >&2; exit 127; }

node_cores=$SLURM_CPUS_ON_NODE
ranks_per_node=1
cores=$(( node_cores / ranks_per_node ))
export OMP_NUM_THREADS="$cores"
srun -N 1 -n 1 --ntasks-per-node=1 --kill-on-bad-exit=1 -c "$cores" \
    python -m dh_project.cgcnn_mp.best_config search/best.json epochs=300
status=$?
echo "ended with status $status after $(( $(date +%s) - started )) s"
exit "$status"
