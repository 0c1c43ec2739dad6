"""From crystals to one file of graphs, built once on all cores and mapped by every trial.

``cif`` reads, ``neighbours`` finds who is near, ``symmetry`` says who is alike and folds, ``original_graphs`` does it
as the original code does; ``workers`` builds in parallel, ``graph_file`` keeps the result, ``prepare`` is the way in.
"""
