#!/bin/bash
#SBATCH -J dh_project
#SBATCH -o %x-%j.out
#SBATCH -N 2
#SBATCH -t 01:00:00
#SBATCH --exclusive
#SBATCH --no-kill

# A search on all nodes of a job, in a Ray cluster that the job starts and stops, on a cluster with Slurm.
# Keep the directives above together, without comments on or between them.
started=$(date +%s)
ends=${SLURM_JOB_END_TIME:-$(( started + 60 * 60 ))}  # end of this job
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
export OMP_NUM_THREADS=1

# Ray's head is on this node. The site's launcher starts the other nodes: it passes the environment on, needs no SSH
# keys, and ends with the job.
own=$(getent ahostsv4 "$(hostname)" | head -n 1 | cut -d" " -f1); case $own in "" | 127.*) own=$(hostname -I | cut -d" " -f1) ;; esac; own=${own:-127.0.0.1}
port=6379
address=${own:?this node has no address on the fast network}:$port
ray_options=(--disable-usage-stats)
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
    join='own=$(getent ahostsv4 "$(hostname)" | head -n 1 | cut -d" " -f1); case $own in "" | 127.*) own=$(hostname -I | cut -d" " -f1) ;; esac; own=${own:-127.0.0.1}
        folder=$1; shift
        [ -O "$folder" ] || mkdir -m 700 "$folder" || exit 0
        ray start --address="$0" --node-ip-address="$own" "$@" --block & ray=$!
        trap "kill $ray; wait $ray" TERM
        wait "$ray"
        rm -rf "$folder"
        exit 0'  # otherwise a launcher would end all nodes if one fails
    srun -N $(( nodes - 1 )) -n $(( nodes - 1 )) --ntasks-per-node=1 -x "$this_host" --kill-on-bad-exit=0 --no-kill \
        bash -c "$join" "$address" "$folder" "${ray_options[@]}" &
    cluster+=($!)
fi
python -m dh_project.hpc.batch_jobs.ray_nodes "$address" "$nodes" 300 || exit

deephyper hps ambs --evaluator ray --ray-address "$address" \
    --num-workers "$ranks" --num-cpus-per-task 1 \
    --walltime "$(( ends - $(date +%s) ))" --margin 120 \
    --log-dir search --max-evals 200 --problem dh_project.cgcnn_mp.problem.Problem --run dh_project.cgcnn_mp.model_run.run
status=$?
echo "ended with status $status after $(( $(date +%s) - started )) s"
exit "$status"
