#!/bin/bash
#SBATCH -A PROJECT
#SBATCH -J dh_project
#SBATCH -o %x-%j.out
#SBATCH -t 02:00:00
#SBATCH -p batch
#SBATCH -N 2
#SBATCH -C nvme
#SBATCH --no-kill

# A search on all nodes of a job, in a Ray cluster that the job starts and stops, on Frontier (OLCF).
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

# Ray's head is on this node. The site's launcher starts the other nodes: it passes the environment on, needs no SSH
# keys, and ends with the job.
own=$(ip -4 -o address show dev hsn0 | head -n 1 | tr -s " " | cut -d" " -f4 | cut -d/ -f1)
if [ "${ROCR_VISIBLE_DEVICES+x}" ] && [ ! "${HIP_VISIBLE_DEVICES+x}" ]; then export HIP_VISIBLE_DEVICES=$ROCR_VISIBLE_DEVICES; unset ROCR_VISIBLE_DEVICES; fi
port=6379
address=${own:?this node has no address on the fast network}:$port
ray_options=(--disable-usage-stats --num-cpus=56 --num-gpus=8)
this_host=$SLURMD_NODENAME
RAY_AUTH_TOKEN=$(od -An -tx1 -N32 /dev/urandom | tr -d " \n")  # so that no other user can use the cluster
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token
folder=$(mktemp -d /tmp/ray-XXXXXXXX) || exit 1  # private, and short because the paths of sockets in it must be short
cluster=()
trap 'kill "${cluster[@]}" 2> /dev/null; rm -rf "$folder"' EXIT

ray start --head --node-ip-address="$own" --port="$port" --temp-dir="$folder/ray" \
    --include-dashboard=false "${ray_options[@]}" --block &
cluster+=($!)
if [ "$nodes" -gt 1 ]; then
    # shellcheck disable=SC2016  # the shell of each node expands these
    join='own=$(ip -4 -o address show dev hsn0 | head -n 1 | tr -s " " | cut -d" " -f4 | cut -d/ -f1)
        if [ "${ROCR_VISIBLE_DEVICES+x}" ] && [ ! "${HIP_VISIBLE_DEVICES+x}" ]; then export HIP_VISIBLE_DEVICES=$ROCR_VISIBLE_DEVICES; unset ROCR_VISIBLE_DEVICES; fi
        folder=$1; shift
        [ -O "$folder" ] || mkdir -m 700 "$folder" || exit 0
        ray start --address="$0" --node-ip-address="$own" "$@" --block & ray=$!
        trap "kill $ray; wait $ray" TERM
        wait "$ray"
        rm -rf "$folder"
        exit 0'  # otherwise a launcher would end all nodes if one fails
    srun -N $(( nodes - 1 )) -n $(( nodes - 1 )) --ntasks-per-node=1 -c 56 --gpus-per-node=8 -x "$this_host" --kill-on-bad-exit=0 --no-kill \
        bash -c "$join" "$address" "$folder" "${ray_options[@]}" &
    cluster+=($!)
fi
python -m dh_project.hpc.batch_jobs.ray_nodes "$address" "$nodes" 300 || exit

deephyper hps ambs --evaluator ray --ray-address "$address" \
    --num-workers "$ranks" --num-cpus-per-task 7 \
    --walltime "$(( ends - $(date +%s) ))" --margin 120 --scratch "/mnt/bb/$USER" \
    --log-dir search --max-evals 200 --problem dh_project.cgcnn_mp.problem.Problem --run dh_project.cgcnn_mp.model_run.run
status=$?
echo "ended with status $status after $(( $(date +%s) - started )) s"
exit "$status"
