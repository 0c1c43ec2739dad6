"""Crystals: where structures and labels come from, and how they are split.

In reading order:

- ``settings.py``: ``DataSettings``, all arguments that define a data set.
- ``tables.py``: ids, labels and element features from the CSV and JSON files of a data set.
- ``sources.py``: structures from the data set that ships, a folder of CIF files, or an archive.
- ``archives.py``: files and members of archives, with limits of their size.
- ``splits.py``: training, validation and test sets, by ratio, by files, or by groups of crystals.
- ``cache.py``: the folder in which prepared files are kept.
- ``node_copy.py``: a compute node's own copy of a prepared file.
"""


class DataError(ValueError):
    """Data or data settings that cannot be used. The message is one line: what, which, why, and what to do."""
