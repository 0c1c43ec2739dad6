#!/bin/bash -l
#PBS -A PROJECT
#PBS -N dh_project
#PBS -l select=1:system=polaris
#PBS -l place=scatter
#PBS -l walltime=01:00:00
#PBS -l filesystems=home:eagle
#PBS -q debug
#PBS -j oe
#PBS -k doe
#PBS -r y

# One command, on one node, on Polaris (ALCF).
# Keep the directives above together, without comments on or between them.
started=$(date +%s)
cd "${PBS_O_WORKDIR:?this script is for a job: qsub it}" || exit 1
module use /soft/modulefiles
module load conda
conda activate base
source venv/bin/activate  # EDIT: the environment that has dh_project
export TMPDIR="/tmp"
export DH_PROJECT_SITE=polaris
# a search needs no internet; other commands may need these
# export http_proxy="http://proxy.alcf.anl.gov:3128"
# export https_proxy="http://proxy.alcf.anl.gov:3128"
# export ftp_proxy="http://proxy.alcf.anl.gov:3128"
# export no_proxy="localhost,*.cm.polaris.alcf.anl.gov,polaris-*,*.polaris.alcf.anl.gov,*.alcf.anl.gov"
set -u
command -v python > /dev/null || { echo "python is not found: activate its environment above" >&2; exit 127; }

export OMP_NUM_THREADS=8

# a rank sees its own GPUs, which are near its cores
# shellcheck disable=SC2016  # the shell of the rank expands these
affinity='gpus=(3 2 1 0); rank=${PMI_LOCAL_RANK:-${PALS_LOCAL_RANKID:?no variable holds the local rank}}; export CUDA_VISIBLE_DEVICES=${gpus[rank % 4]}; exec "$@"'
mpiexec -n 1 --ppn 1 --depth=8 --cpu-bind depth \
    bash -c "$affinity" affinity \
    python -m dh_project.cgcnn_mp.best_config search/best.json epochs=300
status=$?
echo "ended with status $status after $(( $(date +%s) - started )) s"
exit "$status"
