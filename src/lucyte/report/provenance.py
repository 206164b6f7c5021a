"""How this page came about: the command, the plan, and what the run wrote down of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from lucyte.report.content import ReportContent
from lucyte.report.details import records
from lucyte.report.markup import join, tag
from lucyte.report.section import Figures, Section
from lucyte.report.table import table
from lucyte.report.template import fill
from lucyte.report.wording import feature_words, number, sentence, span

MOST_ROWS = 60


def provenance_section(content: ReportContent, figures: Figures) -> Section:
    """Command, plan, provenance."""
    body = fill(
        "provenance.html",
        command=content.command,
        plan=plan_text(content),
        facts=facts(content.provenance),
    )
    return Section("provenance", "How to repeat this", body)


def plan_text(content: ReportContent) -> str:
    """The plan as TOML, every default written out."""
    import tomli_w

    return tomli_w.dumps(content.plan.model_dump(mode="json", exclude_none=True)).strip()


def facts(found: Mapping[str, Any]) -> Markup:
    """Plain values as one table, then each mapping and each list of mappings as its own."""
    plain = {k: v for k, v in found.items() if not isinstance(v, Mapping) and not records(v)}
    parts = [_pairs(plain, "Run")] if plain else []
    for key, value in found.items():
        if isinstance(value, Mapping) and value:
            parts.append(_pairs(value, feature_words(key)))
        elif records(value):
            rows = [{_heading(k): _text(k, v) for k, v in row.items()} for row in value[:MOST_ROWS]]
            parts.append(table(rows, sentence(feature_words(key)), hide_caption=False))
    return join(parts)


def _pairs(found: Mapping[str, Any], title: str) -> Markup:
    rows = join(
        tag(
            "tr",
            tag("th", feature_words(str(key)), scope="row"),
            tag("td", _text(str(key), value), class_="long"),
        )
        for key, value in list(found.items())[:MOST_ROWS]
    )
    return tag("table", tag("caption", sentence(title)), tag("tbody", rows), class_="pairs")


def _heading(key: str) -> str:
    return {"seconds": "time", "wall_s": "time"}.get(key, feature_words(key))


def _text(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "unknown"
    if isinstance(value, int | float):
        if key in ("seconds", "wall_s") or key.endswith("_seconds"):
            return span(float(value))
        if key in ("seed", "seeds", "pid") or key.endswith("_seed"):
            return str(value)
        return number(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_text(str(k), v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        shown = ", ".join(_text(key, each) for each in value[:MOST_ROWS])
        return shown + (f" … ({len(value)} in all)" if len(value) > MOST_ROWS else "")
    return str(value)
