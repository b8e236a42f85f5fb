"""Settings of a field in cells: a sum of fixed features in each cell of a cover."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pinn.problem.settings import BadInput, Settings, setting

if TYPE_CHECKING:
    from pinn.field.cells.basis import Basis
    from pinn.problem.problem import Problem

DEGREES = {1: 24, 2: 14, 3: 10, 4: 8, 5: 6}
"""Degree by number of coordinates, for equations of up to second order."""

DEGREES_PER_ORDER = 2
"""What every further order adds: derivatives are less accurate than values, and many small cells less than few large ones."""


@dataclass(frozen=True)
class LocalFeatures(Settings):
    """u = Σ_k c_k ψ_k((x − middle)/half width) in each cell of a cover.

    Made for `pinn.solver.cell_least_squares.CellLeastSquares`, which finds the cover and c; the features ψ are the same in every
    cell. ``legendre`` are products of Legendre polynomials (`pinn.field.cells.basis.LegendreFeatures`), ``tanh`` and ``sin`` are
    σ(W·ξ + b) with W and b drawn at random once (`pinn.field.cells.basis.RandomFeatures`).

    Parameters
    ----------
    features : which functions.
    degree : of the polynomials; None is 24, 14, 10, 8, 6 in 1 to 5 coordinates, 2 more for every order above the second.
    width : number of random features; None means as many as polynomials of this degree.
    radius : W and b are uniform in ± this.
    extra_points : points along every axis of a cell and of its faces beyond the degree.
    """

    features: Literal["legendre", "tanh", "sin"] = "legendre"
    degree: int | None = setting(None, at_least=2, at_most=64)
    width: int | None = setting(None, at_least=1, at_most=16384)
    radius: float = setting(1.0, above=0)
    extra_points: int = setting(2, at_least=1, at_most=64)

    def degree_for(self, problem: Problem) -> int:
        """Return the degree for a problem.

        Raises
        ------
        BadInput : more coordinates than cells are made for.
        """
        if problem.dim not in DEGREES:
            known = f"cells have at most {max(DEGREES)} coordinates, here are {problem.dim}"
            raise BadInput(f"{known}; take solver=adam_broyden network=mlp", "network")
        if self.degree is not None:
            return self.degree
        return DEGREES[problem.dim] + DEGREES_PER_ORDER * max(0, problem.highest_order - 2)

    def points_per_axis(self, problem: Problem) -> int:
        """Return the number of points along every axis of a cell."""
        return self.degree_for(problem) + self.extra_points

    def num_features(self, problem: Problem) -> int:
        """Return the number of features for each unknown in a cell."""
        from pinn.field.cells.basis import LegendreFeatures

        polynomials = LegendreFeatures(problem.dim, self.degree_for(problem)).size
        return polynomials if self.features == "legendre" or self.width is None else self.width

    def basis(self, problem: Problem, seed: int) -> Basis:
        """Return the features with their derivatives at the points of a cell."""
        from pinn.field.cells.basis import Basis, LegendreFeatures, RandomFeatures, chebyshev_points
        from pinn.problem.randomness import generator

        dim, per_axis = problem.dim, self.points_per_axis(problem)
        if self.features == "legendre":
            return Basis(LegendreFeatures(dim, self.degree_for(problem)), dim, per_axis)
        points, rng = chebyshev_points([per_axis] * dim), generator(seed, "features")
        return Basis(RandomFeatures(points, self.num_features(problem), self.features, self.radius, rng), dim, per_axis)

    def field(self, *_: Any, **__: Any) -> Any:
        """Refuse to be trained.

        Raises
        ------
        BadInput : always.
        """
        raise BadInput("local_features are for solver=least_squares; other solvers need another network, such as mlp", "network")
