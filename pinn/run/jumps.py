"""What a solution jumps by between neighbouring cells, and the windows that join them: arrays for the figures."""

from __future__ import annotations

from typing import Any

import numpy as np

from pinn.field.cells.cover import Cover, Face
from pinn.problem.problem import Problem

MOST_FACES = 5000
"""Of which jumps are kept; of more, those that lie first."""

PER_AXIS = 3
"""Points of a face along each of its coordinates."""

PLACES = 401
"""Along each coordinate, at which windows are shown."""


def jumps(problem: Problem, solution: Any) -> dict[str, np.ndarray]:
    """Return the faces between cells across which a solution may jump, and by how much it does; nothing where it cannot.

    ``faces`` (faces, dim, 2) have no thickness along one axis; ``jump.u`` (faces,) is the root mean square jump of u on each, in
    units of the root mean square of u over all cells' middles.
    """
    if not len(solution.cuts):
        return {}
    faces = Cover(solution.boxes).faces()[:MOST_FACES]
    if not faces:
        return {}
    points, normals = (np.concatenate(parts) for parts in zip(*map(_on_face, faces), strict=True))
    above, below = (solution(points, problem.values, side) for side in (normals, -normals))
    by_face = np.square(above - below).reshape(len(faces), -1, len(problem.unknowns))
    size = np.sqrt(np.square(solution(solution.boxes.mean(axis=2), problem.values)).mean(axis=0))
    found = np.sqrt(by_face.mean(axis=1)) / np.where(size > 0, size, 1.0)
    named = {f"jump.{name}": column for name, column in zip(problem.unknown_names, found.T, strict=True)}
    return {"faces": np.stack([face.box for face in faces]), **named}


def _on_face(face: Face) -> tuple[np.ndarray, np.ndarray]:
    """Return points inside a face and the direction across it, (points, dim) each."""
    within = (np.arange(PER_AXIS) + 0.5) / PER_AXIS
    axes = [low + np.ptp(ends) * (within[:1] if low == ends[1] else within) for ends in face.box for low in ends[:1]]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    normals = np.zeros_like(points)
    normals[:, face.axis] = 1.0
    return points, normals


def windows(problem: Problem, solution: Any) -> dict[str, np.ndarray]:
    """Return the windows of all cells along each coordinate through the middle cell; nothing where there are none.

    ``windows.x`` (cells that are seen + 1, places) has the places in its first row.
    """
    if solution.boxes is None:
        return {}
    found, middles = {}, solution.boxes.mean(axis=2)
    middle = middles[np.argmin((np.square(middles - problem.box.mean(axis=1)) / np.ptp(problem.box, axis=1) ** 2).sum(axis=1))]
    for axis, name in enumerate(problem.names):
        points = np.repeat(middle[None], PLACES, axis=0)
        points[:, axis] = np.linspace(problem.box[axis, 0], problem.box[axis, 1], PLACES)
        values = solution.windows(points)
        if values is None:
            return {}
        found[f"windows.{name}"] = np.concatenate([points[:, axis][None], values[(values > 0).any(axis=1)]])
    return found
