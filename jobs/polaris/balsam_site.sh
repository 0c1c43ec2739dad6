#!/bin/bash -l
# Sets up a Balsam site on Polaris (ALCF), in a folder that the compute nodes see. Run this on a login node.
module use /soft/modulefiles
module load conda
conda activate base
source venv/bin/activate  # EDIT: the environment that has dh_project
export TMPDIR="/tmp"
export DH_PROJECT_SITE=polaris
# a search needs no internet; other commands may need these
# export http_proxy="http://proxy.alcf.anl.gov:3128"
# export https_proxy="http://proxy.alcf.anl.gov:3128"
# export ftp_proxy="http://proxy.alcf.anl.gov:3128"
# export no_proxy="localhost,*.cm.polaris.alcf.anl.gov,polaris-*,*.polaris.alcf.anl.gov,*.alcf.anl.gov"
set -u

deephyper balsam-init balsam-site --site-type polaris --project PROJECT
