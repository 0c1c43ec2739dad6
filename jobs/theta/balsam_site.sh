#!/bin/bash
# HISTORY ONLY: it was switched off, and ALCF's user guides removed it as decommissioned on 2024-03-12; its successors are polaris and aurora.
# Sets up a Balsam site on Theta (ALCF), in a folder that the compute nodes see. Run this on a login node.
module load miniconda-3
source venv/bin/activate  # EDIT: the environment that has dh_project
export DH_PROJECT_SITE=theta
set -u

deephyper balsam-init balsam-site --site-type theta --project PROJECT
