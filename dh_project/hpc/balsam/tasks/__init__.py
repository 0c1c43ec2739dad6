"""Listing, killing and retrying the jobs of a Balsam server.

- ``finding.py``: finds jobs by number, user, workflow, state, age and name.
- ``description.py``: the name, kind and end of a job.
- ``job_table.py`` and ``site_table.py``: jobs and sites as rows of tables.
- ``kill.py``, ``retry.py``: what ``deephyper tasks kill`` and ``tasks retry`` do.
"""
