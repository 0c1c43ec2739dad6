"""The crystal graph network.

In reading order:

- ``model.py``: ``CrystalGraphConvNet``, the network of the paper.
- ``batch_norm.py``: batch normalisation of rows that stand for several atoms or bonds.
- ``normalizer.py``: scales labels to zero mean and unit standard deviation.
- ``kernels/``: the inner part of a convolution, in torch, numba and Triton.
- ``devices.py``: device, CPU threads and memory.
- ``data_parallel.py``: several processes that train one network.
- ``cuda_graphs.py``: training steps as CUDA graphs (experimental).
"""
