"""Batch jobs of a site's scheduler.

- ``request.py``: what is asked of a site; ``request_check.py`` checks it against a site file, ``queue_check.py``
  against queues alone.
- ``script.py``: renders a job script from ``templates/``; ``ready_jobs.py`` writes the scripts in ``jobs/``.
- ``scheduler.py``: the commands of PBS and Slurm.
- ``submit_chain.py``: submits jobs that wait for one another; ``end_chain.py`` takes the later ones out of the queue.
- ``record.py``: the batch jobs of one search; ``searches_file.py`` the searches of the user.
- ``job_table.py`` and ``site_table.py``: what ``deephyper tasks show`` and ``deephyper sites`` list.
- ``environment.py``: the Python environment of a job; ``snapshot.py``: a copy of the user's code for it.
- ``ray_nodes.py``: waits in a job until all nodes have joined its Ray cluster.
"""
