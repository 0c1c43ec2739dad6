#!/bin/bash
# Shows each rank of a launcher one GPU near its cores, on Perlmutter, GPU nodes (NERSC): put it before a program of your own.
gpus=(3 2 1 0)
rank=${SLURM_LOCALID:?no variable holds the local rank}
export CUDA_VISIBLE_DEVICES=${gpus[rank % 4]}
exec "$@"
