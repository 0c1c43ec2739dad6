#!/bin/bash
# Shows each rank of a launcher one GPU near its cores, on Aurora (ALCF): put it before a program of your own.
gpus=(0 1 2 3 4 5 6 7 8 9 10 11)
rank=${PALS_LOCAL_RANKID:?no variable holds the local rank}
export ZE_AFFINITY_MASK=${gpus[rank % 12]}
exec "$@"
