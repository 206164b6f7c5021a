"""``lucyte screen``: from a run folder to hits, curves, doubts and a page."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lucyte.io.atomic import atomic_path, write_json, write_text
from lucyte.io.platemap import read_platemap
from lucyte.io.write_table import read_parquet, write_parquet
from lucyte.measure.columns import model_features
from lucyte.pipeline.words import counted
from lucyte.report.screen import CurveContent, ScreenContent, render_screen
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.plan import load_plan
from lucyte.screen.analyse import ScreenResult, screen_wells
from lucyte.screen.dose_response import DoseResponse
from lucyte.screen.hits import BOTH, RESCUE
from lucyte.screen.readout import well_readouts
from lucyte.screen.settings import ScreenSettings

KINDS = ("cell", "nucleus")


def screen_run(run: Path, settings: ScreenSettings, command: str = "") -> str:
    """Screen a finished run and write ``RUN/screen``.

    Reads ``objects.parquet`` (states in it, or in ``states.parquet``), ``wells.parquet`` (the plate
    map's columns) and ``flags.parquet`` (wells in which nothing was found). Writes
    ``wells.parquet``, ``hits.csv``, ``separation.csv``, ``doses.csv``, ``evidence.json`` and
    ``screen.html``.

    Parameters
    ----------
    run : Path
    settings : ScreenSettings
    command : str
        What to print on the page.

    Returns
    -------
    str
        What was found, for the terminal.

    Raises
    ------
    UsageError, InputError
        No run there, or controls, plates or margins that do not allow a screen.
    """
    cells = _cells(run, settings)
    profile = _profile(cells)
    wanted = list(dict.fromkeys([*profile, *settings.features]))
    wells = well_readouts(cells, settings, wanted)
    wells = _with_empty(run, wells, settings)
    result = screen_wells(wells, settings, profile, _plates_held_out(cells))
    folder = run / "screen"
    folder.mkdir(exist_ok=True)
    content = _content(run, result, settings, command)
    write_parquet(result.wells, folder / "wells.parquet")
    _write_csv(result.hits, folder / "hits.csv")
    _write_csv(result.separation, folder / "separation.csv")
    _write_csv(_dose_table(result), folder / "doses.csv")
    write_json(folder / "evidence.json", [each.to_json() for each in result.findings])
    write_text(folder / "screen.html", render_screen(content))
    return _summary(result, folder)


def _cells(run: Path, settings: ScreenSettings) -> pd.DataFrame:
    """Objects of the kind that has states, with the plate map's columns."""
    path = run / "objects.parquet"
    if not path.is_file():
        raise UsageError(
            f"{run}: holds no objects.parquet; make a run with: lucyte run PLAN -o {run}"
        )
    objects = read_parquet(path)
    if (run / "states.parquet").is_file():
        states = read_parquet(run / "states.parquet")
        if "object_id" not in states:
            raise InputError(run / "states.parquet", "has no column object_id.")
        new = [name for name in states.columns if name != "object_id"]
        objects = objects.drop(columns=[name for name in new if name in objects])
        objects = objects.merge(states, on="object_id", how="left", validate="one_to_one")
    if "kind" not in objects or not len(objects):
        raise InputError(path, "holds no objects, so there is nothing to screen.")
    shares = [name for name in objects.columns if str(name).startswith("p_")]
    known = objects[objects[shares].notna().any(axis=1)] if shares else objects
    kinds = [str(each) for each in pd.unique(known["kind"])] or [""]
    kind = next((each for each in KINDS if each in kinds), kinds[0])
    cells = objects[objects["kind"] == kind].dropna(axis=1, how="all")
    named = cells["well"].astype(str) != "" if "well" in cells else pd.Series([False])
    if not named.all():
        raise UsageError(
            f"{run}: {int((~named).sum())} objects have no well; a screen needs the well of every "
            "image (from the names, or a pattern)."
        )
    for name in ("plate", "condition"):  # a column that is empty throughout was left out above
        if name not in cells:
            cells = cells.assign(**{name: ""})
    return _with_map(run, cells, settings)


def _with_map(run: Path, cells: pd.DataFrame, settings: ScreenSettings) -> pd.DataFrame:
    path = run / "wells.parquet"
    if not path.is_file():
        return cells
    wells = read_parquet(path)
    counts = ("n_", "fraction_", "margin_", "median_")
    more = [name for name in wells.columns
            if name not in cells and not str(name).startswith(counts)]  # fmt: skip
    if not more or not len(wells):
        return cells
    keys = [name for name in ("plate", "well", "condition") if name in wells]
    return cells.merge(wells[[*keys, *more]], on=keys, how="left")


def _profile(cells: pd.DataFrame) -> list[str]:
    names = model_features([str(name) for name in cells.columns])
    return [name for name in names if pd.api.types.is_numeric_dtype(cells[name])]


def _plates_held_out(cells: pd.DataFrame) -> bool:
    """Does every plate lie in one fold, and are there several folds?"""
    if "fold" not in cells:
        return False
    known = cells[cells["fold"].fillna(-1) >= 0]
    folds = known.groupby("plate")["fold"].nunique()
    return bool(len(folds) > 1 and folds.max() == 1 and known["fold"].nunique() > 1)


def _with_empty(run: Path, wells: pd.DataFrame, settings: ScreenSettings) -> pd.DataFrame:
    """Wells that were imaged and hold no cell at all: a treatment may have killed them."""
    path = run / "flags.parquet"
    if not path.is_file():
        return wells
    flags = read_parquet(path)
    if not {"plate", "well", "field_id"} <= set(flags.columns):
        return wells
    imaged = flags.groupby(["plate", "well"])["field_id"].nunique()
    there = set(zip(wells["plate"], wells["well"], strict=True))
    wells["n_fields"] = [
        int(max(imaged.get((p, w), n), n))
        for p, w, n in zip(wells["plate"], wells["well"], wells["n_fields"], strict=True)
    ]
    gone = [(p, w) for p, w in imaged.index if w and (p, w) not in there]
    if not gone:
        return wells
    condition = flags.drop_duplicates(["plate", "well"]).set_index(["plate", "well"])
    known = _plate_map(run)
    rows: list[dict[str, Any]] = []
    for place in gone:
        told = known.get(place, known.get(("", place[1]), {}))
        name = told.get(settings.treatment)
        if name is None and settings.treatment in condition:
            name = condition.loc[place, settings.treatment]
        dose = next((v for k, v in told.items() if k == settings.dose), None)
        if settings.dose == "auto":
            dose = next((v for k, v in told.items() if "dose" in k or "conc" in k), None)
        rows.append({
            "plate": place[0], "well": place[1], settings.treatment: name or "",
            "dose": np.nan if dose is None else float(dose),
            "n_fields": int(imaged[place]), "n_cells": 0, "n_scored": 0,
        })  # fmt: skip
    return pd.concat([wells, pd.DataFrame(rows)], ignore_index=True)


def _plate_map(run: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The plate map that the plan names, by plate and well; empty where it is not there."""
    try:
        text = load_plan(run / "plan.toml").input.plate_map
        table = read_platemap(Path(os.path.normpath(run / text))) if text else pd.DataFrame()
    except (InputError, UsageError, OSError):
        return {}
    if "well" not in table:
        return {}
    plates = table["plate"] if "plate" in table else [""] * len(table)
    return {
        (str(plate or ""), str(row["well"])): {str(k): v for k, v in row.items()}
        for plate, row in zip(plates, table.to_dict("records"), strict=True)
    }


def _dose_table(result: ScreenResult) -> pd.DataFrame:
    rows = [{"treatment": name, **vars(each)} for name, each in result.doses.items()]
    rows += [{"treatment": name, "why": why} for name, why in result.not_fitted.items()]
    return pd.DataFrame(rows)


def _content(
    run: Path, result: ScreenResult, settings: ScreenSettings, command: str
) -> ScreenContent:
    order = list(dict.fromkeys(result.hits["treatment"])) if len(result.hits) else []
    curves = tuple(
        CurveContent(name, each.ec50, each.low, each.high, _remark(each), each.at)
        for name, each in sorted(result.doses.items(), key=lambda item: order.index(item[0]))
    )
    title = ""
    try:
        known = json.loads((run / "provenance.json").read_text(encoding="utf-8"))
        title = str(known.get("inputs", {}).get("path", ""))
    except (OSError, ValueError):
        pass
    return ScreenContent(
        title=f"Screen of {title or run.name}",
        command=command
        or f"lucyte screen {run} --disease '{settings.disease}' --wild-type '{settings.wild_type}'",
        disease=settings.disease,
        wild_type=settings.wild_type,
        features=settings.features,
        fdr=settings.fdr,
        level=1 - settings.alpha,
        wells=result.wells,
        hits=result.hits,
        separation=result.separation,
        curves=curves,
        not_fitted=result.not_fitted,
        findings=result.findings,
        notes=result.notes,
    )


def _remark(each: DoseResponse) -> str:
    """What must be said beside a curve."""
    falls = math.isfinite(each.ec50) and each.top < each.bottom
    return "; ".join(
        part for part in (each.why, "falls: away from health" if falls else "") if part
    )


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False)


def _summary(result: ScreenResult, folder: Path) -> str:
    hits = result.hits
    found = hits[hits["call"].isin([RESCUE, BOTH])] if len(hits) else hits
    lines = [
        f"Screened {counted(len(result.wells), 'well')} on "
        f"{counted(result.wells['plate'].nunique(), 'plate')}; "
        f"{len(found)} of {len(hits)} treatments and doses rescue."
    ]
    for _, row in found.head(5).iterrows():
        dose = f" at {row['dose']:g}" if np.isfinite(row["dose"]) else ""
        lines.append(f"  {row['treatment']}{dose}: rescue {row['rescue']:.2f}, {row['call']}")
    for each in result.findings:
        if each.verdict == "fail":
            lines.append(f"  Not to be believed: {each.why}")
    lines += [f"  {note}" for note in result.notes]
    lines.append(f"Wrote {folder}: screen.html, hits.csv, doses.csv, wells.parquet, evidence.json")
    return "\n".join(lines)
