#!/bin/bash
# Shows each rank of a launcher one GPU, near to its cores, on Frontier (OLCF): put it before a program of one's own.
gpus=(4 5 2 3 6 7 0 1)
rank=${SLURM_LOCALID:?no variable tells the rank its place on the node}
export ROCR_VISIBLE_DEVICES=${gpus[rank % 8]}
exec "$@"
