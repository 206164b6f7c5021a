"""Feature readouts per condition: unit means, one point per independent unit."""

from __future__ import annotations

from markupsafe import Markup

from lucyte.report.content import ReportContent
from lucyte.report.fractions import left_out, reading
from lucyte.report.looks import condition_styles
from lucyte.report.markup import join, tag
from lucyte.report.section import Figures, Section, missing
from lucyte.report.units_plot import Scale, units_plot
from lucyte.report.wording import count, feature_words, sentence, things_of

MOST_FEATURES = 8


def features_section(content: ReportContent, figures: Figures) -> Section:
    """One drawing per feature, in the order in which the table names them."""
    title, table = "Measurements", content.features
    if table.empty:
        why = "no feature was chosen to be shown"
        return Section("features", title, absent=missing(content, "measure", why))
    table = table.assign(
        condition=table["condition"].astype(str),
        unit=table["plate"].astype(str) + " " + table["well"].astype(str),
    )
    looks = condition_styles(content)
    names = list(dict.fromkeys(table["feature"].astype(str)))
    parts: list[Markup] = []
    for name in names[:MOST_FEATURES]:
        own = table[table["feature"].astype(str) == name]
        label = feature_words(name, content.kind)
        scale = Scale(label, content.unit_word, None, content.interval_s)
        plot = units_plot(own, looks, scale)
        caption = (
            f"{sentence(label)}. One point per {content.unit_word}, the mean over its "
            f"{things_of(content.kind)}; {reading(plot)}{left_out(plot)}"
        )
        parts.append(figures.figure(f"feature-{len(parts)}", plot.svg, caption))
    if len(names) > MOST_FEATURES:
        more = f"{count(len(names) - MOST_FEATURES, 'further feature')} in objects.parquet."
        parts.append(tag("p", more, class_="note"))
    return Section("features", title, join(parts))
