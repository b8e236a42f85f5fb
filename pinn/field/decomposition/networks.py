"""Which network there is in each cell, where boxes have networks of their own, and how large they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pinn.field.decomposition.settings import NETWORK, Decomposition, supports
from pinn.field.layout import Layout
from pinn.field.network.network import Network
from pinn.problem.settings import BadInput, normalise

if TYPE_CHECKING:
    from pinn.field.cells.cover import Cover
    from pinn.problem.problem import Problem


class Kind(NamedTuple):
    """Cells of a cover, (cells,) numbers that rise, whose networks have equal settings."""

    network: Network
    cells: np.ndarray


def kinds(decomposition: Decomposition, network: Network, cover: Cover) -> list[Kind]:
    """Return the kinds of networks in the cells of a cover, in the order of their first cells.

    Parameters
    ----------
    network : of cells that have none of their own; boxes may say in what theirs differ from it.

    Raises
    ------
    BadInput : a setting that the network does not have, a network that cannot be in a cell.
    """
    own = networks(decomposition.boxes, network) or [network] * cover.num_cells
    different: list[Network] = []
    for each in own:
        if each not in different:
            different.append(each)
    return [Kind(each, np.array([cell for cell, other in enumerate(own) if other == each])) for each in different]


def networks(boxes: Sequence[Mapping], network: Network) -> list[Network]:
    """Return the network of each box; arguments and errors as for `kinds`."""
    found = []
    for number, box in enumerate(boxes):
        try:
            found.append(_network(box.get(NETWORK), network))
        except BadInput as error:
            raise error.under(f"decomposition.boxes[{number}].{NETWORK}") from None
    return found


def _network(own: Any, network: Network) -> Network:
    if isinstance(own, Mapping):
        usual = {field.name: getattr(network, field.name) for field in dataclasses.fields(network)}
        own = normalise({**usual, **own}, type(network), {})
    found = network if own is None else own
    if not isinstance(found, Network):
        raise BadInput(f"must be the settings that differ, or those of a network for cells, got {own!r}")
    if found.factorisation.mean is not None:
        raise BadInput("must be null with a decomposition", "factorisation.mean")
    return found


class Members(NamedTuple):
    """How large a decomposed field is.

    Attributes
    ----------
    num_params : parameters of each network, level by level, (networks,).
    seen : how many networks see a point on average. active : how many parameters they have.
    networks : all different settings.
    """

    num_params: np.ndarray
    seen: float
    active: float
    networks: list[Network]


def members(decomposition: Decomposition, network: Network, problem: Problem) -> Members:
    """Return how large a field with a network in every cell is."""
    each, shares, different = [], [], []
    for cover, boxes in supports(decomposition, problem):
        sizes = np.empty(cover.num_cells, int)
        for kind, cells in kinds(decomposition, network, cover):
            sizes[cells] = Layout(kind.shapes((1,) * problem.dim, len(problem.unknowns))).num_params
            different += [kind] if kind not in different else []
        each.append(sizes)
        shares.append(np.prod(np.ptp(boxes, axis=2), axis=1) / np.prod(np.ptp(cover.domain, axis=1)))
    num_params, share = np.concatenate(each), np.concatenate(shares)
    return Members(num_params, float(share.sum()), float(share @ num_params), different)
