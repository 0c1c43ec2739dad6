"""``python -m dh_project.cgcnn_mp.best_config [results.csv|best.json] [key=value ...]``: train the best trial again.

On a CPU its objective equals the recorded one to the last digit. Without a file it takes ``best.json`` of the working
directory, else ``results.csv``. ``key=value`` replace the recorded arguments of ``model_run.run``, as in
``epochs=300 patience=50``. Weights, metrics and figures go to the folder ``best_config/cgcnn_mp``, or that of
``folder=NAME``.
"""

import sys

from dh_project import run_best

if __name__ == "__main__":
    sys.exit(run_best("dh_project.cgcnn_mp.model_run.run"))
