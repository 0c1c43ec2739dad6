"""What ``deephyper balsam-init`` sets up in a folder.

- ``setup.py``: all steps in order; ``status.py``: how each part stands.
- ``installation.py``: the paths of the folder.
- ``environment.py``: Balsam's own virtual environment; ``programs.py``: this package's programs.
- ``database.py``, ``server.py``: a PostgreSQL database and a Balsam server of the folder's own.
- ``site.py``, ``job_template.py``, ``apps.py``, ``agent.py``: the site, its job script, its apps and its agent.
- ``daemons.py``, ``services.py``: starting and stopping background programs.
"""
