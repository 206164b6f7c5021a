"""Numbers, names, methods and refusals in words."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lucyte.report.asked import asked, tiles
from lucyte.report.content import Citation, ExampleCell, MethodNote, ReportContent
from lucyte.report.methods import methods_section
from lucyte.report.provenance import plan_text
from lucyte.report.section import Figures
from lucyte.report.tracks import statistics
from lucyte.report.wording import (
    count,
    feature_words,
    listed,
    number,
    sentence,
    short,
    span,
    things_of,
    unit_word,
)
from lucyte.schema.errors import UsageError
from lucyte.schema.plan import parse_plan


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (11130, "11,130"),
        (0.9182, "0.918"),
        (0.15, "0.15"),
        (-0.02, "−0.02"),
        (1234.5, "1,234"),
        (0.00001234, "1.23 × 10⁻⁵"),
        (math.nan, "undefined"),
        (-math.inf, "−∞"),
        (np.float64(2.5), "2.5"),
    ],
)
def test_numbers_are_written_as_people_write_them(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("intensity_mean_EGFP", "mean EGFP inside the nucleus"),
        ("ratio_mean_EGFP_to_mRFP", "mean EGFP over mean mRFP"),
        ("area_px", "area (px)"),
        ("area_um2", "area in square micrometres"),
        ("my_own_score", "my own score"),
        ("drift_um", "drift (µm)"),
        ("auroc", "AUROC"),
    ],
)
def test_features_are_named_in_words(name: str, words: str) -> None:
    assert feature_words(name, "nucleus") == words


def test_small_words() -> None:
    assert count(1, "well") == "1 well" and count(2, "class") == "2 classes"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(list("abcdefgh"), 4) == "a, b, c and 5 more"
    assert things_of("nucleus") == "nuclei" and things_of("organelle:mito") == "organelles in mito"
    assert span(5400) == "1.5 h" and span(90) == "1.5 min" and span(12) == "12 s"
    assert sentence("area (px)") == "Area (px)" and sentence("mRFP light") == "mRFP light"
    assert short("x" * 50, 11) == "xxxxxx…xxxx" and short("a  b") == "a b"


def test_the_opening_counts_what_exists(make_content: Any, bare: ReportContent) -> None:
    content = make_content()
    assert tiles(content)[:4] == [
        ("1", "plate"),
        ("6", "wells"),
        ("12", "fields"),
        ("60", "frames"),
    ]
    assert "Conditions: fed (3 wells) and starved (3 wells)." in asked(content)
    assert tiles(bare) == [("1", "field"), ("12", "cells")]
    assert "No conditions are known." in asked(bare)
    assert "The pixel size is unknown, so lengths are in pixels." in asked(bare)


def test_conditions_without_wells_are_counted_in_fields(make_content: Any) -> None:
    content = make_content()
    content = replace(content, fields=content.fields.assign(well="", plate=""))
    assert "fed (6 fields) and starved (6 fields)" in asked(content)


def test_every_source_is_cited_and_every_citation_has_a_source(make_content: Any) -> None:
    body = str(methods_section(make_content(), Figures()).body)
    cited = {int(n) for n in re.findall(r'href="#ref-(\d+)"', body)}
    listed_ = {int(n) for n in re.findall(r'<li id="ref-(\d+)"', body)}
    assert cited == listed_ == set(range(1, len(listed_) + 1)) and len(listed_) > 5


def test_a_given_note_replaces_what_the_plan_says(make_content: Any) -> None:
    own = MethodNote("segment", "Cells were drawn by hand", (Citation("Someone (2020)", "10.1/x"),))
    before = str(methods_section(make_content(methods=()), Figures()).body)
    after = str(methods_section(make_content(methods=(own,)), Figures()).body)
    assert "threshold" in before and "by hand" not in before
    assert "Cells were drawn by hand" in after and "threshold" not in after
    assert 'href="https://doi.org/10.1/x"' in after


def test_stages_that_did_not_run_are_not_described(bare: ReportContent) -> None:
    body = str(methods_section(bare, Figures()).body)
    assert "a threshold of its own for each object" in body
    assert not re.search("logistic|linked|t-SNE|permutations", body)


def test_the_plan_on_the_page_can_be_run_again(make_content: Any) -> None:
    content = make_content()
    assert parse_plan(plan_text(content)) == content.plan


def test_track_statistics_count_fates() -> None:
    tracks = pd.DataFrame({"length": [1, 3, 5], "fate": ["dies", "divides", "ends"]})
    assert statistics(tracks, 1800.0) == {
        "tracks": 3,
        "median length, frames": "3 (1.5 h)",
        "seen in one frame only": 1,
        "divides": 1,
        "dies": 1,
        "leaves": 0,
        "ends": 1,
    }


def test_a_table_without_its_columns_is_refused(make_content: Any) -> None:
    with pytest.raises(UsageError, match="report table 'flags' lacks time_index, flag, value; it"):
        make_content(flags=pd.DataFrame({"field_id": ["a"]}))


def test_a_picture_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="example cell c: a picture is Y X 3 or Y X of uint8, got"):
        ExampleCell("c", np.zeros((4, 4, 2), dtype=np.uint8))


def test_an_outline_that_does_not_fit_is_refused() -> None:
    picture = np.zeros((4, 5), dtype=np.uint8)
    ExampleCell("c", picture, outline=np.ones((4, 5), dtype=bool))
    with pytest.raises(
        UsageError, match=r"outline is a boolean mask of the picture's shape \(4, 5"
    ):
        ExampleCell("c", picture, outline=np.ones((5, 4), dtype=bool))
    with pytest.raises(UsageError, match="got uint8 of"):
        ExampleCell("c", picture, outline=np.ones((4, 5), dtype=np.uint8))


def test_a_column_of_identity_is_no_word() -> None:
    assert unit_word("field_id") == "field" and unit_word("well") == "well"
