"""The median stopping rule (Golovin et al., Google Vizier, KDD 2017, section 3.2.2)."""

from __future__ import annotations

from dh_project.hps.stoppers.percentile import PercentileStopper


class MedianStopper(PercentileStopper):
    """Stops a trial if its best objective is below the median of the other trials' means up to the same step.

    Args:
        first_step: First step at which trials may be stopped.
        fewest: Fewest other trials that must have reported the same step.

    Raises:
        UserError: ``fewest`` is below 1.
    """

    name = "median"

    def __init__(self, first_step: int = 1, fewest: int = 5) -> None:
        super().__init__(50, first_step, fewest)
