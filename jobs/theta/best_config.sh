#!/bin/bash
#COBALT -A PROJECT
#COBALT -n 1
#COBALT -t 01:00:00
#COBALT -q debug-cache-quad
#COBALT --attrs mcdram=cache:numa=quad
#COBALT --attrs filesystems=home,theta-fs0
#COBALT --jobname dh_project

# HISTORY ONLY: it was switched off, and ALCF's user guides removed it as decommissioned on 2024-03-12; its successors are polaris and aurora.
# One command, on one node, on Theta (ALCF).
started=$(date +%s)
module load miniconda-3
source venv/bin/activate  # EDIT: the environment that has dh_project
export DH_PROJECT_SITE=theta
set -u
command -v python > /dev/null || { echo "python is not found: activate its environment above" >&2; exit 127; }

export OMP_NUM_THREADS=64
aprun -n 1 -N 1 -d 64 -j 1 -cc depth \
    python -m dh_project.cgcnn_mp.best_config search/best.json epochs=300
status=$?
echo "ended with status $status after $(( $(date +%s) - started )) s"
exit "$status"
