#!/bin/bash
#PBS -N dh_project
#PBS -l select=2
#PBS -l place=scatter:excl
#PBS -l walltime=01:00:00
#PBS -j oe
#PBS -r y

# A search on all nodes of a job, with a rank for each concurrent trial; the first rank also drives the search, on a cluster with PBS.
# Keep the directives above together, without comments on or between them.
started=$(date +%s)
ends=$(( started + 60 * 60 ))  # end of this job: use the minutes of the walltime above
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
# Most launchers end all ranks if one rank or its node dies. The same command continues the search if there is time.
for try in 1 2 3; do
    mpiexec -n "$ranks" --ppn "$ranks_per_node" \
        deephyper hps ambs --evaluator mpi \
        --num-workers "$ranks" --num-cpus-per-task 1 \
        --walltime "$(( ends - $(date +%s) ))" --margin 120 \
        --log-dir search --max-evals 200 --problem dh_project.cgcnn_mp.problem.Problem --run dh_project.cgcnn_mp.model_run.run
    status=$?
    case $status in 0 | 1 | 2 | 126 | 127 | 130 | 143) break ;; esac  # it ended by itself, or by a signal
    [ $(( ends - $(date +%s) )) -gt 300 ] || break
    echo "start $try ended with status $status" >&2
done
echo "ended with status $status after $(( $(date +%s) - started )) s"
exit "$status"
