#!/bin/bash
#SBATCH -J dh_project
#SBATCH -o %x-%j.out
#SBATCH -N 2
#SBATCH -t 01:00:00
#SBATCH --exclusive

# A search on all nodes of a job, a rank for each trial at a time; the first also drives it, on a cluster with Slurm.
# The directives above stay together, without comments on or between them.
started=$(date +%s)
ends=${SLURM_JOB_END_TIME:-$(( started + 60 * 60 ))}  # of this job
cd "${SLURM_SUBMIT_DIR:?this script is for a job: sbatch it}" || exit 1
source venv/bin/activate  # EDIT: the environment that has dh_project
export TMPDIR="/tmp"
export DH_PROJECT_SITE=slurm
set -u
command -v deephyper > /dev/null || { echo "deephyper is not found: activate its environment above" >&2; exit 127; }

node_cores=$SLURM_CPUS_ON_NODE
nodes=$SLURM_JOB_NUM_NODES
ranks_per_node=$(( node_cores / 1 ))
ranks=$(( nodes * ranks_per_node ))
cores=$(( node_cores / ranks_per_node ))
export OMP_NUM_THREADS=1
srun -N "$nodes" -n "$ranks" --ntasks-per-node="$ranks_per_node" -c "$cores" \
    deephyper hps ambs --evaluator mpi \
    --num-workers "$ranks" --num-cpus-per-task 1 \
    --walltime "$(( ends - $(date +%s) ))" --margin 120 \
    --log-dir search --max-evals 200 --problem dh_project.cgcnn_mp.problem.Problem --run dh_project.cgcnn_mp.model_run.run
status=$?
echo "ended with status $status after $(( $(date +%s) - started )) s"
exit "$status"
