#!/bin/bash
#SBATCH -A PROJECT
#SBATCH -J dh_project
#SBATCH -o %x-%j.out
#SBATCH -C gpu
#SBATCH -q regular
#SBATCH --nodes=2
#SBATCH --gpus-per-node=4
#SBATCH --time=02:00:00

# A search on all nodes of a job, with a rank for each concurrent trial; the first rank also drives the search, on Perlmutter, GPU nodes (NERSC).
# Keep the directives above together, without comments on or between them.
started=$(date +%s)
ends=${SLURM_JOB_END_TIME:-$(( started + 60 * 120 ))}  # end of this job
cd "${SLURM_SUBMIT_DIR:?this script is for a job: sbatch it}" || exit 1
module load pytorch/2.0.1
source venv/bin/activate  # EDIT: the environment that has dh_project
export TMPDIR="/tmp"
export DH_PROJECT_SITE=perlmutter
set -u
command -v deephyper > /dev/null || { echo "deephyper is not found: activate its environment above" >&2; exit 127; }

nodes=$SLURM_JOB_NUM_NODES
ranks_per_node=4
ranks=$(( nodes * ranks_per_node ))
export OMP_NUM_THREADS=16

# a rank sees its own GPUs, which are near its cores
# shellcheck disable=SC2016  # the shell of the rank expands these
affinity='gpus=(3 2 1 0); rank=${SLURM_LOCALID:?no variable holds the local rank}; export CUDA_VISIBLE_DEVICES=${gpus[rank % 4]}; exec "$@"'
# Most launchers end all ranks if one rank or its node dies. The same command continues the search if there is time.
for try in 1 2 3; do
    srun --nodes="$nodes" --ntasks="$ranks" --ntasks-per-node="$ranks_per_node" --kill-on-bad-exit=1 --cpus-per-task=32 --cpu-bind=cores --gpus-per-node=4 --gpu-bind=none \
        bash -c "$affinity" affinity \
        deephyper hps ambs --evaluator mpi \
        --num-workers "$ranks" --num-cpus-per-task 16 \
        --walltime "$(( ends - $(date +%s) ))" --margin 120 \
        --log-dir search --max-evals 200 --problem dh_project.cgcnn_mp.problem.Problem --run dh_project.cgcnn_mp.model_run.run
    status=$?
    case $status in 0 | 1 | 2 | 126 | 127 | 130 | 143) break ;; esac  # it ended by itself, or by a signal
    [ $(( ends - $(date +%s) )) -gt 300 ] || break
    echo "start $try ended with status $status" >&2
done
echo "ended with status $status after $(( $(date +%s) - started )) s"
exit "$status"
