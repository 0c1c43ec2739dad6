"""Tensors as the arrays that compiled loops take."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from dh_project.cgcnn_mp.network.kernels.choice import kernels_for


def by_numba(*tensors: Tensor) -> bool:
    """Return whether the compiled loops are what computes with these tensors."""
    return all(kernels_for(tensor).__name__.endswith("numba_gate") for tensor in tensors)


def arrays(*tensors: Tensor) -> list[np.ndarray]:
    """Return contiguous tensors as arrays that share their memory, others as copies."""
    return [tensor.detach().contiguous().numpy() for tensor in tensors]
