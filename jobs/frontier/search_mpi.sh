#!/bin/bash
#SBATCH -A PROJECT
#SBATCH -J dh_project
#SBATCH -o %x-%j.out
#SBATCH -t 02:00:00
#SBATCH -p batch
#SBATCH -N 2
#SBATCH -C nvme

# A search on all nodes of a job, with a rank for each concurrent trial; the first rank also drives the search, on Frontier (OLCF).
# Keep the directives above together, without comments on or between them.
started=$(date +%s)
ends=${SLURM_JOB_END_TIME:-$(( started + 60 * 120 ))}  # end of this job
cd "${SLURM_SUBMIT_DIR:?this script is for a job: sbatch it}" || exit 1
module load PrgEnv-gnu/8.7.0
module load cpe/26.03
module load miniforge3/23.11.0-0
module load rocm/7.1.1
module load craype-accel-amd-gfx90a
source venv/bin/activate  # EDIT: the environment that has dh_project
export LD_LIBRARY_PATH="$CRAY_LD_LIBRARY_PATH:${LD_LIBRARY_PATH:-}"
export MIOPEN_USER_DB_PATH="/tmp/miopen-$USER"
export MIOPEN_CUSTOM_CACHE_DIR="/tmp/miopen-$USER"
export DH_PROJECT_SITE=frontier
# a search needs no internet; other commands may need these
# export all_proxy="socks://proxy.ccs.ornl.gov:3128/"
# export ftp_proxy="ftp://proxy.ccs.ornl.gov:3128/"
# export http_proxy="http://proxy.ccs.ornl.gov:3128/"
# export https_proxy="http://proxy.ccs.ornl.gov:3128/"
# export no_proxy="localhost,127.0.0.0/8,*.ccs.ornl.gov"
set -u
command -v deephyper > /dev/null || { echo "deephyper is not found: activate its environment above" >&2; exit 127; }

nodes=$SLURM_JOB_NUM_NODES
ranks_per_node=8
ranks=$(( nodes * ranks_per_node ))
export OMP_NUM_THREADS=7
# Most launchers end all ranks if one rank or its node dies. The same command continues the search if there is time.
for try in 1 2 3; do
    srun -N "$nodes" -n "$ranks" --kill-on-bad-exit=1 --ntasks-per-node="$ranks_per_node" -c 7 --gpus-per-task=1 --gpu-bind=closest \
        deephyper hps ambs --evaluator mpi \
        --num-workers "$ranks" --num-cpus-per-task 7 \
        --walltime "$(( ends - $(date +%s) ))" --margin 120 --scratch "/mnt/bb/$USER" \
        --log-dir search --max-evals 200 --problem dh_project.cgcnn_mp.problem.Problem --run dh_project.cgcnn_mp.model_run.run
    status=$?
    case $status in 0 | 1 | 2 | 126 | 127 | 130 | 143) break ;; esac  # it ended by itself, or by a signal
    [ $(( ends - $(date +%s) )) -gt 300 ] || break
    echo "start $try ended with status $status" >&2
done
echo "ended with status $status after $(( $(date +%s) - started )) s"
exit "$status"
