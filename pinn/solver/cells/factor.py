"""Orthogonal factors of the rows from which blocks of unknowns are eliminated, and those that were found before."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from hashlib import blake2b

import numpy as np
from scipy.linalg import svd
from scipy.linalg.lapack import dgeqrf, dormqr, dtpmqrt, dtpqrt

Array = np.ndarray

DEPENDENT = 1e-14
"""Combinations of unknowns that the rows determine this little, relative to the best determined, get no part of the solution."""

PANEL, NARROW = 64, 32
"""Columns of workspace that LAPACK gets for each column, and columns that it reflects at a time below a triangle."""

MANY = 1.5
"""Rows are made as few as the unknowns that they speak of when there are more than so many times as many."""

MOST_BYTES = 1.5e9
"""Of factors that are kept."""


class Reflections:
    """Q of the decomposition A = Q R of a matrix in Fortran order, which is used up."""

    def __init__(self, matrix: Array):
        columns = matrix.shape[1]
        self._reflectors, self._sizes = matrix, np.zeros(0)
        if matrix.size:
            self._reflectors, self._sizes, *_ = dgeqrf(matrix, lwork=max(1, PANEL * columns), overwrite_a=True)
        self.num_bytes = self._reflectors.nbytes

    def triangle(self) -> Array:
        """Return R, square, with rows of zeros where A has fewer rows than columns."""
        columns = self._reflectors.shape[1]
        result = np.zeros((columns, columns))
        result[: len(self._reflectors)] = np.triu(self._reflectors[:columns])
        return result

    def turn(self, columns: Array) -> Array:
        """Return Qᵀ times columns (rows, columns)."""
        if not len(self._sizes) or not columns.size:
            return columns
        work = max(1, PANEL * columns.shape[1])
        result: Array = dormqr("L", "T", self._reflectors, self._sizes, columns, work)[0]
        return result


class Factor:
    """Own unknowns eliminated from rows: triangle · own + rest · others is what they say of them, ``left`` of the others alone.

    Rows in the own unknowns alone become a triangle first, so that the others can be reflected into it. What is left is made as
    short as the number of the others where it is much longer.

    Parameters
    ----------
    alone : rows in the own unknowns, (rows, own). mixed : rows in all, own unknowns first, (rows, own + others); both in Fortran
        order. size : number of the own unknowns.

    Attributes
    ----------
    triangle : (own, own). rest : (own, others). left : (rows that are left, others). number : by which it is known.
    """

    number: int | None = None

    def __init__(self, alone: Array, mixed: Array, size: int, dependent: float = DEPENDENT):
        self._below: tuple[Array, Array] | None = None
        if len(alone) >= size > 0:
            self._first = Reflections(alone)
            self.triangle, top, low = self._fold(self._first.triangle(), mixed, size)
        else:
            front = np.zeros((max(size, len(alone) + len(mixed)), mixed.shape[1]), order="F")
            front[: len(alone), :size], front[len(alone) : len(alone) + len(mixed)] = alone, mixed
            self._first = Reflections(np.asfortranarray(front[:, :size]))
            turned = self._first.turn(front[:, size:])
            self.triangle, top, low = self._first.triangle(), turned[:size], turned[size:]
        self.rest, self._size, self._height = top, size, len(self._first._reflectors)
        self._extra = None
        if is_singular(self.triangle, dependent):
            self._extra = undetermined(self.triangle, dependent).T
            low = np.vstack([self._extra @ top, low])
        self._last = Reflections(np.array(low, order="F")) if len(low) > MANY * low.shape[1] else None
        self.left = low if self._last is None else self._last.triangle()

    @property
    def num_bytes(self) -> int:
        """What it needs of memory."""
        parts = [self.triangle, self.rest, self.left, *(self._below or ())]
        return sum(each.nbytes for each in parts) + self._first.num_bytes + (self._last.num_bytes if self._last else 0)

    def turn(self, alone: Array, mixed: Array) -> tuple[Array, Array]:
        """Return the right sides of the own unknowns (own,) and of what is left, from those of the rows."""
        if self._below is not None:
            top, low = self._first.turn(alone[:, None])[: self._size], mixed[:, None]
            top, low, _ = dtpmqrt(0, *self._below, top, low, side="L", trans="T") if len(mixed) else (top, low, 0)
        else:
            right = np.zeros((self._height, 1))
            right[: len(alone) + len(mixed), 0] = np.concatenate([alone, mixed])
            turned = self._first.turn(right)
            top, low = turned[: self._size], turned[self._size :]
        if self._extra is not None:
            low = np.vstack([self._extra @ top, low])
        if self._last is not None:
            low = self._last.turn(low)[: len(self.left)]
        return top[:, 0], low[:, 0]

    def _fold(self, triangle: Array, mixed: Array, size: int) -> tuple[Array, Array, Array]:
        """Reflect mixed rows into a triangle; return it, and what its rows and these say of the others."""
        top, low = np.zeros((size, mixed.shape[1] - size), order="F"), mixed[:, size:]
        self._below = (mixed[:, :size], np.zeros((1, size)))
        if len(mixed):
            triangle, *below, _ = dtpqrt(0, min(NARROW, size), triangle, mixed[:, :size])
            self._below = (below[0], below[1])
            if low.shape[1]:
                top, low, _ = dtpmqrt(0, *below, top, low, side="L", trans="T")
        return triangle, top, low


class Factors:
    """Factors that were found before: cells of one shape and one equation have the same, and slabs of one length.

    Those of cells are found by the content of their rows, those of larger parts by the factors that they are made of. What is found
    is the same to the last bit as what would be made. When there are too many all are forgotten.
    """

    def __init__(self, most: float = MOST_BYTES):
        self._most, self._count = most, 0
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self._known: dict[Hashable, Factor] = {}
        self._bytes = 0

    def of_cell(self, kind: Hashable, parts: Iterable[Array], make: Callable[[], Factor]) -> Factor:
        """Return the factor of a cell's rows.

        Parameters
        ----------
        kind : how the rows are put together from parts. parts : arrays that make them, which are the same to the last bit.
        """
        content = blake2b(repr(kind).encode())
        for part in parts:
            content.update(np.ascontiguousarray(part).data)
        return self.of_part(content.digest(), make)

    def of_part(self, key: Hashable, make: Callable[[], Factor]) -> Factor:
        """Return the factor of rows that are known by a key."""
        if key not in self._known:
            found = make()
            self._count += 1
            found.number = self._count
            if self._bytes + found.num_bytes > self._most:
                self.clear()
            self._bytes += found.num_bytes
            self._known[key] = found
        return self._known[key]


def undetermined(triangle: Array, dependent: float) -> Array:
    """Return combinations of rows that say nothing of a triangular system's own unknowns, (rows, combinations)."""
    left, sizes, _ = svd(triangle, check_finite=False)
    return left[:, sizes <= dependent * sizes[0]]


def is_singular(triangle: Array, dependent: float) -> bool:
    """Whether a triangular matrix is singular to rounding; one that is not finite is not."""
    diagonal = np.abs(np.diag(triangle))
    return bool(len(diagonal)) and bool(diagonal.min() <= dependent * diagonal.max())
