#!/bin/bash -l
#PBS -A PROJECT
#PBS -N dh_project
#PBS -l select=2
#PBS -l place=scatter
#PBS -l walltime=01:00:00
#PBS -l filesystems=home:flare
#PBS -q debug-scaling
#PBS -j oe
#PBS -k doe
#PBS -r y

# A search on all nodes of a job, with a rank for each concurrent trial; the first rank also drives the search, on Aurora (ALCF).
# Keep the directives above together, without comments on or between them.
started=$(date +%s)
ends=$(( started + 60 * 60 ))  # end of this job: use the minutes of the walltime above
cd "${PBS_O_WORKDIR:?this script is for a job: qsub it}" || exit 1
module load frameworks
source venv/bin/activate  # EDIT: the environment that has dh_project
export TMPDIR="/tmp"
export ZE_FLAT_DEVICE_HIERARCHY="FLAT"
export DH_PROJECT_SITE=aurora
# a search needs no internet; other commands may need these
# export http_proxy="http://proxy.alcf.anl.gov:3128"
# export https_proxy="http://proxy.alcf.anl.gov:3128"
# export ftp_proxy="http://proxy.alcf.anl.gov:3128"
# export no_proxy="localhost,*.cm.aurora.alcf.anl.gov,*.alcf.anl.gov"
set -u
command -v deephyper > /dev/null || { echo "deephyper is not found: activate its environment above" >&2; exit 127; }

nodes=$(sort -u "$PBS_NODEFILE" | wc -l)
ranks_per_node=12
ranks=$(( nodes * ranks_per_node ))
export OMP_NUM_THREADS=8

# a rank sees its own GPUs, which are near its cores
# shellcheck disable=SC2016  # the shell of the rank expands these
affinity='gpus=(0 1 2 3 4 5 6 7 8 9 10 11); rank=${PALS_LOCAL_RANKID:?no variable holds the local rank}; export ZE_AFFINITY_MASK=${gpus[rank % 12]}; exec "$@"'
# Most launchers end all ranks if one rank or its node dies. The same command continues the search if there is time.
for try in 1 2 3; do
    mpiexec -n "$ranks" --ppn "$ranks_per_node" --cpu-bind=list:1-8:9-16:17-24:25-32:33-40:41-48:53-60:61-68:69-76:77-84:85-92:93-100 \
        bash -c "$affinity" affinity \
        deephyper hps ambs --evaluator mpi \
        --num-workers "$ranks" --num-cpus-per-task 8 \
        --walltime "$(( ends - $(date +%s) ))" --margin 120 \
        --log-dir search --max-evals 200 --problem dh_project.cgcnn_mp.problem.Problem --run dh_project.cgcnn_mp.model_run.run
    status=$?
    case $status in 0 | 1 | 2 | 126 | 127 | 130 | 143) break ;; esac  # it ended by itself, or by a signal
    [ $(( ends - $(date +%s) )) -gt 300 ] || break
    echo "start $try ended with status $status" >&2
done
echo "ended with status $status after $(( $(date +%s) - started )) s"
exit "$status"
