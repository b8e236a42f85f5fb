"""Settings of a field in cells: a sum of fixed features in each cell of a cover."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pinn.problem.settings import BadInput, Settings, setting

if TYPE_CHECKING:
    from pinn.field.cells.basis import Basis

DEGREES = {1: 24, 2: 14, 3: 10, 4: 8, 5: 6}
"""Degree by number of coordinates."""


@dataclass(frozen=True)
class LocalFeatures(Settings):
    """u = Σ_k c_k ψ_k((x − middle)/half width) in each cell of a cover.

    Made for `pinn.solver.cell_least_squares.CellLeastSquares`, which finds the cover and c; the features ψ are the same in every
    cell. ``legendre`` are products of Legendre polynomials (`pinn.field.cells.basis.LegendreFeatures`), ``tanh`` and ``sin`` are
    σ(W·ξ + b) with W and b drawn at random once (`pinn.field.cells.basis.RandomFeatures`).

    Parameters
    ----------
    features : which functions.
    degree : of the polynomials; None is 24, 14, 10, 8, 6 in 1 to 5 coordinates.
    width : number of random features; None means as many as polynomials of this degree.
    radius : W and b are uniform in ± this.
    extra_points : points along every axis of a cell and of its faces beyond the degree.
    """

    features: Literal["legendre", "tanh", "sin"] = "legendre"
    degree: int | None = setting(None, at_least=2, at_most=64)
    width: int | None = setting(None, at_least=1, at_most=16384)
    radius: float = setting(1.0, above=0)
    extra_points: int = setting(2, at_least=1, at_most=64)

    def degree_for(self, dim: int) -> int:
        """Return the degree in so many coordinates.

        Raises
        ------
        BadInput : more coordinates than cells are made for.
        """
        if dim not in DEGREES:
            known = f"cells have at most {max(DEGREES)} coordinates, here are {dim}"
            raise BadInput(f"{known}; take solver=adam_broyden network=mlp", "network")
        return DEGREES[dim] if self.degree is None else self.degree

    def points_per_axis(self, dim: int) -> int:
        """Return the number of points along every axis of a cell."""
        return self.degree_for(dim) + self.extra_points

    def num_features(self, dim: int) -> int:
        """Return the number of features for each unknown in a cell."""
        from pinn.field.cells.basis import LegendreFeatures

        polynomials = LegendreFeatures(dim, self.degree_for(dim)).size
        return polynomials if self.features == "legendre" or self.width is None else self.width

    def basis(self, dim: int, seed: int) -> Basis:
        """Return the features with their derivatives at the points of a cell."""
        from pinn.field.cells.basis import Basis, LegendreFeatures, RandomFeatures, chebyshev_points
        from pinn.problem.randomness import generator

        per_axis = self.points_per_axis(dim)
        if self.features == "legendre":
            return Basis(LegendreFeatures(dim, self.degree_for(dim)), dim, per_axis)
        points, rng = chebyshev_points([per_axis] * dim), generator(seed, "features")
        return Basis(RandomFeatures(points, self.num_features(dim), self.features, self.radius, rng), dim, per_axis)

    def field(self, *_: Any, **__: Any) -> Any:
        """Refuse to be trained.

        Raises
        ------
        BadInput : always.
        """
        raise BadInput("local_features are for solver=least_squares; other solvers need another network, such as mlp", "network")
