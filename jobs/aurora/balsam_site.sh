#!/bin/bash -l
# Sets up a Balsam site on Aurora (ALCF), in a folder that the compute nodes see. Run this on a login node.
module load frameworks
source venv/bin/activate  # EDIT: the environment that has dh_project
export TMPDIR="/tmp"
export ZE_FLAT_DEVICE_HIERARCHY="FLAT"
export DH_PROJECT_SITE=aurora
# a search needs no internet; other commands may need these
# export http_proxy="http://proxy.alcf.anl.gov:3128"
# export https_proxy="http://proxy.alcf.anl.gov:3128"
# export ftp_proxy="http://proxy.alcf.anl.gov:3128"
# export no_proxy="localhost,*.cm.aurora.alcf.anl.gov,*.alcf.anl.gov"
set -u

deephyper balsam-init balsam-site --site-type aurora --project PROJECT
