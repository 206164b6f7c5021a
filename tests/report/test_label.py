"""The labelling page as a person meets it: a real browser, real keys."""

from __future__ import annotations

import re
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lucyte.pipeline.label_answers import REASONS, WITHDRAWN, parse_answers
from lucyte.report.label import LABEL_ASSETS, label_page
from worlds.browser import Page, browsing, find_browser
from worlds.label_runs import lucyte_start, opened, write_run
from worlds.runs import ending

PROGRAM = find_browser()
needs_browser = pytest.mark.skipif(
    PROGRAM is None, reason="Chromium is not on this machine (LUCYTE_CHROMIUM names one)"
)
READY = "document.body.dataset.ready"
DONE = "Number(document.getElementById('done').textContent)"
PRESSED = "document.querySelector('#answers [aria-pressed=true] span')?.textContent"
MIDDLE = """(() => {
  const canvas = document.getElementById('picture');
  const at = [canvas.width / 2, canvas.height / 2];
  return Array.from(canvas.getContext('2d').getImageData(...at, 1, 1).data.slice(0, 3));
})()"""
EDGES = """(() => {
  const canvas = document.getElementById('picture');
  return Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data)
    .reduce((sum, value) => sum + value, 0);
})()"""


def test_the_page_loads_nothing_from_elsewhere_and_every_reason_has_a_key() -> None:
    page = label_page()
    assert "http" not in page
    assert all(name in page for name in LABEL_ASSETS)
    assert " style=" not in page, "the policy forbids it"
    assert not re.search(r"\son\w+=", page), "the policy forbids it"
    assert len(REASONS) <= 9


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """One browser for all tests of this file."""
    assert PROGRAM is not None
    with browsing(PROGRAM) as found:
        found.size(1280, 800)
        yield found


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path)


Serve = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def serve(page: Page, run: Path) -> Iterator[Serve]:
    """Starts the command and opens its page; ends with the test."""
    started = []

    def begin(*more: object) -> subprocess.Popen[str]:
        process = lucyte_start("label", run, "--quiet", *more)
        started.append(process)
        page.problems.clear()
        address = opened(process)
        page.open(address)
        page.until(f"location.href === {address!r} && {READY}")
        return process

    yield begin
    for each in started:
        each.kill()
        each.wait()


def answer(page: Page, *keys: str) -> None:
    """Press keys that answer one picture, and wait for the next one."""
    done = page.ask(DONE)
    for key in keys:
        page.press(key)
    page.until(f"{DONE} > {done} && ({READY} || document.querySelector('dialog[open]'))")


def ended(process: subprocess.Popen[str], how: int | None = signal.SIGINT) -> str:
    if how is not None:
        process.send_signal(how)
    said = ending(process)
    assert (said.code, said.err) == (0, "")
    return said.out


@needs_browser
def test_a_person_labels_with_keys_alone(
    page: Page, run: Path, serve: Serve, tmp_path: Path
) -> None:
    process = serve("--annotator", "anna", "--sample", 8)
    answers = run / "labels" / "anna.csv"
    answer(page, "1")
    answer(page, "2")
    answer(page, "u", "3")
    states = [(each.state, each.reason) for each in parse_answers(answers).values()]
    assert states == [("fed", ""), ("starved", ""), ("unknown", "out of focus")]
    page.press("Backspace")
    page.until(f"{DONE} === 2 && {READY}")
    assert list(parse_answers(answers).values())[2].state == WITHDRAWN
    page.press("ArrowLeft")
    page.until(f"{READY} && {PRESSED} === 'starved'")
    page.press("1")
    page.until(f"{DONE} === 2 && {READY} && !({PRESSED})")
    second = list(parse_answers(answers).values())[1]
    assert (second.state, second.revision) == ("fed", 2)
    page.press("1", repeat=True)
    page.press("0")
    page.press("Escape")
    page.press("7")
    assert page.ask(DONE) == 2, "a key that hangs, or one without a class, answered"
    assert page.problems == []
    shot = tmp_path / "page.png"
    page.picture(shot)
    assert shot.stat().st_size > 10_000
    assert "anna has labelled 2 of 8 pictures" in ended(process)


