"""What of θ is unknown while some stages run. Importing this module does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class Part(NamedTuple):
    """What of θ is unknown while some stages run; the rest is known.

    Attributes
    ----------
    name : as results call it; ``""`` for all of θ.
    places : positions in θ (params,), rising; None for all of them.
    taken, origin : positions that begin with the values at others. silent : positions that begin with 0.
    """

    name: str = ""
    places: Tensor | None = None
    taken: Tensor | None = None
    origin: Tensor | None = None
    silent: Tensor | None = None

    @property
    def words(self) -> dict[str, str]:
        """By what arguments rows of the part are asked for."""
        return {"part": self.name} if self.name else {}

    def begin(self, theta: Tensor) -> Tensor:
        """Return θ (params,) with the first guess."""
        found = theta.clone()
        if self.taken is not None:
            found[self.taken] = theta[self.origin]
        if self.silent is not None:
            found[self.silent] = 0.0
        return found

    def of(self, theta: Tensor) -> Tensor:
        """Return what is unknown of θ (params,)."""
        return theta if self.places is None else theta[self.places]

    def into(self, theta: Tensor, values: Tensor) -> Tensor:
        """Return θ (params,) with the unknown values in their places."""
        return values if self.places is None else theta.index_copy(0, self.places, values)

    def rows(self, rows: Any, theta: Tensor) -> Any:
        """Return rows as a function of what is unknown; the rest is that of ``theta`` (params,)."""
        if self.places is None:
            return rows
        from pinn.solver.part_of_rows import PartOfRows

        return PartOfRows(rows, self.places, theta)
