"""A run module that crashes whoever imports it."""

import os

os.abort()
