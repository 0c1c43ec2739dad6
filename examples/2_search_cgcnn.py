"""Tune CGCNN on the 3,938 Materials Project crystals that ship with the package.

    python 2_search_cgcnn.py             # 24 trials of 10 epochs, a few minutes on two cores
    python 2_search_cgcnn.py 3 1         # 3 trials of 1 epoch, to see it work

The objective is minus the validation MAE of the formation energy, in eV/atom.
"""

import sys

import dh_project as dh

trials, epochs = map(int, sys.argv[1:3] or (24, 10))

found = dh.search(
    "dh_project.cgcnn_mp.problem.Problem",
    "dh_project.cgcnn_mp.model_run.run",
    run_kwargs={"epochs": epochs},
    folder="search_cgcnn",
    max_evals=trials,
    evaluator="process",
    stopper="median",  # ends trials that are behind the others
)

print(
    f"validation MAE {-found.best.objective:.4f} eV/atom, test MAE {found.best.metadata['test_mae']:.4f} eV/atom"
)
print(found.best.point)
print(f"weights and predictions: {found.best.folder}")
