"""``python -m dh_project.cgcnn_mp.default_config [key=value ...]``: train the baseline of a search.

The baseline is the first starting point of the problem: the defaults of the original CGCNN. ``key=value`` are
arguments of ``model_run.run``, as in ``epochs=5 data=my_crystals``. Weights, metrics and figures go to the folder
``default_config/cgcnn_mp``, or that of ``folder=NAME``.
"""

import sys

from dh_project import run_baseline

if __name__ == "__main__":
    sys.exit(run_baseline("dh_project.cgcnn_mp.problem.Problem", "dh_project.cgcnn_mp.model_run.run"))
