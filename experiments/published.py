"""What others have published for the problems of the scoreboard: the best errors found, their seconds and their sources.

Papers differ in norm, grid and precision, and their machines by far more. A number whose source is None was handed down without
one: it is a number to beat, not a citation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

WEBB = "Webb, Jerad, Cartis (2026), arXiv:2607.02194, H100"


@dataclass(frozen=True)
class Published:
    """A published result: relative L2 error, seconds (None: not stated) and where it stands (None: not known)."""

    relative_l2: float
    seconds: float | None = None
    source: str | None = None

    def __str__(self) -> str:
        spent = "" if self.seconds is None else f" in {self.seconds:,.0f} s"
        return f"{self.relative_l2:.1e}{spent} ({self.source or 'source unknown'})"


BEST: Mapping[str, Published | None] = {
    "heat_1d": None,
    "poisson_1d": None,
    "poisson_2d": Published(1.2e-7, 468),
    "poisson_5d": Published(3.5e-8, 3000),
    "poisson_multiscale": Published(4.5e-14, 281, WEBB),
    "helmholtz_2d": Published(2.0e-9, 540),
    "wave_1d": Published(1.2e-15, 635, WEBB),
    "wave_2d": Published(2.2e-2, 77, "windows; other waves in as many coordinates, source unknown"),
    "oscillator": Published(5e-5, 3.9),
    "convection": Published(1.9e-3),
    "reaction": Published(9.9e-3),
    "burgers": Published(7.97e-14, 346, WEBB),
    "allen_cahn": Published(1.2e-6),
    "kdv": Published(8.2e-11, 1210, WEBB),
    "kuramoto_sivashinsky": Published(5.1e-7, 5227, WEBB),
    "kovasznay": Published(1e-8),
    "cavity_100": Published(1.1e-4, 403, WEBB),
    "cavity_1000": Published(1.3e-1, 3540),
}
"""Every problem of the scoreboard, in the order in which they are run; None where nothing was published."""

QUANTITIES: Mapping[str, Mapping[str, float]] = {
    "cavity_1000": {"back": -0.3885698, "up": 0.3769447, "down": -0.5270771},  # Botella, Peyret (1998), tables 1, 2 and 3
}
"""Published values of a problem's quantities, where the solution has none that an L2 error could be measured against."""
