"""Facts of sites, one TOML file for each site.

- ``facts.py``: what a site file holds; ``queues.py`` its queues, ``tables.py`` what all its tables share.
- ``site.py``: reads a site file, with the file that it builds on.
- ``names.py``: the folders of site files, and the names of all sites.
- ``share.py``: how the cores and GPUs of a node are divided among ranks.
"""
