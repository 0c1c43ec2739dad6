"""The problem package: CGCNN (Xie and Grossman 2018) on Materials Project crystals, tuned by a search.

To understand it in an hour, read in this order:

1. ``problem.py``: the hyperparameters, and the points at which a search begins.
2. ``model_run.py``: ``run(point)``, which trains one network and returns its objective.
3. ``load_data.py``: crystals and labels as training, validation and test sets.
4. ``network/model.py``: the network, with the paper's equations.
5. ``training/loop.py``: epochs, validation, early stopping, checkpoints.

``default_config.py`` and ``best_config.py`` train one point outside a search. ``predict.py`` predicts crystals from a
checkpoint.

The folders hold the details: ``data`` (the crystals that ship), ``crystals`` (where structures and labels come from),
``graphs`` (from structures to batches of graphs), ``network`` (the model and its kernels), ``training`` (the loop and
its settings) and ``figures``. Each folder's docstring lists its files in reading order.

The package uses only the public API of ``dh_project``, so it is also an example of a problem package.
"""
