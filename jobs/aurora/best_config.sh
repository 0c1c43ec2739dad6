#!/bin/bash -l
#PBS -A PROJECT
#PBS -N dh_project
#PBS -l select=1
#PBS -l place=scatter
#PBS -l walltime=01:00:00
#PBS -l filesystems=home:flare
#PBS -q debug
#PBS -j oe
#PBS -k doe
#PBS -r y

# One command, on one node, on Aurora (ALCF).
# Keep the directives above together, without comments on or between them.
started=$(date +%s)
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
command -v python > /dev/null || { echo "python is not found: activate its environment above" >&2; exit 127; }

export OMP_NUM_THREADS=8

# a rank sees its own GPUs, which are near its cores
# shellcheck disable=SC2016  # the shell of the rank expands these
affinity='gpus=(0 1 2 3 4 5 6 7 8 9 10 11); rank=${PALS_LOCAL_RANKID:?no variable holds the local rank}; export ZE_AFFINITY_MASK=${gpus[rank % 12]}; exec "$@"'
mpiexec -n 1 --ppn 1 --cpu-bind=list:1-8:9-16:17-24:25-32:33-40:41-48:53-60:61-68:69-76:77-84:85-92:93-100 \
    bash -c "$affinity" affinity \
    python -m dh_project.cgcnn_mp.best_config search/best.json epochs=300
status=$?
echo "ended with status $status after $(( $(date +%s) - started )) s"
exit "$status"
