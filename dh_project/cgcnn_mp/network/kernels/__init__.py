"""The inner part of a convolution, which takes most of CGCNN's time: one definition, several implementations.

In reading order:

- ``edges.py``: ``Edges``, the neighbours of each class of atoms in a batch.
- ``bonds.py``: distances as bond features (Gaussians), and their product with a matrix.
- ``function.py``: ``gated_sum``, the sum over neighbours of equation 5, as a differentiable function.
- ``residual.py``: normalisation, residual and activation after the sum.
- ``choice.py``: selects the implementation: torch, numba or Triton.
- ``torch_gate.py``: the gated sum in torch, the reference for the other two.
- ``numba_gate.py``, ``numba_loops.py``: the gated sum on a CPU, in compiled loops.
- ``numba_layer.py``: ``bonds`` and ``residual`` in compiled loops.
- ``numba_math.py``: vectorised functions for these loops.
- ``triton_gate.py``: the gated sum on a GPU.
"""

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
