"""The REST interface of a Balsam server.

- ``client.py``: the requests; ``models.py``: their content.
- ``credentials.py``: the token and how it is renewed; ``login.py``: the login at a hosted server.
- ``tags.py``: the tags on this package's jobs.
"""
