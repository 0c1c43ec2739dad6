"""Programs that Balsam's own interpreter runs, and what its site loads: they import Balsam and nothing of this package."""
