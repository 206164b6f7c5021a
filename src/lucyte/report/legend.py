"""What the colours and marks stand for, in words beside them."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from lucyte.report.markup import join, plain, tag
from lucyte.report.palette import Style, ink_on
from lucyte.report.wording import named


def mark_path(mark: str, x: float, y: float, r: float) -> str:
    """A mark of radius ``r`` as SVG path commands; short, for thousands of them."""
    at = f"M{plain(x)} {plain(y)}"
    p, q, s = plain(float(r)), plain(float(0.9 * r)), plain(float(0.45 * r))
    d = plain(2 * float(r))
    wide = plain(2 * 0.9 * r)
    if mark == "circle":
        return f"{at}m-{p} 0a{p} {p} 0 1 0 {d} 0a{p} {p} 0 1 0 -{d} 0"
    if mark == "square":
        return f"{at}m-{q} -{q}h{wide}v{wide}h-{wide}z"
    if mark == "triangle":
        return f"{at}m0 -{p}l{p} {plain(1.75 * r)}h-{d}z"
    if mark == "diamond":
        t = plain(1.2 * r)
        return f"{at}m0 -{t}l{p} {t}l-{p} {t}l-{p} -{t}z"
    if mark == "cross":
        return (
            f"{at}m-{p} -{s}l{s} -{s}l{s} {s}l{s} -{s}l{s} {s}l-{s} {s}l{s} {s}l-{s} {s}"
            f"l-{s} -{s}l-{s} {s}l-{s} -{s}l{s} -{s}z"
        )
    return (
        f"{at}m-{s} -{p}h{plain(0.9 * r)}v{plain(0.55 * r)}h{plain(0.55 * r)}v{plain(0.9 * r)}"
        f"h-{plain(0.55 * r)}v{plain(0.55 * r)}h-{plain(0.9 * r)}v-{plain(0.55 * r)}"
        f"h-{plain(0.55 * r)}v-{plain(0.9 * r)}h{plain(0.55 * r)}z"
    )


def sample(style: Style) -> Markup:
    """One mark, as large as the text beside it."""
    path = tag("path", d=mark_path(style.mark, 7, 7, 5), fill=style.colour)
    return tag("svg", path, viewBox="0 0 14 14", class_="mark", aria_hidden="true")


def legend(
    looks: Mapping[str, Style],
    marks: bool = True,
    letters: Mapping[str, str] | None = None,
    what: str = "condition",
) -> Markup:
    """A line of marks (or lettered blocks) and names."""
    items = []
    for name, style in looks.items():
        sign = sample(style) if marks else _block(style, (letters or {}).get(name, ""))
        items.append(tag("li", sign, " ", named(name, what)))
    return tag("ul", join(items), class_="legend")


def _block(style: Style, letter: str) -> Markup:
    text = tag("text", letter, x=8, y=11.5, text_anchor="middle", fill=ink_on(style.colour))
    box = tag("rect", width=16, height=16, rx=3, fill=style.colour)
    return tag("svg", box, text, viewBox="0 0 16 16", class_="block", aria_hidden="true")
