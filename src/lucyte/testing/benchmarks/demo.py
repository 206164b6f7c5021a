"""The whole job on the demo plate, as a new user meets it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from lucyte.io.write_table import read_parquet
from lucyte.schema.errors import LucyteError
from lucyte.testing.outcome import Outcome
from lucyte.testing.process import Finished, lucyte_command, watch

GOAL_S = 180.0
PLATE = {"conditions": 2, "wells": 12, "fields": 24, "frames": 120, "size_px": 512}


def measure() -> Outcome:
    """Once with nothing compiled yet (as after installation), once again in a new folder.

    Raises
    ------
    LucyteError
        The demo failed, or is no longer the plate that the goal is set for.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fresh = {"NUMBA_CACHE_DIR": str(folder / "numba"), "MPLCONFIGDIR": str(folder / "mpl")}
        runs = {}
        for which in ("first run", "second run"):
            done = watch([*lucyte_command(), "demo", "-o", str(folder / which)], fresh)
            check_plate(folder / which)
            runs[which] = (done, stage_facts(folder / which))
    first, second = (done.seconds for done, _ in runs.values())
    used = [done.processor_s for done, _ in runs.values()]
    return Outcome(
        f"{first:.0f} s after installation, {second:.0f} s once compiled",
        f"under {GOAL_S:.0f} s",
        first < GOAL_S,
        stage_rows(runs),
        (
            "First run: with no compiled code and no font cache, as right after installation.",
            f"On the processor {used[0]:.0f} s and {used[1]:.0f} s, all processes added: a busy "
            "machine changes that less.",
            "Memory is that of the process plus its largest worker up to the end of the stage.",
        ),
    )


def check_plate(run: Path) -> None:
    """Refuse a demo that did other work than the goal is set for."""
    flags = read_parquet(run / "flags.parquet")
    world = json.loads((run / "plate" / "world.json").read_text(encoding="utf-8"))
    got = {
        "conditions": flags["condition"].nunique(),
        "wells": flags["well"].nunique(),
        "fields": flags["field_id"].nunique(),
        "frames": len(flags),
        "size_px": world["settings"]["layout"]["size_px"],
    }
    if got != PLATE:
        raise LucyteError(f"the demo plate is {got}, its goal is set for {PLATE}.")


def stage_facts(run: Path) -> dict[str, dict[str, Any]]:
    """Seconds and memory per stage, as the run itself recorded them."""
    stages: dict[str, dict[str, Any]] = json.loads((run / "provenance.json").read_text())["stages"]
    return stages


def stage_rows(
    runs: dict[str, tuple[Finished, dict[str, dict[str, Any]]]],
) -> tuple[dict[str, Any], ...]:
    """One row per stage, then what no stage claims, then all."""
    rows: list[dict[str, Any]] = []
    for stage in dict.fromkeys(name for _, stages in runs.values() for name in stages):
        row: dict[str, Any] = {"stage": stage}
        for which, (_, stages) in runs.items():
            row[f"{which}, s"] = float(stages[stage]["seconds"])
            row[f"{which}, MB"] = float(stages[stage]["peak_memory_mb"])
        rows.append(row)
    rest: dict[str, Any] = {"stage": "start, simulated plate, report"}
    whole: dict[str, Any] = {"stage": "all"}
    for which, (done, stages) in runs.items():
        claimed = sum(float(facts["seconds"]) for facts in stages.values())
        rest |= {f"{which}, s": done.seconds - claimed}
        whole |= {f"{which}, s": done.seconds, f"{which}, MB": done.peak_mb}
    return (*rows, rest, whole)
