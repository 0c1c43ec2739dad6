"""The hyperparameter search (``deephyper hps``, ``dh.search``): settings, loop, searchers and stoppers.

In reading order: ``settings`` (what defines a search) and ``settings_file`` (as TOML), ``run`` (``dh.search``),
``session`` (makes what a search needs), ``loop`` (the search itself) with ``limits``, ``proposals``, ``verdicts`` and
``warm_start``, ``observer`` and ``progress`` (what is shown), ``summary`` (what is printed at the end), ``log``.
"""
