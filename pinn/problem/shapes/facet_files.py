"""Bodies from files: meshes of triangles from STL, outlines from columns of numbers."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from pinn.problem.settings import BadInput
from pinn.problem.shapes.facets import Facets

Array = np.ndarray

HEADER, RECORD = 84, 50
"""Bytes of a binary STL file before its triangles, and of a triangle: its normal, its corners, and two more."""


def read_mesh(file: Any) -> tuple[Facets, str]:
    """Return the triangles of an STL file, and a key that tells them from others.

    Raises
    ------
    BadInput : no such file, no STL file, a mesh that is not closed, or whose triangles are wound in different directions.
    """
    path = _path(file, "mesh.stl")
    if path.suffix.lower() != ".stl":
        raise BadInput(f"meshes are read from STL files, got '{path.name}'; save it as .stl")
    content = path.read_bytes()
    corners = _triangles(content, path.name)
    if not np.isfinite(corners).all():
        raise BadInput(f"{path.name} holds numbers that are not finite")
    corners = corners[np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) > 0]
    _refuse_open(corners, path.name)
    volume = np.einsum("ni,ni->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))
    return Facets(corners if volume > 0 else corners[:, ::-1]), hashlib.sha256(content).hexdigest()


def _path(file: Any, example: str) -> Path:
    if not isinstance(file, str) or not file.strip():
        raise BadInput(f"needs the name of a file, for instance file: {example}")
    path = Path(file).absolute()
    if not path.is_file():
        raise BadInput(f"{path} is a folder" if path.is_dir() else f"no file '{path}'")
    return path


def _triangles(content: bytes, name: str) -> Array:
    """Return the corners of the triangles of a binary or an ASCII file, (triangles, 3, 3)."""
    count = int.from_bytes(content[HEADER - 4 : HEADER], "little") if len(content) >= HEADER else -1
    if len(content) == HEADER + RECORD * count and count > 0:
        records = np.frombuffer(content, np.uint8, offset=HEADER).reshape(count, RECORD)
        return records[:, 12:48].copy().view("<f4").reshape(count, 3, 3).astype(float)
    words = content.split()
    places = [number + 1 for number, word in enumerate(words) if word == b"vertex"]
    try:
        numbers = np.array([[float(word) for word in words[place : place + 3]] for place in places])
        return numbers.reshape(-1, 3, 3) if len(numbers) else _refuse(name)
    except ValueError:
        return _refuse(name)


def _refuse(name: str) -> Array:
    raise BadInput(f"{name} is no STL file, neither binary nor ASCII, or a part of it is missing")


def _refuse_open(corners: Array, name: str) -> None:
    _, numbers = np.unique(corners.reshape(-1, 3), axis=0, return_inverse=True)
    numbers = numbers.reshape(-1, 3)
    edges = np.concatenate([numbers[:, [0, 1]], numbers[:, [1, 2]], numbers[:, [2, 0]]])
    _, where, counts = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True, return_counts=True)
    if num_open := int((counts % 2).sum()):
        raise BadInput(f"the mesh {name} has {num_open} open edges; it must be closed")
    directions = np.bincount(where.reshape(-1), weights=np.where(edges[:, 0] < edges[:, 1], 1, -1))
    if num_turned := int((directions != 0).sum()):
        raise BadInput(f"the mesh {name} has {num_turned} edges between triangles that are wound in different directions")


def read_outline(file: Any) -> Array:
    """Return the corners (corners, 2) of a polygon from a file with two columns of numbers, with or without a line of names.

    Raises
    ------
    BadInput : no such file, a line that is no pair of numbers.
    """
    rows: list[list[float]] = []
    path = _path(file, "outline.csv")
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split("#")[0].replace(",", " ").replace(";", " ").split()
        try:
            row = [float(word) for word in words]
        except ValueError:
            if not rows:
                continue
            row = []
        if words and (len(row) != 2 or not np.isfinite(row).all()):
            raise BadInput(f"{path.name} line {number}: must be two numbers, got '{line.strip()}'")
        rows += [row] if words else []
    if len(rows) > 1 and rows[0] == rows[-1]:
        rows.pop()
    if len(rows) < 3:
        raise BadInput(f"{path.name} has {len(rows)} corners, at least three are needed")
    return np.array(rows)
