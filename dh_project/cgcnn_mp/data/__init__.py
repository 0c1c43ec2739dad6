"""The data that ships with the package: 3,938 crystals and the element features of the CGCNN paper.

- ``flla.npz``: the crystals and their labels; ``PROVENANCE.rst`` says where they come from.
- ``atom_init.json``: 92 features of each element.
- ``make_flla.py``: makes ``flla.npz`` from its source.
"""
