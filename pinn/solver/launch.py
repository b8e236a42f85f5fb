"""Settings of a run on several processes."""

from __future__ import annotations

from dataclasses import dataclass

from pinn.problem.settings import Settings, setting


@dataclass(frozen=True)
class Launch(Settings):
    """On how many processes residuals are evaluated, or cells eliminated; stages, and all that is written, stay with the first.

    Parameters
    ----------
    processes : how many a run starts itself, on this machine. Where ``torchrun`` or ``srun`` have started several, they count,
        and this is left at 1.
    """

    processes: int = setting(1, at_least=1, at_most=4096)
