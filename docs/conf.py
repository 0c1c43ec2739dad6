"""Sphinx settings: the site that ``make docs`` builds."""

import dh_project

project = "dh_project"
author = "The dh_project authors"
release = dh_project.__version__
html_theme = "furo"
exclude_patterns = ["_build"]

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
