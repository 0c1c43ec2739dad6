#!/bin/bash
#PBS -N dh_project
#PBS -l select=2
#PBS -l place=scatter:excl
#PBS -l walltime=01:00:00
#PBS -j oe
#PBS -r y

# A search on all nodes of a job, a rank for each trial at a time; the first also drives it, on a cluster with PBS.
# The directives above stay together, without comments on or between them.
started=$(date +%s)
ends=$(( started + 60 * 60 ))  # of this job: as many minutes as the walltime above has
cd "${PBS_O_WORKDIR:?this script is for a job: qsub it}" || exit 1
source venv/bin/activate  # EDIT: the environment that has dh_project
export TMPDIR="/tmp"
export DH_PROJECT_SITE=pbs
set -u
command -v deephyper > /dev/null || { echo "deephyper is not found: activate its environment above" >&2; exit 127; }

node_cores=$(env -u OMP_NUM_THREADS nproc)
nodes=$(sort -u "$PBS_NODEFILE" | wc -l)
ranks_per_node=$(( node_cores / 1 ))
ranks=$(( nodes * ranks_per_node ))
export OMP_NUM_THREADS=1
mpiexec -n "$ranks" --ppn "$ranks_per_node" \
    deephyper hps ambs --evaluator mpi \
    --num-workers "$ranks" --num-cpus-per-task 1 \
    --walltime "$(( ends - $(date +%s) ))" --margin 120 \
    --log-dir search --max-evals 200 --problem dh_project.cgcnn_mp.problem.Problem --run dh_project.cgcnn_mp.model_run.run
status=$?
echo "ended with status $status after $(( $(date +%s) - started )) s"
exit "$status"
