"""Tune the original CGCNN's main.py as it stands: three of its flags, and the validation MAE that it prints.

deephyper hps ambs --problem original_cgcnn.py --run original_cgcnn.py \
    --run-kwargs script=cgcnn/main.py data=cgcnn/data/sample-regression epochs=5
"""

import sys
from pathlib import Path

from dh_project import HpProblem
from dh_project.user_code.scripts import NUMBER, Printed, flags, run_script

Problem = HpProblem()
Problem.add_dim("batch_size", [16, 32, 64])
Problem.add_dim("learning_rate", (0.05, 0.1))
Problem.add_dim("optim", ["SGD", "Adam"])
Problem.add_starting_point(batch_size=32, learning_rate=0.05, optim="SGD")

# " * MAE 0.123" after each epoch; the test set's line has two stars
VALIDATION_MAE = Printed(rf"^ \* MAE {NUMBER}", goal="minimize", take="best")


def run(point, script, data, epochs=5):
    """Train with a point; return minus the best epoch's validation MAE, in the label's unit."""
    fixed = {"epochs": epochs, "train_ratio": 0.6, "val_ratio": 0.2, "test_ratio": 0.2}
    words = [sys.executable, Path(script).resolve(), Path(data).resolve(), *flags(fixed), *flags(point)]
    return run_script(words, VALIDATION_MAE)


def prepare(script, data, **_):
    """Check before any trial that both are there."""
    for path in (Path(script), Path(data) / "id_prop.csv"):
        if not path.is_file():
            raise FileNotFoundError(
                f"there is no {path}: give script=DIR/main.py and data=DIR/data/sample-regression"
            )
