"""How large a run is, before it begins."""

from __future__ import annotations

from dataclasses import dataclass

BASE_MEGABYTES = 400.0
"""What Python and torch hold before any work."""

OPERATIONS_PER_SECOND = 6e9
"""Of one thread on layers of common width, float64; measured on two x86 machines, a guess elsewhere."""


@dataclass(frozen=True)
class Size:
    """How large a run is.

    Parameters
    ----------
    num_points : points of all terms together, those that terms share counted once for each.
    num_rows : residuals.
    num_parameters : parameters of the network.
    steps : most steps of all stages, in all turns of a sweep.
    gigabytes : memory at the peak.
    seconds_per_step : time of one step.
    """

    num_points: int
    num_rows: int
    num_parameters: int
    steps: int
    gigabytes: float
    seconds_per_step: float
