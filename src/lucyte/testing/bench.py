"""``lucyte bench``: the table of benchmarks, and the page they are written to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from lucyte.io.atomic import write_text
from lucyte.pipeline.progress import step
from lucyte.schema.errors import LucyteError, unknown
from lucyte.testing.machine import OtherWork, describe_machine
from lucyte.testing.outcome import Outcome, markdown_table


class Row(NamedTuple):
    """A row of the table of benchmarks.

    Attributes
    ----------
    name : str
    module : str
        Has ``measure() -> Outcome``.
    what : str
        What is measured, in words.
    peer : str
        What stands beside it in the same run; empty for none.
    """

    name: str
    module: str
    what: str
    peer: str = ""


HOME = "lucyte.testing.benchmarks"
ROWS: tuple[Row, ...] = (
    Row("start", f"{HOME}.start", "`lucyte --help`, wall time"),
    Row("demo", f"{HOME}.demo", "`lucyte demo` on 2 conditions x 6 wells x 2 sites x 5 frames"),
    Row("memory", f"{HOME}.memory", "peak memory of `lucyte run` for 200 fields and for 20"),
    Row(
        "features",
        f"{HOME}.features",
        "the same feature columns of about 2,600 nuclei x 3 channels",
        "scikit-image",
    ),
    Row("track", f"{HOME}.track", "linking 100 frames x 300 objects", "laptrack"),
    Row(
        "explain",
        f"{HOME}.explain",
        "attribution methods on models whose reasons are known: true spots against decoys",
        "maps that know nothing of the model",
    ),
    Row(
        "evidence",
        f"{HOME}.evidence",
        "challenges of a model on planted shortcuts and on shams (a small round of the matrix)",
    ),
    Row("simulate", f"{HOME}.simulate", "a 5-frame field of 2048x2048 px with 250 cells"),
)
PAGE_HEAD = """\
# Benchmarks

Written by `lucyte bench`; do not edit. Both sides of a comparison are measured in the same run on
the same machine. Nothing here is asserted by a test.
"""


def run_benchmarks(names: Sequence[str], out: Path, rows: Sequence[Row] = ROWS) -> str:
    """Measure, write the page, and return what was found in a few lines.

    Parameters
    ----------
    names : sequence of str
        Which benchmarks; empty for all.
    out : Path
        The page. Sections of benchmarks that were not asked for stay as they are.
    rows : sequence of Row
        The benchmarks on offer.

    Raises
    ------
    UsageError
        Unknown name.
    LucyteError
        A benchmark failed; the others are measured and written first.
    """
    table = {row.name: row for row in rows}
    for name in names:
        if name not in table:
            raise unknown("benchmark", name, table)
    sections = read_sections(out)
    told: list[str] = []
    failed: list[str] = []
    for row in rows:
        if names and row.name not in names:
            continue
        others = OtherWork()
        with step(f"Benchmark {row.name}", 1) as done:
            try:
                outcome: Outcome = import_module(row.module).measure()
            except LucyteError as error:
                failed.append(f"{row.name}: {error}")
                outcome = Outcome(f"failed: {error}")
            done()
        sections[row.name] = section(outcome, others.share())
        told.append(f"{row.name}: {outcome.verdict.replace('**', '')}")
        told += [f"  {line}" for line in outcome.markdown().splitlines()]
        write_text(out, page(rows, sections))
    if failed:
        raise LucyteError("; ".join(failed))
    return "\n".join([*told, f"Wrote {out}."])


def section(outcome: Outcome, others: float) -> str:
    """Verdict, table, notes, and where and when it was measured."""
    parts = [outcome.verdict, outcome.markdown(), describe_machine(others)]
    return "\n\n".join(part for part in parts if part)


def page(rows: Sequence[Row], sections: Mapping[str, str]) -> str:
    """The whole page: a summary, then a section per benchmark in the order of the table."""
    present = [row for row in rows if row.name in sections]
    summary = tuple(
        {
            "": f"[{row.name}](#{row.name})",
            "what": row.what,
            "beside": row.peer or "-",
            "result": sections[row.name].splitlines()[0],
        }
        for row in present
    )
    parts = [PAGE_HEAD, markdown_table(summary)]
    parts += [f"## {row.name}\n\n{sections[row.name]}" for row in present]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def read_sections(path: Path) -> dict[str, str]:
    """The sections of a page written before; empty where there is none."""
    if not path.is_file():
        return {}
    parts = re.split(r"^## (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}
