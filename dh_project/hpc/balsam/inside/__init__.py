"""Modules that Balsam's own interpreter runs; they import nothing of DeepHyper or of this package.

- ``agent.py``, ``apps.py``, ``check.py``, ``defaults.py``, ``tables.py``, ``postgres.py``: programs that
  ``balsam-init`` starts.
- ``dh_project_client.py``, ``dh_project_platform.py``, ``dh_project_serial_mode.py``, ``dh_project_server.py``:
  modules that Balsam itself imports in place of, or in addition to, its own.
"""
