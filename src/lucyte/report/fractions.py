"""State fractions over time: one point per independent unit."""

from __future__ import annotations

from markupsafe import Markup

from lucyte.report.content import ReportContent
from lucyte.report.looks import condition_styles
from lucyte.report.markup import join, tag
from lucyte.report.palette import natural
from lucyte.report.section import Figures, Section, missing
from lucyte.report.units_plot import Scale, UnitsPlot, units_plot
from lucyte.report.wording import count, listed, plural, short, things_of, unit_word

MOST_STATES = 6


def fractions_section(content: ReportContent, figures: Figures) -> Section:
    """One drawing per state; with two states one, for the other is its mirror."""
    title, table = "States", content.fractions
    if table.empty:
        why = "no states were assigned"
        return Section("states", title, absent=missing(content, "classify", why))
    table = table.assign(
        condition=table["condition"].astype(str),
        unit=table["plate"].astype(str) + " " + table["well"].astype(str),
        value=table["fraction"],
    )
    found = natural(table["state"])
    states = [s for s in content.states.classes if s in found] if content.states else found
    shown = states[1:] if len(states) == 2 else states
    looks = condition_styles(content)
    parts: list[Markup] = []
    for state in shown[:MOST_STATES]:
        own = table[table["state"] == state]
        scale = Scale(
            f"fraction of {things_of(content.kind)} called {short(state, 30)}",
            content.unit_word,
            (-0.03, 1.03),
            content.interval_s,
        )
        plot = units_plot(own, looks, scale)
        parts.append(figures.figure(f"fraction-{len(parts)}", plot.svg, _caption(content, plot)))
    return Section("states", title, join([_how(content, states), *parts]))


def _caption(content: ReportContent, plot: UnitsPlot) -> str:
    return f"One point per {content.unit_word}; {reading(plot)}{left_out(plot)}"


def reading(plot: UnitsPlot) -> str:
    """How the lines of a drawing are to be read."""
    return {
        "time": "thin lines join the points of one unit, the thick line is their mean.",
        "panels": "thin lines join the points of one unit, the thick line is their mean; "
        "grey: the mean of all.",
        "beside": "the upright stroke is the mean; in brackets the number of units.",
        "dose": "the line joins the means.",
    }[plot.layout]


def left_out(plot: UnitsPlot) -> str:
    """What did not fit, in a sentence."""
    return f" {count(plot.left_out, 'further condition')} not drawn." if plot.left_out else ""


def _how(content: ReportContent, states: list[str]) -> Markup:
    info = content.states
    if info is None:
        return tag("p", f"States: {listed(states, 12)}.")
    kind, things = content.kind, things_of(content.kind)
    mirror = f" The rest of the {things} are called {states[0]}." if len(states) == 2 else ""
    group = unit_word(info.group)
    names = listed(list(info.classes))
    among = names.replace(" and ", " or ") if len(info.classes) < 4 else f"one of {names}"
    words = (
        f"Each {kind} was called {among} by a model that learned the column “{info.target}” and "
        f"never saw that {kind}: the {things} of one {group} stay together when the data are "
        f"split ({info.groups} independent {plural(group)}).{mirror} "
        "Whether the calls may be believed is in the findings above."
    )
    return tag("p", words)
