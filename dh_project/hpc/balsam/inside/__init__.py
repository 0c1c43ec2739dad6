"""Programs for Balsam's own interpreter, and what its site loads: they import Balsam, and nothing of this package."""
