"""Supercomputers: sites, batch jobs of their schedulers, and Balsam.

- ``sites/``: the facts of a site: queues, nodes, GPUs, launch line.
- ``batch_jobs/``: requests, job scripts, schedulers and chains (``deephyper submit``).
- ``balsam/``: searches and trials as jobs of a Balsam site (``deephyper balsam-submit``).
"""
