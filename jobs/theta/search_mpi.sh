#!/bin/bash
#COBALT -A PROJECT
#COBALT -n 128
#COBALT -t 03:00:00
#COBALT -q default
#COBALT --attrs mcdram=cache:numa=quad
#COBALT --attrs filesystems=home,theta-fs0
#COBALT --jobname dh_project

# HISTORY ONLY: it was switched off, and ALCF's user guides removed it as decommissioned on 2024-03-12; its successors are polaris and aurora.
# A search on all nodes of a job, a rank for each trial at a time; the first also drives it, on Theta (ALCF).
started=$(date +%s)
ends=$(( started + 60 * 180 ))  # of this job: as many minutes as the walltime above has
module load miniconda-3
source venv/bin/activate  # EDIT: the environment that has dh_project
export DH_PROJECT_SITE=theta
set -u
command -v deephyper > /dev/null || { echo "deephyper is not found: activate its environment above" >&2; exit 127; }

nodes=$COBALT_JOBSIZE
ranks_per_node=64
ranks=$(( nodes * ranks_per_node ))
export OMP_NUM_THREADS=1
aprun -n "$ranks" -N "$ranks_per_node" -d 1 -j 1 -cc depth \
    deephyper hps ambs --evaluator mpi \
    --num-workers "$ranks" --num-cpus-per-task 1 \
    --walltime "$(( ends - $(date +%s) ))" --margin 120 \
    --log-dir search --max-evals 200 --problem dh_project.cgcnn_mp.problem.Problem --run dh_project.cgcnn_mp.model_run.run
status=$?
echo "ended with status $status after $(( $(date +%s) - started )) s"
exit "$status"
