"""Matplotlib figures as inline SVG in the page's own type, the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from lucyte.report.markup import tag

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1d2329"
SOFT = "#5b6670"
LINE = "#d9dee3"

_RC: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: selectable, searchable, in the page's type
    "svg.hashsalt": "lucyte",
    "text.parse_math": False,  # a condition may be called "$x$"
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": "#e8ebee",
    "grid.linewidth": 0.8,
}


def chart(size_in: tuple[float, float], draw: Callable[[Figure], None], alt: str) -> Markup:
    """Draw on a figure of that size and give it as inline SVG.

    Parameters
    ----------
    size_in : tuple of float
        Width and height in inches; 9 inches are the page's column.
    draw : callable
        Receives the empty figure.
    alt : str
        What the picture says, for those who do not see it.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(_RC):  # type: ignore[arg-type]
        figure = Figure(figsize=size_in, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        buffer = io.StringIO()
        figure.savefig(
            buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    return _inline(buffer.getvalue(), alt, size_in[0] * 96)


def quiet(axes: Axes, grid: str = "y") -> None:
    """A light grid along one axis, no ticks, plain numbers; before any tick labels are set."""
    if grid:
        axes.grid(axis=grid)  # type: ignore[arg-type]
    axes.tick_params(length=0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(_plain_number)


def _plain_number(value: float, _: float) -> str:
    return f"{value:,.10g}".replace("-", "−")


def _inline(svg: str, alt: str, width_px: float) -> Markup:
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.S)
    body = re.sub(r"<style .*?</style>\s*", "", body, flags=re.S)  # would style the whole page
    body = re.sub(r'<g id="[^"]*"', "<g", body)  # would repeat from figure to figure
    body = re.sub(r'style="font: ([^;"]*?)(\d[\d.]*px)[^;"]*', _font, body)
    body = re.sub(r"""(style="[^"]*?)font-family: [^;"]*;? ?""", r"\1", body)  # the page's own type
    own = hashlib.sha256(body.encode("utf-8")).hexdigest()[:8]
    body = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>f{own}-", body)  # alike in alike figures
    box = re.search(r'viewBox="[^"]*"', body)
    opening = (
        f'<svg {box[0] if box else ""} role="img" class="chart" '
        f'style="width:100%;max-width:{width_px:.0f}px;height:auto">'
    )
    return Markup(re.sub(r"<svg[^>]*>", lambda _: opening + str(tag("title", alt)), body, count=1))


def _font(match: re.Match[str]) -> str:
    """The shorthand that matplotlib before 3.11 writes, without the family."""
    bold = "bold" in match[1] or "700" in match[1]
    return f'style="{"font-weight: bold; " if bold else ""}font-size: {match[2]}'
