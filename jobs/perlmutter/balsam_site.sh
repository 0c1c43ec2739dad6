#!/bin/bash
# Sets up a Balsam site on Perlmutter, GPU nodes (NERSC), in a folder that the compute nodes see. Run this on a login node.
module load pytorch/2.0.1
source venv/bin/activate  # EDIT: the environment that has dh_project
export TMPDIR="/tmp"
export DH_PROJECT_SITE=perlmutter
set -u

deephyper balsam-init balsam-site --site-type perlmutter-gpu --project PROJECT
