"""Findings first: verdict in words, the number, what it rests on."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import pytest

from lucyte.report.details import binned, details
from lucyte.report.explanations import findings_on
from lucyte.report.findings import OPEN_CARDS, address, chip, findings_section
from lucyte.schema.finding import Finding

ASKED = Finding("a.b", "Is it so?", "pass", 0.9, 0.8, 0.95, 12, "well", (), "It was seen.", "AUROC")


def section(make_content: Any, *findings: Finding) -> str:
    return str(findings_section(make_content(findings=findings)).body)


def test_each_verdict_is_a_word_and_a_sign_not_only_a_colour(make_content: Any) -> None:
    body = section(
        make_content,
        ASKED,
        replace(ASKED, name="c", verdict="fail"),
        replace(ASKED, name="d", verdict="inconclusive"),
    )
    assert re.findall(r'aria-hidden="true">(.)</span> (\w+)</span>', body) == [
        ("✓", "passed"),
        ("✕", "warning"),
        ("?", "open"),
    ]


def test_the_interval_and_the_unit_stand_beside_the_number(make_content: Any) -> None:
    body = section(make_content, ASKED)
    assert "95 % interval 0.8 to 0.95" in body and "n = 12 wells" in body


def test_few_units_are_said_to_be_too_few(make_content: Any) -> None:
    body = section(make_content, replace(ASKED, low=None, high=None, n=3))
    assert "n = 3 wells; too few for an interval" in body
    assert "95 % interval" not in body


def test_a_number_that_is_not_defined_is_not_drawn(make_content: Any) -> None:
    assert 'class="gauge"' in section(make_content, ASKED)  # the premise
    body = section(make_content, replace(ASKED, statistic=math.nan, low=None, high=None))
    assert 'class="undefined">undefined<' in body and 'class="gauge"' not in body


def test_three_hundred_findings_are_all_there_and_most_are_folded(make_content: Any) -> None:
    many = [replace(ASKED, name=f"n.{i}", question=f"Question {i}?") for i in range(300)]
    body = section(make_content, *many)
    assert all(f'id="finding-n-{i}"' in body for i in range(300))
    before, after = body.split('<details class="rest">')
    assert before.count("<article") == OPEN_CARDS and after.count("<article") == 300 - OPEN_CARDS
    assert "and 295 more below" in body


def test_a_finding_is_linked_by_its_name() -> None:
    assert address("background.data_permit") == "finding-background-data-permit"
    assert 'href="#finding-a-b"' in chip(ASKED)


@pytest.mark.parametrize(
    ("name", "about", "shown"),
    [
        ("explanation.occlusion.pointing", {}, True),
        ("explanation.pointing", {"method": "occlusion"}, True),
        ("explanation.pointing", {"method": "grad_cam"}, False),
        ("explanation.any", {}, True),
    ],
)
def test_a_map_stands_beside_its_own_tests(name: str, about: dict[str, str], shown: bool) -> None:
    finding = replace(ASKED, name=name, group="explanation", details=about)
    assert bool(findings_on("occlusion", (finding, ASKED))) is shown


def test_a_curve_over_distance_is_drawn_and_not_listed() -> None:
    rows = [
        {"from_px": 10.0, "to_px": 20.0, "auroc": 0.9, "low": None, "high": None},
        {"from_px": 20.0, "to_px": 60.0, "auroc": 0.6, "low": None, "high": None},
    ]
    curve = binned(rows)
    assert curve and curve["x"] == [15.0, 40.0] and curve["y"] == [0.9, 0.6] and "low" not in curve
    body = details({"distance_curve": rows, "folds": [0.5, None]})
    assert 'class="chart"' in body and "distance to the nearest cell (px)" in body
    assert "<dd>0.5, undefined</dd>" in body and "15" not in re.sub("(?s)<svg.*?</svg>", "", body)


def test_rows_become_a_table_without_what_is_nested_or_empty() -> None:
    rows = [{"name": "crop", "auroc": 0.9, "low": None, "per_unit": {"C03": 0.9}}]
    body = details({"inputs": rows})
    assert re.findall(r"<th scope=\"col\"[^>]*>([^<]*)<", body) == ["name", "AUROC"]


def test_details_escape_what_they_show() -> None:
    assert "<b>x" not in details({"<b>x": "<b>x", "list": ["<b>x"], "map": {"<b>x": 1}})
