"""The data that ship: the ``flla`` crystals and the element features of CGCNN (see PROVENANCE.rst)."""
