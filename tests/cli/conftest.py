"""Fixtures of the tests of the commands."""

from crystals import halides as halides
from crystals import trained as trained
from crystals import trained_once as trained_once
