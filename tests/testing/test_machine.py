"""What else the machine did is told from what was measured."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from lucyte.testing import machine

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="read from /proc")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Seconds that everyone and this process worked, and the wall clock; on four cores."""
    now = {"wall": 0.0, "everyone": 1000.0, "own": 10.0}
    monkeypatch.setattr(machine.time, "perf_counter", lambda: now["wall"])
    monkeypatch.setattr(machine, "_everyone_s", lambda: now["everyone"])
    monkeypatch.setattr(machine, "_own_s", lambda: now["own"])
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 4)
    return now


def test_only_the_work_of_others_counts(clock: dict[str, float]) -> None:
    watch = machine.OtherWork()
    clock.update(wall=10.0, everyone=1030.0, own=28.0)
    assert watch.share() == pytest.approx((30 - 18) / (10 * 4))


def test_a_coarse_clock_never_tells_less_than_nothing(clock: dict[str, float]) -> None:
    watch = machine.OtherWork()
    clock.update(wall=1.0, everyone=1000.99, own=11.0)
    assert watch.share() == 0


def test_without_a_system_clock_nothing_is_claimed(clock: dict[str, float]) -> None:
    clock["everyone"] = math.nan
    watch = machine.OtherWork()
    clock["wall"] = 1.0
    assert math.isnan(watch.share())
    assert "How busy the machine was is not known." in machine.describe_machine(watch.share())


@pytest.fixture
def neighbour() -> Iterator[None]:
    """A process of somebody else, busy all the time: it is not waited for until later."""
    code = "import time\nwhile time.process_time() < 60: pass"
    busy = subprocess.Popen([sys.executable, "-c", code])
    yield
    busy.kill()
    busy.wait(60)


@pytest.mark.usefixtures("neighbour")
def test_a_busy_neighbour_is_seen() -> None:
    watch = machine.OtherWork()
    time.sleep(0.6)
    assert watch.share() > 0


@pytest.mark.parametrize(
    ("others", "words"),
    [
        (0.03, "<sub>Other work took 3% of the processor time meanwhile.</sub>"),
        (0.4, "**The machine was busy**: other work took 40% of the processor time meanwhile."),
    ],
)
def test_a_disturbed_measurement_says_so(others: float, words: str) -> None:
    assert words in machine.describe_machine(others)
