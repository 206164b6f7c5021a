"""The drawings: what they show is what was given."""

from __future__ import annotations

import base64
import io
import math
import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lucyte.report.contributions import shares
from lucyte.report.embedding import embedding_section
from lucyte.report.heat_maps import coloured, common_limit
from lucyte.report.lineage import branches, families
from lucyte.report.palette import Style, diverging, natural, ramp, styles
from lucyte.report.picture import bar_length, data_address, polygons, shrink
from lucyte.report.plate_map import grid_of, place_of, plate_map_section, row_name
from lucyte.report.section import Figures
from lucyte.report.units_plot import Scale, spaced, units_plot
from lucyte.schema.explanation import Explanation

quick = settings(max_examples=40, deadline=None)


def points(conditions: int, units: int, times: int, **more: Any) -> pd.DataFrame:
    rows = [
        {"condition": f"c{c}", "unit": f"c{c}u{u}", "time_index": t, "value": c + 0.1 * u + t}
        for c in range(conditions)
        for u in range(units)
        for t in range(times)
    ]
    return pd.DataFrame(rows).assign(**more)


def drawn(table: pd.DataFrame, **scale: Any) -> Any:
    return units_plot(table, styles(natural(table["condition"])), Scale("value", **scale))


@pytest.mark.parametrize(
    ("table", "layout"),
    [
        (points(2, 3, 5), "time"),
        (points(7, 2, 3), "panels"),
        (points(3, 3, 1), "beside"),
        (points(1, 1, 1), "beside"),
        (points(3, 2, 1).assign(dose=lambda t: t["condition"].str[1:].astype(float)), "dose"),
    ],
)
def test_the_layout_follows_the_experiment(table: pd.DataFrame, layout: str) -> None:
    plot = drawn(table)
    assert plot.layout == layout and plot.left_out == 0
    assert "<title>value, one point per well" in plot.svg


def test_what_is_not_drawn_is_counted_and_nan_is_no_point() -> None:
    table = points(61, 1, 1)
    assert drawn(table).left_out == 1
    table.loc[table["condition"] == "c0", "value"] = math.nan
    assert drawn(table).left_out == 0


def test_the_words_of_a_plot_give_unit_means_never_cells() -> None:
    svg = drawn(points(2, 3, 5)).svg
    assert "c0 4.1 (3 wells); c1 5.1 (3 wells)" in svg


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("conditions", [2, 7])
def test_every_condition_is_named_on_the_drawing(conditions: int, times: int) -> None:
    svg = drawn(points(conditions, 2, times)).svg
    written = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg))
    assert all(re.search(rf"\bc{i}\b", written) for i in range(conditions))
    assert "value" in written


def test_a_name_with_dollars_is_no_formula() -> None:
    table = points(1, 2, 1).assign(condition="$x^2$ <b>")
    assert "$x^2$ &lt;b&gt;" in drawn(table).svg


@quick
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.01, 0.3))
def test_labels_are_moved_apart_and_no_further(places: list[float], gap: float) -> None:
    places = sorted(places)
    moved = spaced(places, gap)
    assert all(b - a >= gap - 1e-9 for a, b in pairwise(moved))
    assert sum(moved) == pytest.approx(sum(places))
    if all(b - a >= gap for a, b in pairwise(places)):
        assert moved == pytest.approx(places)


@quick
@given(st.integers(0, 31), st.integers(0, 47))
def test_a_well_name_leads_back_to_its_place(row: int, column: int) -> None:
    assert place_of(f"{row_name(row)}{column + 1:02d}") == (row, column)


@pytest.mark.parametrize("name", ["", "MSC", "A0", "A49", "AZ1", "1A", "s"])
def test_other_names_have_no_place(name: str) -> None:
    assert place_of(name) is None


def test_the_smallest_plate_is_drawn_and_an_empty_one_is_cut() -> None:
    full = grid_of([(r, c) for r in range(8) for c in range(12)])
    assert (len(full.rows), len(full.columns), full.whole) == (8, 12, True)
    part = grid_of([(2, 2), (10, 6)])
    assert (part.rows, part.columns, part.wells) == (range(2, 11), range(2, 7), 384)
    assert not part.whole


def test_flagged_wells_are_hatched_in_every_drawing(make_content: Any) -> None:
    content = make_content()
    flagged = int((content.wells["flags"] != "").sum())
    assert 0 < flagged < len(content.wells)
    body = str(plate_map_section(content, Figures()).body)
    assert body.count('fill="url(#flagged)"') == 3 * flagged
    assert "(flagged: focus)" in body


def test_wells_by_another_name_say_so(make_content: Any) -> None:
    content = make_content()
    renamed = make_content(wells=content.wells.assign(well="left dish"))
    section = plate_map_section(renamed, Figures())
    assert (
        not section.body and "not named like wells (A01), for example left dish" in section.absent
    )


