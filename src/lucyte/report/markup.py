"""Elements whose text and attributes are always escaped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from markupsafe import Markup, escape

NOTHING = Markup("")


def tag(name: str, *children: str | Markup, **attributes: Any) -> Markup:
    """One element; ``class_`` is ``class``, ``text_anchor`` is ``text-anchor``.

    Plain strings are escaped, Markup is not. Attributes that are None are left out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(str(escape(child)) for child in children)
    if not inside and name in ("image", "line", "rect", "circle", "path", "img", "polyline"):
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{inside}</{name}>")


def join(parts: Iterable[str | Markup], between: str | Markup = "") -> Markup:
    """Parts one after another, plain strings escaped."""
    return Markup(escape(between)).join(escape(part) for part in parts)


def plain(value: Any) -> str:
    """An attribute's text; numbers to at most two decimals, to keep the page small."""
    if isinstance(value, float) or hasattr(value, "dtype"):
        text = f"{float(value):.2f}".rstrip("0").rstrip(".")
        return "0" if text in ("-0", "") else text
    return str(value)


def drawing(width: float, height: float, *children: str | Markup, alt: str, **more: Any) -> Markup:
    """An inline SVG with a text alternative, that shrinks with the page and never grows."""
    style = f"width:100%;max-width:{width:.0f}px;height:auto"
    return tag(
        "svg",
        tag("title", alt),
        *children,
        viewBox=f"0 0 {plain(float(width))} {plain(float(height))}",
        role="img",
        style=more.pop("style", style),
        **more,
    )
