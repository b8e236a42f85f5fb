"""HTML put together so that text can never become markup: strings are escaped unless they are `Html` already."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path

_MEDIA = {".png": "image/png", ".gif": "image/gif", ".svg": "image/svg+xml"}
SCALE = 0.6
_VOID = {"img", "br", "hr", "meta"}


class Html(str):
    """Text that is markup and is inserted as it is."""

    __slots__ = ()


def element(name: str, /, *children: object, **attributes: object) -> Html:
    """Return ``<name attributes>children</name>``; children that are not `Html` are escaped, so are all attributes.

    A trailing underscore of an attribute is dropped (``class_``); None leaves an attribute out.
    """
    given = "".join(f' {key.rstrip("_")}="{html.escape(str(value))}"' for key, value in attributes.items() if value is not None)
    if name in _VOID:
        return Html(f"<{name}{given}>")
    return Html(f"<{name}{given}>{join(children)}</{name}>")


def join(children: Iterable[object]) -> Html:
    """Return all children one after the other, escaped where they are not `Html`; None is nothing."""
    return Html("".join(child if isinstance(child, Html) else html.escape(str(child)) for child in children if child is not None))


def table(head: Sequence[object], rows: Iterable[Sequence[object]], numbers: Sequence[int] = ()) -> Html:
    """Return a table; columns whose index is in ``numbers`` are set to the right."""
    kinds = ["number" if k in numbers else None for k in range(len(head))]
    top = element("tr", *(element("th", cell, class_=kind) for cell, kind in zip(head, kinds, strict=True)))
    body = [element("tr", *(element("td", cell, class_=kind) for cell, kind in zip(row, kinds, strict=True))) for row in rows]
    return element("div", element("table", element("thead", top), element("tbody", *body)), class_="wide")


def picture(path: Path, text: str) -> Html:
    """Return an image whose data stand in the page itself; ``text`` describes it for those who cannot see it.

    PNG files are shown at one scale, so that letters have the same size in all of them.
    """
    data = path.read_bytes()
    source = f"data:{_MEDIA[path.suffix]};base64,{base64.b64encode(data).decode('ascii')}"
    return element("img", src=source, alt=text, width=_width(data))


def _width(data: bytes) -> int | None:
    """Return the shown width of a PNG file: its width in pixels stands in bytes 16 to 20."""
    return round(SCALE * int.from_bytes(data[16:20], "big")) if data.startswith(b"\x89PNG") else None
