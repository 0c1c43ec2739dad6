"""A convolution's inside, where CGCNN spends its time: one definition, several kernels."""

from dh_project.cgcnn_mp.gate.bonds import GAUSSIAN_STEP, Bonds, count_gaussians, expand_distances
from dh_project.cgcnn_mp.gate.edges import Edges
from dh_project.cgcnn_mp.gate.function import gated_sum
from dh_project.cgcnn_mp.gate.residual import residual

__all__ = [
    "GAUSSIAN_STEP",
    "Bonds",
    "Edges",
    "count_gaussians",
    "expand_distances",
    "gated_sum",
    "residual",
]
