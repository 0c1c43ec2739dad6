"""A convolution's inside, where CGCNN spends its time: one definition, several kernels."""

from dh_project.cgcnn_mp.network.kernels.bonds import GAUSSIAN_STEP, Bonds, count_gaussians, expand_distances
from dh_project.cgcnn_mp.network.kernels.edges import Edges
from dh_project.cgcnn_mp.network.kernels.function import gated_sum
from dh_project.cgcnn_mp.network.kernels.residual import residual

__all__ = [
    "GAUSSIAN_STEP",
    "Bonds",
    "Edges",
    "count_gaussians",
    "expand_distances",
    "gated_sum",
    "residual",
]
