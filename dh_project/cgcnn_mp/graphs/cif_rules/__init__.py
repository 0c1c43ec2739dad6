"""Decides what is trusted, repaired or refused in a CIF file. ``docs/data.rst`` lists every decision with an example.

The reader guesses nothing without a word. What a file says clearly is trusted. What can be repaired in only one way
is repaired, and a note says so. Everything else is refused, with the reason. In reading order:

- ``careful.py``: ``read_carefully``, from the content of a file to a cell and its notes.
- ``block.py``: finds the only structure of a file, and reads its tags and numbers.
- ``symmetry.py``: finds the symmetry operations, by their list, by a symbol or by a number.
- ``sites.py``: reads elements, coordinates and occupancies of the sites, and applies the operations.
- ``contents.py``: compares the atoms with everything else that the file says about them.
- ``elements.py``: element symbols in sites, labels and formulas.
"""


class UnusableCrystal(Exception):
    """A crystal without a graph; the message is the reason."""
