"""Where arrays lie in one piece of memory, for generated code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Place(NamedTuple):
    """An array for the points of all members: it starts at ``points`` · (all points) + ``members`` · (all members).

    A member has ``per_point`` numbers in it for each of its points, and ``per_member`` further ones; members follow each other.
    """

    points: int
    members: int
    per_point: int
    per_member: int


@dataclass
class Plot:
    """Where arrays lie in a piece of memory whose size is ``points`` · (all points) + ``members`` · (all members) numbers."""

    points: int = 0
    members: int = 0
    places: dict[str, Place] = field(default_factory=dict)

    def add(self, name: str, per_point: int = 0, per_member: int = 0) -> str:
        """Give an array its place; returns its name."""
        self.places[name] = Place(self.points, self.members, per_point, per_member)
        self.points, self.members = self.points + per_point, self.members + per_member
        return name

    def numbers(self, points: int, members: int = 1) -> int:
        """Return the size."""
        return self.points * points + self.members * members

    def member_declarations(self, base: str) -> list[str]:
        """Return C declarations of the parts of all arrays that belong to member ``m``, whose points begin with ``first``."""
        return [
            f"T *const {name} = {base} + {p.points} * total + {p.members} * members + {p.per_point} * first + {p.per_member} * m;"
            for name, p in self.places.items()
        ]

    def declarations(self, base: str) -> list[str]:
        """Return C declarations of the arrays of a single member with ``n`` points, or that every member uses in its turn."""
        return [f"T *const {name} = {base} + {p.points} * n + {p.members};" for name, p in self.places.items()]


class Pool(Plot):
    """A plot on which arrays per point that are no longer needed make room for others of the same size."""

    def __init__(self):
        super().__init__()
        self._free: dict[int, list[str]] = {}

    def take(self, per_point: int) -> str:
        """Return the name of an array that nobody uses."""
        free = self._free.setdefault(per_point, [])
        return free.pop() if free else self.add(f"w{len(self.places)}", per_point)

    def give_back(self, name: str) -> None:
        """Let others use the array."""
        self._free[self.places[name].per_point].append(name)
