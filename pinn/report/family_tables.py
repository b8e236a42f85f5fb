"""Tables of a family of problems for the page: the error at every value that was judged, and statistics of quantities."""

from __future__ import annotations

from collections.abc import Mapping

from pinn.report.folder import RunData
from pinn.report.markup import Html, element, table
from pinn.report.wording import is_number, number

SOURCES = {"exact": "exact", "finite_difference": "finite differences", "estimate": "estimated", "none": "not known"}


def members(data: RunData) -> Html | None:
    """Return the table of errors at single values of the parameters; None for a plain problem."""
    rows = data.metric("parameters.values", [])
    if not rows:
        return None
    names = list(rows[0]["values"])
    body = []
    for row in rows:
        error = row.get("relative_l2")
        shown = number(error) if is_number(error) else f"≤ {number(row.get('at_most'))}"
        bar = "exact" if row.get("reference") == "exact" else number(row.get("reference_error"))
        known = SOURCES.get(str(row.get("source")), "")
        body.append((*(number(row["values"][name], 4) for name in names), shown, known, bar, number(row.get("estimate"))))
    head = (*names, "relative L² error", "known from", "error of the reference", "error estimated without a reference")
    last = len(names)
    return element("section", element("h2", "Parameters"), table(head, body, numbers=(*range(last + 1), last + 2, last + 3)))


def spreads(data: RunData) -> Html | None:
    """Return mean, standard deviation and quantiles of quantities; None where parameters have no distribution."""
    found = data.metric("statistics", {})
    if not isinstance(found, Mapping) or not found:
        return None
    parts = list(next(iter(found.values()))["quantiles"])
    rows = [
        (name, *(number(each, 5) for each in (item["mean"], item["variance"], item["std"], *item["quantiles"].values())))
        for name, item in found.items()
    ]
    head = ("quantity", "mean", "variance", "standard deviation", *(f"{float(part):.0%} quantile" for part in parts))
    return element("section", element("h2", "Statistics"), table(head, rows, numbers=tuple(range(1, len(head)))))