@quick
@given(seed=st.integers(0, 50))
def test_every_track_is_in_one_family_and_mothers_stand_between(make_movie: Any, seed: int) -> None:
    movie = make_movie(12, 10, seed)
    tracks = movie.tracks.tracks
    found = families(tracks)
    assert sorted(each for tree in found for each in tree) == sorted(tracks["track_id"])
    assert [len(tree) for tree in found] == sorted((len(tree) for tree in found), reverse=True)
    placed = {each.track_id: each for each in branches(tracks)}
    leaves = [each.row for each in placed.values() if not _daughters(placed, each.track_id)]
    assert len(set(leaves)) == len(leaves)
    for each in placed.values():
        rows = [child.row for child in _daughters(placed, each.track_id)]
        if rows:
            assert each.row == pytest.approx(sum(rows) / len(rows))


def _daughters(placed: dict[int, Any], track_id: int) -> list[Any]:
    return [each for each in placed.values() if each.parent == track_id]


@quick
@given(st.dictionaries(st.text("abc_", min_size=1, max_size=6), st.floats(-5, 5), max_size=20))
def test_contributions_shown_add_up_to_all_of_them(found: dict[str, float]) -> None:
    rows = shares(Explanation("o", "contributions", "fed", 0.0, {}, found))
    assert sum(value for _, value in rows) == pytest.approx(sum(found.values()), abs=1e-9)
    assert len(rows) <= 9


@quick
@given(st.floats(5, 5000), st.one_of(st.none(), st.floats(0.01, 20)))
def test_a_scale_bar_is_round_and_fits(width: float, size: float | None) -> None:
    length, label = bar_length(width, size)
    assert 0.15 * width < length <= 0.4 * width * (1 + 1e-9)
    real = length * (size or 1)
    mantissa = real / 10 ** math.floor(math.log10(real) + 1e-9)
    assert min(abs(mantissa - step) for step in (1, 2, 5)) < 1e-6
    assert label.endswith("px" if size is None else "µm")


def test_an_outline_encloses_what_the_mask_does() -> None:
    mask = np.zeros((20, 30), dtype=bool)
    mask[0:8, 5:15] = True
    (line,) = polygons(mask)
    y, x = line[:, 0], line[:, 1]
    assert (y.min(), y.max(), x.min(), x.max()) == (0.0, 8.0, 5.0, 15.0)
    area = 0.5 * abs(np.dot(x[:-1], y[1:]) - np.dot(y[:-1], x[1:]))
    assert area == pytest.approx(mask.sum(), rel=0.02)


def test_pictures_come_back_from_the_page_as_they_were() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    head, data = data_address(picture).split(",")
    assert head == "data:image/png;base64"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), picture)
    assert shrink(picture, 3).shape == (3, 2, 3)


def test_colours_keep_their_order_in_grey() -> None:
    def light(colour: str) -> float:
        return sum(w * int(colour[i : i + 2], 16) for w, i in ((0.299, 1), (0.587, 3), (0.114, 5)))

    shades = [light(ramp(i / 20)) for i in range(21)]
    assert shades == sorted(shades, reverse=True)
    first, second, *_ = styles(["a", "b"]).values()
    assert abs(light(first.colour) - light(second.colour)) > 60 and first.mark != second.mark


def test_styles_differ_by_colour_and_mark_together() -> None:
    looks = styles([f"n{i}" for i in range(24)])
    assert len(set(looks.values())) == 24 and isinstance(looks["n0"], Style)


def test_relevance_is_blue_against_and_vermillion_for() -> None:
    picture = coloured(np.array([[-1.0, 0.0, 1.0, math.nan]]), 1.0)[0].astype(int)
    against, none, favour, unknown = picture
    assert against[2] > against[0] and favour[0] > favour[2] and none.min() > 240
    assert len({tuple(each) for each in picture}) == 4 and unknown.max() < 230
    assert diverging(-1) != diverging(1)


def test_maps_of_a_method_share_one_scale() -> None:
    maps = [
        Explanation(str(i), "m", "fed", 0.0, {"A": np.full((2, 2), v)})
        for i, v in enumerate((1.0, -4.0))
    ]
    assert common_limit(maps) == pytest.approx(4.0)
    assert common_limit([Explanation("o", "m", "fed", 0.0, {"A": np.zeros((2, 2))})]) == 1.0


def test_the_same_condition_wears_the_same_colour_everywhere(make_content: Any) -> None:
    from lucyte.report.looks import condition_styles, state_styles

    content = make_content()
    assert content.states.classes == ("fed", "starved")
    assert state_styles(content) == condition_styles(content)
    assert re.match(r"#\w{6}$", state_styles(content)["fed"].ink)


def test_cells_without_a_state_are_on_the_map_too(make_content: Any) -> None:
    content = make_content()
    points = content.embedding.points.assign(state=["", "fed"] * 300)
    section = embedding_section(
        replace(content, embedding=replace(content.embedding, points=points)), Figures()
    )
    first = str(section.body).split("By well")[0]
    assert first.count("M") >= 600 and "(no state)" in first
