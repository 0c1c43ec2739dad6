"""The gated sum over neighbours, where CGCNN spends its time: one definition, several kernels."""

from dh_project.cgcnn_mp.gate.edges import Edges
from dh_project.cgcnn_mp.gate.function import gated_sum

__all__ = ["Edges", "gated_sum"]
