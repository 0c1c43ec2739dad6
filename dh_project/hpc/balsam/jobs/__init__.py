"""A search and its trials as Balsam jobs.

Submitting a search:

- ``submitting.py``: makes the search's job and its batch job; ``submission.py``: what the driver is told.
- ``batch_request.py``: the request for a batch job; ``agent_contact.py``: how long the site's agent has been silent.
- ``site_settings.py``, ``staging.py``: the user's settings of a site, and the data that they move.
- ``following.py``: follows a submitted search (``--wait``).

Running it:

- ``driver.py``: runs the search; ``chain.py`` submits the next batch job, ``deletion.py`` deletes batch jobs.
- ``place.py``, ``packing.py``, ``job_spec.py``: how many trials run at a time, and how one is launched.
- ``release.py``: frees the jobs that a dead launcher held.

A trial:

- ``trial_job.py``: runs one attempt; ``job_data.py`` tells the server of it, ``orders.py`` tells it to end.
- ``watch.py``: makes events of what the server says of jobs, by the table in ``states.py``.
- ``job_folders.py``: the folders of jobs that this machine sees.
"""
