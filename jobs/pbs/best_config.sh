#!/bin/bash
#PBS -N dh_project
#PBS -l select=1
#PBS -l place=scatter:excl
#PBS -l walltime=01:00:00
#PBS -j oe
#PBS -r y

# One command, on one node, on a cluster with PBS.
# Keep the directives above together, without comments on or between them.
started=$(date +%s)
cd "${PBS_O_WORKDIR:?this script is for a job: qsub it}" || exit 1
source venv/bin/activate  # EDIT: the environment that has dh_project
export TMPDIR="/tmp"
export DH_PROJECT_SITE=pbs
set -u
command -v python > /dev/null || { echo "python is not found: activate its environment above" >&2; exit 127; }

node_cores=$(env -u OMP_NUM_THREADS nproc)
ranks_per_node=1
cores=$(( node_cores / ranks_per_node ))
export OMP_NUM_THREADS="$cores"
mpiexec -n 1 --ppn 1 \
    python -m dh_project.cgcnn_mp.best_config search/best.json epochs=300
status=$?
echo "ended with status $status after $(( $(date +%s) - started )) s"
exit "$status"
