"""Searches and trials as jobs of a Balsam site.

- ``client/``: the REST interface of a Balsam server.
- ``install/``: what ``deephyper balsam-init`` sets up: environment, server, site and agent.
- ``inside/``: what runs in Balsam's own environment, which has no DeepHyper.
- ``jobs/``: the driver of a search and its trials as Balsam jobs.
- ``tasks/``: listing, killing and retrying jobs.
- ``evaluator.py``: carries trials to Balsam jobs; the search finds it by an entry point.
"""
