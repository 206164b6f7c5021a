"""What each feature added to a cell's score: bars that add up."""

from __future__ import annotations

from markupsafe import Markup

from lucyte.report.markup import drawing, tag
from lucyte.report.palette import diverging
from lucyte.report.wording import count, feature_words, number, short
from lucyte.schema.explanation import Explanation

TOP = 8
WIDTH, LABEL, ROW = 680.0, 265.0, 19.0


def shares(explanation: Explanation, kind: str = "cell", top: int = TOP) -> list[tuple[str, float]]:
    """The largest contributions in words, then the rest in one line; they sum to the whole."""
    items = sorted(explanation.contributions.items(), key=lambda each: (-abs(each[1]), each[0]))
    rows = [(feature_words(name, kind), float(value)) for name, value in items[:top]]
    rest = items[top:]
    if rest:
        total = float(sum(value for _, value in rest))
        rows.append((f"{count(len(rest), 'other feature')} together", total))
    return rows


def contribution_bars(explanation: Explanation, limit: float, kind: str = "cell") -> Markup:
    """Horizontal bars on a common scale, for to the right, against to the left."""
    rows = shares(explanation, kind)
    middle = LABEL + (WIDTH - LABEL) / 2
    reach = (WIDTH - LABEL) / 2 - 44
    height = len(rows) * ROW + 4
    parts = [tag("line", x1=middle, x2=middle, y1=0, y2=height, class_="axis")]
    for i, (name, value) in enumerate(rows):
        y = i * ROW + 3
        size = min(abs(value) / limit, 1.0) * reach
        x = middle if value >= 0 else middle - size
        end = middle + size + 4 if value >= 0 else middle - size - 4
        anchor = "start" if value >= 0 else "end"
        look = {"fill": diverging(0.67 if value >= 0 else -0.67), "stroke": "#1d2329"}
        dash = None if value >= 0 else "2 2"
        label = tag("text", short(name, 42), x=LABEL - 8, y=y + 10.5, text_anchor="end")
        bar = tag("rect", x=x, y=y, width=size, height=13, stroke_dasharray=dash, **look)
        amount = tag("text", _signed(value), x=end, y=y + 10.5, text_anchor=anchor, class_="amount")
        parts.append(tag("g", tag("title", name), label, bar, amount))
    alt = f"Contributions to the score for {explanation.target}: " + "; ".join(
        f"{name} {_signed(value)}" for name, value in rows
    )
    return drawing(WIDTH, height, *parts, alt=alt, class_="contributions")


def largest(explanations: list[Explanation]) -> float:
    """The largest share that any of them draws; 1 where there is none."""
    return max((abs(v) for each in explanations for _, v in shares(each)), default=0.0) or 1.0


def _signed(value: float) -> str:
    return number(value) if value < 0 else f"+{number(value)}"
