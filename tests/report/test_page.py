"""The page as a whole: one file, offline, the same each time, safe, readable by machines."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lucyte.report.content import Embedding, ReportContent
from lucyte.report.page import render
from lucyte.schema.plate import Problem

VOID = {"meta", "img", "br", "link", "input"}
HOSTILE = "<script>alert(1)</script>"
WORSE = '"><img src=x onerror=alert(2)> $\\frac{1}{2}$ & ' + "long_" * 30


class Reader(HTMLParser):
    """Every element with its attributes, whether all are closed, and the text of scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.unbalanced: list[str] = []
        self.scripts: list[str] = []
        self.stack: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] == "script":
            self.scripts.append(data)

    def values(self, name: str) -> list[str]:
        return [str(attrs[name]) for _, attrs in self.elements if name in attrs]


@pytest.fixture(scope="module")
def page(make_content: Any) -> str:
    return render(make_content())


def test_every_element_is_closed_and_every_id_is_its_own(page: str) -> None:
    read = Reader(page)
    assert len(read.elements) > 500  # the premise: there is a page to read
    assert read.unbalanced == [] and read.stack == []
    repeated = [name for name, n in Counter(read.values("id")).items() if n > 1]
    assert repeated == []


def test_nothing_is_loaded_from_anywhere(page: str) -> None:
    read = Reader(page)
    for tag, attrs in read.elements:
        for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
            address = attrs.get(name)
            if address is None or address.startswith(("#", "data:image/")):
                continue
            assert (tag, name) == ("a", "href") and address.startswith("https://doi.org/10.")
    assert not re.search(r"@import|url\((?!#|data:|\$\{)", page)


def test_links_inside_the_page_lead_somewhere(page: str) -> None:
    read = Reader(page)
    ids = set(read.values("id"))
    inside = {each[1:] for each in read.values("href") if each.startswith("#")}
    assert len(inside) > 15
    assert inside <= ids


def test_every_picture_says_in_words_what_it_shows(page: str) -> None:
    pictures = re.findall(r'<svg[^>]*role="img"[^>]*>\s*(<title>[^<]{3,}</title>|)', page)
    assert len(pictures) > 20 and all(pictures)
    for tag, attrs in Reader(page).elements:
        if tag == "img":
            assert "alt" in attrs and (attrs["alt"] or "hidden" in attrs)


def test_the_page_lets_only_its_own_script_run(page: str) -> None:
    read = Reader(page)
    policy = next(value for value in read.values("content") if "script-src" in value)
    digests = [
        f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'"
        for each in read.scripts
    ]
    kinds = [attrs.get("type") for tag, attrs in read.elements if tag == "script"]
    assert kinds == ["application/json", None]
    assert f"script-src {digests[-1]}" in policy and "default-src 'none'" in policy


def test_sections_come_in_order_with_the_findings_first(page: str) -> None:
    wanted = ["findings", "plate", "states", "features", "cells", "tracks", "map"]
    wanted += ["explanations", "quality", "problems", "methods", "provenance"]
    assert re.findall(r'<section class="part" id="(\w+)"', page) == wanted


def test_hostile_names_stay_text(make_content: Any) -> None:
    content = make_content(conditions=(HOSTILE, WORSE), times=1, title=HOSTILE, command=WORSE)
    content = replace(
        content,
        problems=(Problem(HOSTILE, "damaged", WORSE),),
        provenance={HOSTILE: WORSE, "stages": [{WORSE: HOSTILE}]},
        skipped={"evidence": HOSTILE},
    )
    page = render(content)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page  # the premise: the names are shown
    read = Reader(page)
    assert read.unbalanced == [] and read.stack == []
    assert not any("alert" in each and "onerror" not in each for each in read.scripts[-1:])
    assert len([tag for tag, _ in read.elements if tag == "script"]) == 2
    assert not any(name.startswith("on") for _, attrs in read.elements for name in attrs)
    assert "\\u003cscript" in page and "</script>alert" not in page.replace("&lt;/script&gt;", "")


def test_a_report_of_nothing_says_why_in_one_line_each(bare: ReportContent) -> None:
    page = render(bare)
    assert Reader(page).unbalanced == []
    assert "<b>States.</b> Not in this report: no conditions are known." in page
    assert "<b>Tracks.</b> Not in this report: there is one frame." in page
    assert "Nothing below has been tested." in page
    assert re.findall(r'<section class="part" id="(\w+)"', page) == [
        "quality",
        "methods",
        "provenance",
    ]
    assert "<title>Report on one.tif" in page


@pytest.mark.slow
def test_the_same_content_gives_the_same_bytes(page: str, make_content: Any) -> None:
    assert render(make_content()) == page
    program = (
        "import sys, hashlib; sys.path.insert(0, sys.argv[1]); import conftest; "
        "from lucyte.report.page import render; "
        "print(hashlib.sha256(render(conftest.full_content()).encode()).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(Path(__file__).parent)],
        env={**os.environ, "PYTHONHASHSEED": "4242"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.strip() == hashlib.sha256(page.encode()).hexdigest()


def test_importing_the_page_loads_neither_torch_nor_matplotlib() -> None:
    program = (
        "import sys, lucyte.report.page; "
        "print([m for m in ('torch', 'matplotlib', 'skimage', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.slow
def test_a_large_run_stays_small_enough_to_send(make_content: Any) -> None:
    rng = np.random.default_rng(0)
    n = 8000
    points = pd.DataFrame(
        {"object_id": range(n), "x": rng.normal(size=n), "y": rng.normal(size=n)}
        | {"state": rng.choice(["fed", "starved"], n), "well": "C03", "thumb": range(n)}
    )
    noise = rng.integers(0, 256, (3000, 64, 64, 3), dtype=np.uint8)  # compresses worst
    content = make_content(embedding=Embedding(points, noise))
    assert 3e5 < len(render(content).encode()) < 8e6
