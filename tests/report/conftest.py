"""Made-up but realistic content: two conditions, six wells, five hourly frames."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from lucyte.report.content import (
    CorrectionPair,
    Embedding,
    ExampleCell,
    ExplainedCell,
    MethodNote,
    Movie,
    ReportContent,
    StatesInfo,
)
from lucyte.schema.explanation import Explanation
from lucyte.schema.finding import Finding
from lucyte.schema.plan import parse_plan
from lucyte.schema.plate import Problem
from lucyte.schema.tracks import Tracks

MakeContent = Callable[..., ReportContent]

PLAN = """
seed = 7
[input]
path = "images"
layout = "cellular"
[segment]
objects = [{kind = "cell", channels = ["EGFP", "mRFP"]}, {kind = "spot", method = "log"}]
[measure]
ratios = [["EGFP", "mRFP"]]
[track]
enabled = "on"
"""


@pytest.fixture(scope="session")
def make_content() -> MakeContent:
    """The builder, to be called with fields to replace."""
    return full_content


@pytest.fixture
def bare() -> ReportContent:
    """The least there is: one field, one frame, nothing known."""
    return bare_content()


@pytest.fixture(scope="session")
def make_movie() -> Callable[[int, int, int], Movie]:
    """The builder of movies: founders, frames, seed."""
    return movie_of


def bare_content() -> ReportContent:
    """One field without a condition, nothing done but cells counted."""
    fields = pd.DataFrame(
        [{"field_id": "MSC", "plate": "", "well": "", "condition": "", "site": "1", "frames": 1}]
    )
    return ReportContent(
        title="",
        command="lucyte run plan.toml -o out",
        plan=parse_plan('[input]\npath = "one.tif"\n'),
        fields=fields,
        counts={"cell": 12},
        skipped={"classify": "no conditions are known", "track": "there is one frame"},
    )


def full_content(
    conditions: tuple[str, ...] = ("fed", "starved"),
    replicates: int = 3,
    times: int = 5,
    pictures: Callable[[int], npt.NDArray[np.uint8]] | None = None,
    **changes: Any,
) -> ReportContent:
    """Everything filled; ``pictures(i)`` gives a crop Y X 3."""
    rng = np.random.default_rng(0)
    take = pictures or _numbered_blob
    fields = _fields(conditions, replicates, times)
    states = conditions[:2] if len(conditions) > 1 else ("round", "long")
    movie = movie_of(40, 12)
    content = ReportContent(
        title="Autophagy in S2 cells, fed and starved",
        command="lucyte run plan.toml -o out --workers 2",
        plan=parse_plan(PLAN),
        fields=fields,
        provenance=_provenance(),
        findings=findings(),
        counts={"cell": 21480, "spot": 96112},
        wells=_wells(fields, states, rng),
        fractions=_fractions(fields, states, times, rng),
        features=_features(fields, times, rng),
        states=StatesInfo(states, "condition", "well", len(conditions) * replicates),
        examples=_examples(fields, states, take),
        embedding=_embedding(fields, states, take, rng),
        explained=_explained(fields, states, take, rng),
        tracks=movie.tracks.tracks.assign(field_id=movie.field_id, condition=conditions[0]),
        movie=movie,
        flags=_flags(fields),
        corrections=(
            CorrectionPair(
                "Illumination, channel EGFP",
                _ramp_picture(True),
                _ramp_picture(False),
                "Field P1_C03_s1, frame 0, both on one grey scale.",
            ),
        ),
        problems=(
            Problem("Timepoint_003_ST_C05_s2.tif", "damaged", "ends after 1,024 bytes; left out."),
            Problem("P1_K07_s1", "missing_frame", "frame 4 is missing; tracks there are cut."),
        ),
        interval_s=3600.0 if times > 1 else None,
        methods=(MethodNote("input", "Images were read as merged JPEG and taken apart"),),
    )
    return replace(content, **changes)


@cache
def _numbered_blob(number: int) -> npt.NDArray[np.uint8]:
    return blob(np.random.default_rng(number))


def blob(rng: np.random.Generator, size: int = 72) -> npt.NDArray[np.uint8]:
    """A cell that never lived: a soft disc with spots, Y X 3."""
    y, x = np.mgrid[:size, :size] - size / 2
    body = 90 / (1 + np.exp((np.hypot(y, x * rng.uniform(0.8, 1.2)) - 0.36 * size) / 2))
    picture = np.stack([body * 0.9, body, body * 0.5], axis=-1)
    for _ in range(int(rng.integers(3, 12))):
        angle, radius = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.3 * size)
        spot = np.exp(-((y - radius * np.sin(angle)) ** 2 + (x - radius * np.cos(angle)) ** 2) / 6)
        picture += 150 * spot[..., None] * np.array([1.0, rng.uniform(0, 1), 0.1])
    return np.clip(picture + rng.normal(6, 3, picture.shape), 0, 255).astype(np.uint8)


def ring(size: int = 72) -> npt.NDArray[np.bool_]:
    """The disc that ``blob`` is."""
    y, x = np.mgrid[:size, :size] - size / 2
    return np.hypot(y, x) < 0.37 * size


def findings() -> tuple[Finding, ...]:
    """One of every kind that a report meets."""
    curve = [
        {"from_px": near, "to_px": far, "auroc": auroc, "low": auroc - 0.1, "high": auroc + 0.03}
        | {"n": 5, "places": 800, "per_unit": {"C03": auroc}}
        for near, far, auroc in ((20, 31, 0.95), (31, 48, 0.93), (48, 70, 0.94), (70, 160, 0.9))
    ]
    inputs = [
        {"name": name, "what": what, "auroc": auroc, "low": None, "per_unit": {"C03": auroc}}
        for name, what, auroc in (
            ("crop", "the whole crop", 0.97),
            ("masked", "the cell alone", 0.93),
            ("cell-free places", "no cell in view", 0.947),
        )
    ]
    reviewer = "Learner refitted per fold with whole wells left out; t over folds on the logit."
    units = {"C03": 0.91, "C05": 0.94, "C06": 0.88, "I04": 0.93, "I06": 0.95, "K07": 0.9}
    return (
        Finding(
            "accuracy.states",
            "Do the states of cells agree with the condition of wells the model never saw?",
            "pass",
            0.918,
            0.86,
            0.961,
            6,
            "well",
            ("conditions were assigned to wells at random",),
            "In every well that was held out, most cells were called what the well was given.",
            "AUROC",
            "accuracy",
            {"units": units},
        ),
        Finding(
            "background.data_permit",
            "Could a model tell the conditions apart without any cell, from the background alone?",
            "fail",
            0.947,
            None,
            None,
            5,
            "well",
            ("the background patches hold no cells", "wells of one condition are exchangeable"),
            "A model retrained on cell-free background does as well as the one on cells. Medium, "
            "focus or scaling differ between the conditions, so a classifier need not look at "
            "cells at all.",
            "AUROC",
            "data",
            {
                "distance_curve": curve,
                "inputs": inputs,
                "per_unit": {"C03": 0.93, "C05": 0.96},
                "folds": [0.94, 0.95],
                "margin": 0.1,
                "reviewer": reviewer,
            },
        ),
        Finding(
            "background.model_relies",
            "Does this model change its answers when the background is exchanged?",
            "inconclusive",
            0.06,
            -0.02,
            0.15,
            6,
            "well",
            (),
            "The change is small, but the interval reaches beyond the margin of 0.10.",
            "change in AUROC",
            "model",
        ),
        Finding(
            "explanation.occlusion.twins",
            "Do occlusion maps point at what was changed in twins of simulated cells?",
            "inconclusive",
            math.nan,
            None,
            None,
            0,
            "cell pair",
            ("the simulated form behaves like the real one",),
            "No twins exist for these images, so this could not be asked.",
            "pointing share",
            "explanation",
            {"method": "occlusion"},
        ),
        Finding(
            "tracking.tra",
            "Do the tracks agree with those drawn by hand?",
            "pass",
            0.981,
            None,
            None,
            1,
            "sequence",
            ("the hand-drawn tracks are right",),
            "TRA is 0.981 on the one sequence with truth.",
            "TRA",
            "accuracy",
        ),
    )


def _fields(conditions: tuple[str, ...], wells: int, times: int) -> pd.DataFrame:
    rows = []
    for i, condition in enumerate(conditions):
        for j in range(wells):
            place = i * wells + j
            well = f"{chr(67 + place // 4)}{3 + place % 4:02d}"
            rows += [
                {
                    "field_id": f"P1_{well}_s{site}",
                    "plate": "P1",
                    "well": well,
                    "site": str(site),
                    "condition": condition,
                    "frames": times,
                    "pixel_size_um": None,
                }
                for site in (1, 2)
            ]
    return pd.DataFrame(rows)


def _units(fields: pd.DataFrame) -> list[dict[str, str]]:
    units = fields[["plate", "well", "condition"]].drop_duplicates().to_dict("records")
    return [{str(key): str(value) for key, value in unit.items()} for unit in units]


def _level(condition: str, conditions: list[str], time: int) -> float:
    return 0.12 + (0.13 * time if condition == conditions[-1] else 0.02 * time)


def _wells(fields: pd.DataFrame, states: tuple[str, ...], rng: np.random.Generator) -> pd.DataFrame:
    conditions = sorted(set(fields["condition"]))
    rows = []
    for i, unit in enumerate(_units(fields)):
        share = float(np.clip(_level(unit["condition"], conditions, 4) + rng.normal(0, 0.05), 0, 1))
        rows.append(
            unit
            | {
                "n_cells": int(rng.integers(2400, 4400)),
                f"fraction_{states[0]}": 1 - share,
                f"fraction_{states[1]}": share,
                "flags": "focus" if i == 1 else "",
            }
        )
    return pd.DataFrame(rows)


def _fractions(
    fields: pd.DataFrame, states: tuple[str, ...], times: int, rng: np.random.Generator
) -> pd.DataFrame:
    conditions = sorted(set(fields["condition"]))
    rows = []
    for unit in _units(fields):
        shift = rng.normal(0, 0.04)
        for time in range(times):
            level = _level(unit["condition"], conditions, time)
            share = float(np.clip(level + shift + rng.normal(0, 0.02), 0, 1))
            for state, fraction in ((states[0], 1 - share), (states[1], share)):
                rows.append(
                    unit
                    | {"time_index": time, "state": state, "fraction": fraction, "n_cells": 700}
                )
    return pd.DataFrame(rows)


def _features(fields: pd.DataFrame, times: int, rng: np.random.Generator) -> pd.DataFrame:
    conditions = sorted(set(fields["condition"]))
    rows = []
    for unit in _units(fields):
        for time in range(times):
            level = _level(unit["condition"], conditions, time)
            for feature, size in (("ratio_mean_EGFP_to_mRFP", -0.6), ("area_px", 900.0)):
                value = (1.4 if size < 0 else 2600.0) + size * (level + rng.normal(0, 0.05))
                rows.append(unit | {"time_index": time, "feature": feature, "value": value})
    return pd.DataFrame(rows)


def _examples(
    fields: pd.DataFrame, states: tuple[str, ...], take: Callable[[int], npt.NDArray[np.uint8]]
) -> tuple[ExampleCell, ...]:
    cells = []
    units = _units(fields)
    for i in range(24):
        unit = units[i % len(units)]
        picture = take(i)
        state = unit["condition"] if unit["condition"] in states and i % 7 else states[i % 2]
        outline = ring(picture.shape[0]) if picture.shape[0] == picture.shape[1] else None
        cells.append(
            ExampleCell(
                f"P1_{unit['well']}_s1/t00{i % 5}/cell/{i}",
                picture,
                unit["condition"],
                unit["well"],
                state,
                i % 5,
                0.55 + (i % 5) * 0.1,
                outline,
                None,
            )
        )
    return tuple(cells)


def _embedding(
    fields: pd.DataFrame,
    states: tuple[str, ...],
    take: Callable[[int], npt.NDArray[np.uint8]],
    rng: np.random.Generator,
) -> Embedding:
    n = 600
    wells = _units(fields)
    units = [wells[i % len(wells)] for i in range(n)]
    state = np.array([states[int(rng.random() < 0.5)] for _ in range(n)])
    centre = np.where(state == states[0], -9.0, 9.0)
    points = pd.DataFrame(
        {
            "object_id": [f"o{i}" for i in range(n)],
            "x": centre + rng.normal(0, 5, n),
            "y": 0.6 * centre + rng.normal(0, 9, n),
            "state": state,
            "condition": [unit["condition"] for unit in units],
            "plate": "P1",
            "well": [unit["well"] for unit in units],
            "thumb": [i if i < 200 else -1 for i in range(n)],
        }
    )
    thumbnails = np.stack([_small(take(i)) for i in range(200)])
    return Embedding(points, thumbnails, "t-SNE", {"perplexity": 30, "seed": 7})


def _small(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    side = min(picture.shape[:2])
    step = np.linspace(0, side - 1, 44).astype(int)
    return picture[np.ix_(step, step)]


def _explained(
    fields: pd.DataFrame,
    states: tuple[str, ...],
    take: Callable[[int], npt.NDArray[np.uint8]],
    rng: np.random.Generator,
) -> tuple[ExplainedCell, ...]:
    names = ["intensity_mean_EGFP", "spots_count_mRFP", "ratio_mean_EGFP_to_mRFP", "area_px"]
    names += ["eccentricity", "spots_alone_count_EGFP_to_mRFP", "radial_edge_mRFP", "solidity"]
    names += [f"texture_step_{i}px_{c}" for i in (1, 2, 4) for c in ("EGFP", "mRFP")]
    found = []
    for i, cell in enumerate(_examples(fields, states, take)[:4]):
        shares = {name: float(rng.normal(0, 1.5 / (1 + k))) for k, name in enumerate(names)}
        score = sum(shares.values()) + 0.2
        bars = Explanation(cell.object_id, "contributions", states[1], score, {}, shares, 0.2)
        y, x = np.mgrid[:18, :18]
        bump = np.exp(-((y - 6 - i) ** 2 + (x - 9) ** 2) / 12)
        dip = np.exp(-((y - 13) ** 2 + (x - 5) ** 2) / 8)
        maps = {"EGFP": 0.8 * bump - 0.5 * dip, "mRFP": 0.3 * bump}
        found.append(
            ExplainedCell(
                cell, (bars, Explanation(cell.object_id, "occlusion", states[1], score, maps))
            )
        )
    return tuple(found)


def movie_of(founders: int, frames: int, seed: int = 1) -> Movie:
    """A movie of cells that wander, divide and die; tracks as the schema has them."""
    rng = np.random.default_rng(seed)
    tracks: list[dict[str, Any]] = []
    nodes: list[dict[str, Any]] = []
    waiting = [(0, 0, rng.uniform(60, 964, 2)) for _ in range(founders)]
    while waiting:
        parent, start, place = waiting.pop(0)
        track_id = len(tracks) + 1
        end = int(min(frames - 1, start + rng.integers(3, 2 * frames)))
        fate = "ends" if end == frames - 1 else str(rng.choice(["divides", "dies", "leaves"]))
        path = place + np.cumsum(rng.normal(0, 9, (end - start + 1, 2)), axis=0)
        for time in range(start, end + 1):
            y, x = np.clip(path[time - start], 0, 1023)
            nodes.append(
                {
                    "object_id": f"m/t{time:03d}/cell/{track_id}",
                    "time_index": time,
                    "label": track_id,
                    "track_id": track_id,
                    "parent_track_id": parent,
                    "y_px": y,
                    "x_px": x,
                }
            )
        tracks.append(
            {
                "track_id": track_id,
                "start": start,
                "end": end,
                "parent_track_id": parent,
                "fate": fate,
                "length": end - start + 1,
            }
        )
        if fate == "divides":
            waiting += [(track_id, end + 1, path[-1] + step) for step in ((-12, 5), (12, -5))]
    edges = pd.DataFrame(columns=["source_id", "target_id", "cost", "kind"])
    made = Tracks(pd.DataFrame(nodes), edges, pd.DataFrame(tracks))
    return Movie("P1_C03_s1", made, (1024, 1024), None, "fed", None, 3600.0)


def _flags(fields: pd.DataFrame) -> pd.DataFrame:
    rows = [
        {"field_id": name, "time_index": time, "flag": flag, "value": value}
        for name, time, flag, value in (
            (fields["field_id"].iloc[0], 0, "focus", 0.31),
            (fields["field_id"].iloc[0], 1, "focus", 0.28),
            (fields["field_id"].iloc[1], 0, "saturation", 0.012),
        )
    ]
    return pd.DataFrame(rows)


def _ramp_picture(tilted: bool) -> npt.NDArray[np.uint8]:
    y, x = np.mgrid[:120, :160]
    light = 40 + (100 * x / 160 if tilted else 50)
    spots = 90 * ((np.sin(y / 9) * np.sin(x / 7)) > 0.6)
    return np.clip(light + spots, 0, 255).astype(np.uint8)


def _provenance() -> dict[str, Any]:
    return {
        "engine": "torch",
        "device": "cpu, 2 cores",
        "seed": 7,
        "inputs": {"files": 90, "sha256": "9c1185a5c5e9fc54612808977ee8f548b2258d31"},
        "versions": {"lucyte": "0.1.0", "numpy": "2.4.0", "scikit-image": "0.26.0"},
        "stages": [
            {"stage": "segment", "seconds": 81.2, "peak_mb": 412},
            {"stage": "measure", "seconds": 12.0, "peak_mb": 380},
            {"stage": "track", "seconds": 3.5, "peak_mb": 395},
        ],
    }
