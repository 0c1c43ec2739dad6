#!/bin/bash
#COBALT -A PROJECT
#COBALT -n 128
#COBALT -t 03:00:00
#COBALT -q default
#COBALT --attrs mcdram=cache:numa=quad
#COBALT --attrs filesystems=home,theta-fs0
#COBALT --jobname dh_project

# HISTORY ONLY: it was switched off, and ALCF's user guides removed it as decommissioned on 2024-03-12; its successors are polaris and aurora.
# A search on all nodes of a job, with a rank for each concurrent trial; the first rank also drives the search, on Theta (ALCF).
started=$(date +%s)
ends=$(( started + 60 * 180 ))  # end of this job: use the minutes of the walltime above
module load miniconda-3
source venv/bin/activate  # EDIT: the environment that has dh_project
export DH_PROJECT_SITE=theta
set -u
command -v deephyper > /dev/null || { echo "deephyper is not found: activate its environment above" >&2; exit 127; }

nodes=$COBALT_JOBSIZE
ranks_per_node=64
ranks=$(( nodes * ranks_per_node ))
export OMP_NUM_THREADS=1
# Most launchers end all ranks if one rank or its node dies. The same command continues the search if there is time.
for try in 1 2 3; do
    aprun -n "$ranks" -N "$ranks_per_node" -d 1 -j 1 -cc depth \
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
