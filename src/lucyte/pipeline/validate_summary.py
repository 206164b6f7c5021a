"""What ``lucyte validate`` prints: the answer, then the scores that fit, then what to mind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from lucyte.pipeline.validate_fit import Advice, pooled_interval
from lucyte.pipeline.validated import Comparison
from lucyte.stats.goodness import find_measure
from lucyte.stats.intervals import unit_score_interval

Row = dict[str, Any]


def summary(found: Comparison) -> dict[str, Row]:
    """Every score with its mean over units, interval, pooled value, and which way is better."""
    rows: dict[str, Row] = {}
    for name in [*found.table.columns, *found.pooled]:
        measure = find_measure(str(name))
        if measure is None or name in rows:
            continue
        rows[str(name)] = {"better": measure.better, "pooled": _number(found.pooled.get(name))}
        if name not in found.table.columns or found.answers is not None:
            continue
        values = found.table[name].to_numpy(dtype=float)
        known = int(pd.notna(values).sum())
        rows[str(name)] |= {"rows": len(values), "rows_undefined": len(values) - known}
        if known:
            units = found.table[found.unit].astype(str).to_numpy()
            interval = unit_score_interval(values, units, (measure.low, measure.high))
            rows[str(name)] |= {
                "mean": interval.estimate,
                "low": interval.low,
                "high": interval.high,
                "n": interval.n,
                "interval": interval.method,
            }
    return rows


def fill(rows: dict[str, Row], shown: Mapping[str, str], found: Comparison, advice: Advice) -> None:
    """Add intervals of scores over all rows, and the reason where one is not defined."""
    for name in shown:
        row = rows[name]
        if "mean" not in row and row["pooled"] is not None:
            interval = pooled_interval(name, found, advice)
            if interval is not None:
                row |= {"low": interval.low, "high": interval.high, "n": interval.n}
                row["interval"] = interval.method
        if "mean" not in row and row["pooled"] is None:
            measure = find_measure(name)
            needs = f"it needs {measure.needs}" if measure else ""
            row["undefined"] = found.undefined.get(name, needs)


def told(
    found: Comparison, task: str, rows: Mapping[str, Row], shown: Mapping[str, str], advice: Advice
) -> list[str]:
    """The answer, the table of scores, the answers to what else was asked."""
    units = found.table[found.unit].nunique()
    plural = "s" if units != 1 else ""
    unit = found.unit.removesuffix("_id")
    over = "Over" if found.answers is not None else "Mean over"
    findings = found.findings
    lines = [findings[0].why]
    lines += [f"{name} fits badly here: {why}" for name, why in advice.warnings.items()]
    alike = ", each counting once" if found.answers is not None else ""
    count = f"{len(found.table)} {found.noun}"
    lines.append(f"{over} {count} ({task}){alike}, n = {units} {unit}{plural}:")
    lines += _table(rows, shown or dict.fromkeys(rows, ""))
    more = len(rows) - len(shown)
    if shown and more:
        lines.append(f"  ... and {more} more in evidence.json; --metric NAME shows one.")
    for each in findings[1:]:
        if each.name.startswith(("accuracy.readout", "accuracy.conclusion", "accuracy.paired",
                                 "accuracy.expected_cost")):  # fmt: skip
            lines.append(f"{each.verdict}: {each.why}")
    return lines


def cautions(found: Comparison, advice: Advice) -> list[str]:
    """Warnings on scores asked for, pitfalls and notes, each a line."""
    lines = [each.text for each in advice.pitfalls]
    notes = [
        note
        for note in found.notes
        if not (advice.pitfalls and note.startswith("Groups are not known"))
    ]
    lines += notes
    return ["Mind:", *(f"  - {line}" for line in lines)] if lines else []


def _table(rows: Mapping[str, Row], shown: Mapping[str, str]) -> list[str]:
    width = max([len(name) for name in shown] + [5])
    means = any("mean" in rows[name] for name in shown)
    first, last = ("mean", "  pooled") if means else ("value", "")
    why = "  why" if any(shown.values()) else ""
    lines = [f"  {'score':<{width}}  better  {first:>7}  {'95 % interval':<16}{last}{why}"]
    for name, reason in shown.items():
        row = rows[name]
        if row.get("undefined"):
            lines.append(f"  {name:<{width}}  {row['better']:<6}  not defined: {row['undefined']}")
            continue
        value = row.get("mean", None if means else row["pooled"])
        low, high = row.get("low"), row.get("high")
        interval = "-" if low is None or high is None else f"{_short(low)} to {_short(high)}"
        pooled = f"  {_short(row['pooled']):>6}" if means else ""
        end = f"  {reason}" if reason else ""
        lines.append(
            f"  {name:<{width}}  {row['better']:<6}  {_short(value):>7}  {interval:<16}"
            f"{pooled}{end}".rstrip()
        )
    return lines


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
