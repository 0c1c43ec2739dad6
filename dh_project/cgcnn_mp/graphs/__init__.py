"""From crystals to one file of graphs, which is built once on all cores and memory-mapped by every trial.

In reading order:

- ``labelled_graphs.py``: ``label_graphs``, a data set's graphs with its labels and element features.
- ``batches.py``: the graphs as flat tensors, sets of crystals, and batches for the network.
- ``prepare.py``: opens the graph file of a data set, and builds it first if there is none.
- ``arrays.py``: the arrays of a crystal graph, and their meaning.
- ``cif.py``: reads CIF files.
- ``neighbours.py``: finds the nearest periodic neighbours of each atom.
- ``symmetry.py``: finds equivalent atoms and folds the graph by them.
- ``original_graphs.py``: builds graphs exactly as the original code does.
- ``workers.py``: builds graphs in parallel processes.
- ``graph_file.py``: writes and opens the graph file.
- ``compiling.py``: compiles functions with numba and keeps the result on disk.
"""
