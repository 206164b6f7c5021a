"""Does memory stay where it is when the plate grows? 20 and 200 fields of the same plate."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from lucyte.pipeline.starter import plan_toml, starter_plan
from lucyte.schema.errors import LucyteError
from lucyte.simulate.settings import CellSettings, LayoutSettings, OpticsSettings, WorldSettings
from lucyte.simulate.worlds import simulate
from lucyte.simulate.write_cellular import write_cellular
from lucyte.testing.outcome import Outcome
from lucyte.testing.process import Finished, lucyte_command, watch

GOAL = 1.2
WELLS, SITES = 10, 10
SMALL_WELLS, SMALL_SITES = 5, 2
WORKERS = 2


def measure(size_px: int = 256, cells: int = 12) -> Outcome:
    """Peak memory and time per field of both runs, each in processes of its own.

    Parameters
    ----------
    size_px : int
        Side of a field, 3 channels, one frame.
    cells : int
        Expected number in a field.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_fields(folder / "large", size_px, cells)
        take_some(folder / "large", folder / "small")
        run(folder, "small", folder / "warm")  # compiled code comes from disk afterwards
        runs = {which: run(folder, which, folder / f"run-{which}") for which in ("small", "large")}
        facts = {which: read_facts(folder / f"run-{which}") for which in runs}
    fields = {which: facts[which]["fields"]["fields"] for which in runs}
    if fields != {"small": 2 * SMALL_WELLS * SMALL_SITES, "large": 2 * WELLS * SITES}:
        raise LucyteError(f"memory: ran on {fields} fields, not on 20 and 200.")
    ratio = runs["large"].peak_mb / runs["small"].peak_mb
    rows = [whole_row(which, fields[which], runs[which], facts[which]) for which in runs]
    ratios = {key: rows[1][key] / rows[0][key] for key in rows[0] if key != "fields"}
    each = " and ".join(f"{row['field scope, ms per field']:.0f}" for row in rows)
    return Outcome(
        f"{ratio:.2f} times the memory; {each} ms per field",
        f"at most {GOAL} times the memory",
        ratio <= GOAL,
        (*rows, {"fields": "ratio", **ratios}, *stage_peaks(facts)),
        (
            f"Fields of {size_px}x{size_px} px, 3 channels, one frame, about {cells} cells; "
            f"{WORKERS} workers.",
            "Field scope: with the start of the workers, which few fields have to bear alone.",
            "Peak MB: of the process plus its largest worker. Together MB: of all at one time, "
            "shared pages counted in each.",
            "Rows named after a stage: peak MB up to its end, which tells the stage that set it.",
        ),
    )


def write_fields(folder: Path, size_px: int, cells: int) -> None:
    """200 fields of one frame in CELLULAR's file names."""
    layout = LayoutSettings(
        wells_per_condition=WELLS, sites_per_well=SITES, frames=1, size_px=size_px, cells=cells
    )
    settings = WorldSettings(
        layout=layout, cell=CellSettings(cell_px=48.0), optics=OpticsSettings(psf_px=0.8)
    )
    write_cellular(simulate("autophagy", settings, 0), folder, merged=False)


def take_some(large: Path, small: Path) -> None:
    """The first sites of the first wells of both conditions, as links to the same files."""
    chosen = [
        site
        for row in "CDEFGH"[:SMALL_WELLS] + "IJKLMN"[:SMALL_WELLS]
        for site in [f"_{row}03_s{k}_" for k in range(1, SMALL_SITES + 1)]
    ]
    (small / "images").mkdir(parents=True)
    os.link(large / "platemap.csv", small / "platemap.csv")
    for path in sorted((large / "images").iterdir()):
        if any(part in path.name for part in chosen):
            os.link(path, small / "images" / path.name)


def run(folder: Path, which: str, out: Path) -> Finished:
    """``lucyte init`` and ``lucyte run`` on one of the two folders, without its truth."""
    plan, _ = starter_plan(folder / which / "images", folder)
    plan = plan.model_copy(update={"input": plan.input.model_copy(update={"truth": None})})
    path = folder / f"{which}.toml"
    path.write_text(plan_toml(plan, full=False), encoding="utf-8")
    options = ["-o", str(out), "--workers", str(WORKERS), "--quiet"]
    return watch([*lucyte_command(), "run", str(path), *options])


def read_facts(out: Path) -> dict[str, dict[str, Any]]:
    """Seconds and memory per stage, as the run itself recorded them."""
    stages: dict[str, dict[str, Any]] = json.loads((out / "provenance.json").read_text())["stages"]
    return stages


def whole_row(
    which: str, fields: int, done: Finished, facts: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """One run: memory, and milliseconds per field of the field scope and of everything."""
    return {
        "fields": fields,
        "peak MB": done.peak_mb,
        "together MB": done.together_mb,
        "field scope, ms per field": 1000 * float(facts["fields"]["seconds"]) / fields,
        "all, ms per field": 1000 * done.seconds / fields,
        "all, processor ms per field": 1000 * done.processor_s / fields,
    }


def stage_peaks(facts: dict[str, dict[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Peak memory after each stage, 20 and 200 fields side by side."""
    return [
        {
            "fields": f"after {stage}: 20 / 200",
            "peak MB": " / ".join(
                f"{facts[which][stage]['peak_memory_mb']:.0f}" if stage in facts[which] else "-"
                for which in ("small", "large")
            ),
        }
        for stage in facts["large"]
    ]
