"""What a person calls a problem, so that lists can be read by kind; nothing that is computed depends on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pinn.problem.settings import BadInput, nearest

CLASSES = {
    "elliptic": "steady fields",
    "parabolic": "diffusion and reaction",
    "hyperbolic": "waves",
    "dispersive": "solitons and other dispersive waves",
    "flow": "fluids",
    "mechanics": "solids",
    "quantum": "wave functions",
    "finance": "options and bonds",
    "ordinary": "ordinary differential equations",
    "nonlocal": "memory and delay",
    "inverse": "what is found from data",
    "family": "families of problems",
}
"""Words for the key ``class``, in the order in which they are listed, and their headings."""


def read_class(mapping: Mapping[str, Any], at: Callable) -> str:
    """Return what the problem is called under ``class``; empty where it is not said.

    Raises
    ------
    BadInput : a word that is not in `CLASSES`.
    """
    found = str(mapping.get("class") or "")
    with at("class"):
        if found and found not in CLASSES:
            raise BadInput(f"must be one of {', '.join(CLASSES)}, got {found!r}{nearest(found, CLASSES)}")
    return found
