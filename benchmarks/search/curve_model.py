"""The final error of CGCNN as a function of its hyperparameters, fitted to the table of learning curves."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from dh_project.cgcnn_mp.problem import Problem
from dh_project.hps.searchers.cube import Cube
from dh_project.trial.trial import Point

TABLE = Path("/tmp/curves/standin.csv")


class CurveModel:
    """A model of the logarithm of the validation MAE in the last epoch.

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
        points = table[["p:" + name for name in names]].set_axis(names, axis=1).to_dict("records")
        rows = self.cube.vectors(points)
        errors = np.log(-table["objective"].to_numpy())
        width = self.cube.width
        kernel = ConstantKernel(1.0) * Matern(np.ones(width), (0.2, 1000.0), nu=2.5) + WhiteKernel(
            0.03, (0.01, 1.0)
        )
        self.model = (
            GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
            if smooth
            else ExtraTreesRegressor(30, min_samples_leaf=2, random_state=0)
        ).fit(self.cube.features(rows), errors)
        rows = self.cube.sample(40_000, 0)
        for step in range(20):
            values = self.values(rows)
            best = rows[np.argsort(-values)[:100]]
            rows = np.concatenate([best, self.cube.around(best, 5_000, step)])
        self.optimum = float(self.values(rows).max())

    def values(self, rows: np.ndarray) -> np.ndarray:
        """Return the objectives of rows of the cube: float64 (points,)."""
        return -np.exp(self.model.predict(self.cube.features(rows)))

    def objective(self, point: Point) -> float:
        """Return the objective of a point: minus the MAE, in eV/atom."""
        return float(self.values(self.cube.vectors([point]))[0])
