"""Figures of states over time: what they say, and that they are drawn of units."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lucyte.report.content import Movie
from lucyte.report.lineage import lineage
from lucyte.report.palette import styles
from lucyte.report.state_times import sister_figure, survival_figure, transition_diagram
from lucyte.report.trails_movie import MovieLook, write_trails_movie
from lucyte.schema.errors import UsageError
from lucyte.schema.tracks import Tracks

STATES = styles(["rest", "active"])


def test_rates_as_arrows_with_n() -> None:
    rates = pd.DataFrame(
        [
            ("c", "rest", "active", 0.2, 0.1, 0.3, 6, 40),
            ("c", "active", "rest", 0.1, np.nan, np.nan, 3, 7),
        ],
        columns=["condition", "source", "target", "estimate", "low", "high", "n", "seen"],
    )
    svg = str(transition_diagram(rates, ("rest", "active"), STATES))
    root = ET.fromstring(svg)
    words = [each.text for each in root.iter() if each.tag.endswith("text")]
    assert "0.2 per h (0.1 to 0.3)" in words
    assert "0.1 per h" in words
    assert "3 wells, 7 seen" in words
    widths = [float(e.get("stroke-width")) for e in root.iter() if e.get("opacity") and e.get("d")
              and e.get("stroke-width")]  # fmt: skip
    assert widths == [8.0, 4.5]


def test_survival_says_when_half_are_left() -> None:
    time = np.arange(5.0)
    parts = [
        pd.DataFrame({"unit": unit, "time_h": time, "survival": 1 - 0.2 * time, "low": np.nan})
        for unit in ("A1", "A2", "")
    ]
    curves = pd.concat(parts).assign(kind="dwell", state="rest", condition="c", high=np.nan, n=2)
    svg = str(survival_figure(curves, "dwell", "rest", styles(["c"])))
    assert "Share still in rest, a thin line per well" in svg
    assert "c half after 3 h (2 wells)" in svg


def test_sisters_say_pairs_wells_and_p() -> None:
    sisters = pd.DataFrame(
        [("state", 0.0, "c", 0.6, 0.4, 0.8, 6, 90, -0.01, 0.0005)],
        columns=[
            "what",
            "age_h",
            "condition",
            "correlation",
            "low",
            "high",
            "n",
            "pairs",
            "chance",
            "p",
        ],
    )
    pairs = pd.DataFrame(
        {"unit": "A1", "condition": "c", "what": "state", "age_h": 0.0,
         "first": [0, 1, 0, 1.0], "second": [0, 1, 0, 0.0]}
    )  # fmt: skip
    svg = str(sister_figure(sisters, pairs, styles(["c"])))
    assert "c 0.6 at first sight, 90 pairs in 6 wells" in svg


def nodes() -> pd.DataFrame:
    """A mother that divides after frame 1, one daughter changes state."""
    rows = [
        (1, 0, 0, 20, 20, "rest"),
        (1, 0, 1, 21, 22, "rest"),
        (2, 1, 2, 15, 22, "rest"),
        (3, 1, 2, 27, 22, "active"),
        (2, 1, 5, 14, 22, "active"),
        (3, 1, 5, 28, 22, "active"),
    ]
    columns = ["track_id", "parent_track_id", "time_index", "y_px", "x_px", "state"]
    return pd.DataFrame(rows, columns=columns)


def test_trees_take_the_colour_and_width_of_the_state() -> None:
    tracks = pd.DataFrame(
        [(1, 0, 1, 0, "divides", 2), (2, 2, 5, 1, "ends", 2), (3, 2, 5, 1, "ends", 2)],
        columns=["track_id", "start", "end", "parent_track_id", "fate", "length"],
    )
    movie = Movie("f", Tracks(nodes(), pd.DataFrame(), tracks), (40, 40))
    plain = str(lineage(movie))
    svg = str(lineage(movie, nodes(), STATES))
    assert STATES["active"].colour not in plain
    assert svg.count(f'stroke="{STATES["rest"].colour}"') == 2
    assert svg.count(f'stroke="{STATES["active"].colour}"') == 2


def test_gif_has_every_frame_its_clock_and_its_gap(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "movie.gif"
    times = {0: 0.0, 1: 1800.0, 2: 3600.0, 5: 9000.0}
    grey = np.full((40, 40), 90, np.uint8)
    look = MovieLook(0.65, side_px=320, states=STATES)
    assert write_trails_movie(path, lambda time: grey, times, nodes(), look) == 4
    with Image.open(path) as movie:
        assert movie.n_frames == 4
        assert movie.size == (320, 320)
        movie.seek(3)
        last = np.asarray(movie.convert("RGB")).astype(int)
    corner = last[34:54, 10:140]
    assert (corner.min(axis=2) > 240).any(), "the gap is told"
    bar = last[300:310, 100:306]
    assert (bar.min(axis=2) > 240).any()


def test_gif_refusals(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"movie.mp4: trails are written as .gif"):
        write_trails_movie(tmp_path / "movie.mp4", lambda t: np.zeros((2, 2)), {0: None}, nodes())
    with pytest.raises(UsageError, match="no frame to show"):
        write_trails_movie(tmp_path / "movie.gif", lambda t: np.zeros((2, 2)), {}, nodes())