@needs_browser
def test_what_is_looked_at_changes_with_keys(page: Page, serve: Serve) -> None:
    process = serve("--annotator", "anna", "--sample", 8)
    both = page.ask(MIDDLE)
    page.press("s")
    green = page.ask(MIDDLE)
    page.press("d")
    red = page.ask(MIDDLE)
    # One channel is bright in the cell, the other dark; alone each is grey, together coloured.
    assert len(set(green)) == len(set(red)) == 1
    assert abs(green[0] - red[0]) > 100
    assert len(set(both)) > 1
    page.press("a")
    assert page.ask(MIDDLE) == both
    page.press("ArrowDown", 8)
    assert sum(page.ask(MIDDLE)) < sum(both)
    page.press("ArrowUp", 8)
    assert page.ask(MIDDLE) == both
    outlined = page.ask(EDGES)
    page.press("o")
    assert page.ask(EDGES) != outlined
    page.press("o")
    assert page.ask(EDGES) == outlined
    page.press("z")
    assert page.ask(EDGES) != outlined
    page.press("?")
    page.until("document.getElementById('keys').open")
    page.press("1")
    assert page.ask(DONE) == 0, "a key behind the list of keys answered"
    page.press("Escape")
    page.until("!document.getElementById('keys').open")
    assert page.problems == []
    ended(process)


@needs_browser
def test_a_reload_a_crash_and_a_restart_lose_nothing(page: Page, run: Path, serve: Serve) -> None:
    process = serve("--annotator", "anna", "--sample", 8)
    for _ in range(3):
        answer(page, "2")
    page.ask("document.body.dataset.old = 'yes'")
    page.call("Page.reload")
    page.until(f"!document.body.dataset.old && {READY} && {DONE} === 3")
    process.kill()
    process.communicate()
    page.press("1")
    page.until("!document.getElementById('trouble').hidden")
    said = page.ask("document.getElementById('trouble').textContent")
    assert said.startswith("Not saved. The program has ended. Start it again")
    assert page.ask(DONE) == 3
    path = run / "labels" / "anna.csv"
    path.write_bytes(path.read_bytes()[:-4])
    process = serve("--annotator", "anna")
    assert page.ask(DONE) == 2, "the cut line's answer counts"
    assert "anna has labelled 2 of 8" in ended(process)


@needs_browser
def test_the_last_answer_finishes_and_disagreements_are_settled(
    page: Page, run: Path, serve: Serve
) -> None:
    process = serve("--annotator", "anna", "--sample", 6)
    for _ in range(6):
        answer(page, "1")
    page.until("document.getElementById('over').open")
    page.press("Enter")
    assert "6 of 6" in ended(process, None)
    process = serve("--annotator", "ben")
    for at in range(6):
        answer(page, "2" if at < 2 else "1")
    page.until("document.getElementById('over').open")
    page.ask("document.getElementById('finish').click()")
    out = ended(process, None)
    assert "67 % alike" in out
    assert out.splitlines()[-1] == f"Next: lucyte label {run} --adjudicate"
    process = serve("--adjudicate")
    assert page.ask("document.getElementById('said').textContent") == "Called fed and starved"
    assert page.ask("session.row.length") == 2
    answer(page, "2")
    answer(page, "2")
    page.until("document.getElementById('over').open")
    page.press("Enter")
    assert "Settled 2 of 2 disagreements." in ended(process, None)
    table = (run / "labels" / "labels.csv").read_text().splitlines()[1:]
    assert Counter(line.split(",")[3] for line in table) == {"fed": 4, "starved": 2}


@needs_browser
@pytest.mark.parametrize("size", [(1280, 800), (820, 700), (400, 860)])
def test_nothing_is_cut_off_at_any_width(page: Page, serve: Serve, size: tuple[int, int]) -> None:
    page.size(*size)
    classes = ",".join(f"class number {k}" for k in range(1, 10))
    process = serve("--annotator", "anna", "--sample", 6, "--classes", classes)
    assert page.ask("document.documentElement.scrollWidth <= innerWidth")
    small = "[...document.querySelectorAll('#answers button')].filter(b => b.clientHeight < 24)"
    assert page.ask(f"{small}.length") == 0
    assert page.ask("document.getElementById('frame').clientWidth") >= 0.45 * size[0]
    page.size(1280, 800)
    ended(process)
