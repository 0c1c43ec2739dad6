"""The final error of CGCNN as a function of its hyperparameters, for searches to be compared on.

``final_errors.csv`` has the validation MAE, in eV/atom, of trainings of at most 30 epochs on the crystals of the
package. Their points are the starting points and random ones of ``dh_project.cgcnn_mp.problem.Problem``. A model is
fitted to it.
"""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from dh_project.cgcnn_mp.problem import Problem
from dh_project.hps.searchers.cube import Cube
from dh_project.trial.trial import Point

TABLE = Path(__file__).with_name("final_errors.csv")


class CurveModel:
    """A model of the logarithm of the final error.

    Args:
        smooth: Whether the model is a Gaussian process, whose mean is smooth. Otherwise it is extremely randomised
            trees, which are constant in pieces.

    Attributes:
        optimum: The largest objective of 40,000 random points and of 20 rounds of small changes to the best.
    """

    def __init__(self, smooth: bool) -> None:
        self.cube = Cube(Problem)
        table = pd.read_csv(TABLE)
        names = [dimension.name for dimension in self.cube.dimensions]
        rows = self.cube.vectors(table[names].to_dict("records"))
        kernel = ConstantKernel(1.0) * Matern(np.ones(self.cube.width), (0.2, 1000.0), nu=2.5)
        process = GaussianProcessRegressor(kernel + WhiteKernel(0.03, (0.01, 1.0)), normalize_y=True)
        trees = ExtraTreesRegressor(30, min_samples_leaf=2, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a length scale at its bound
            self.model = (process if smooth else trees).fit(
                self.cube.features(rows), np.log(table["val_mae"])
            )
        rows = self.cube.sample(40_000, 0)
        for step in range(20):
            best = rows[np.argsort(-self.values(rows))[:100]]
            rows = np.concatenate([best, self.cube.around(best, 5_000, step)])
        self.optimum = float(self.values(rows).max())

    def values(self, rows: np.ndarray) -> np.ndarray:
        """Return the objectives of rows of the cube: float64 (points,)."""
        return -np.exp(self.model.predict(self.cube.features(rows)))

    def objective(self, point: Point) -> float:
        """Return the objective of a point: minus the error, in eV/atom."""
        return float(self.values(self.cube.vectors([point]))[0])
