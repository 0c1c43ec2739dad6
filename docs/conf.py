"""Sphinx settings: the site that ``make docs`` builds."""

from dh_project import __version__

project = "dh_project"
author = "The dh_project authors"
release = __version__
html_theme = "furo"
exclude_patterns = ["_build"]
