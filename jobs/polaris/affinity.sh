#!/bin/bash
# Shows each rank of a launcher one GPU near its cores, on Polaris (ALCF): put it before a program of your own.
gpus=(3 2 1 0)
rank=${PMI_LOCAL_RANK:-${PALS_LOCAL_RANKID:?no variable holds the local rank}}
export CUDA_VISIBLE_DEVICES=${gpus[rank % 4]}
exec "$@"
