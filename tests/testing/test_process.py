"""Watching a command: what its family held, how it ended."""

from __future__ import annotations

import sys

import pytest

from lucyte.schema.errors import LucyteError
from lucyte.testing.process import lucyte_command, watch

HOLD = "b = bytearray({mb} << 20); import time; time.sleep(0.4)"
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True)"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_memory_counts_the_largest_descendant_too() -> None:
    bare = watch(python("import time; time.sleep(0.4)"))
    assert 1 < bare.peak_mb < 60, "premise: an interpreter alone is small"
    alone = watch(python(HOLD.format(mb=100)))
    nested = watch(python(PARENT.format(child=PARENT.format(child=HOLD.format(mb=100)))))
    assert alone.peak_mb - bare.peak_mb == pytest.approx(100, abs=5)
    assert nested.peak_mb - bare.peak_mb == pytest.approx(100 + bare.peak_mb, abs=8)
    assert nested.together_mb > nested.peak_mb, "three processes at one time, not two"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_a_fork_that_becomes_another_program_does_not_count_its_parents_pages() -> None:
    code = (
        "b = bytearray(100 << 20); import os, sys, time; pid = os.fork()\n"
        "if pid == 0: time.sleep(0.2); os.execv(sys.executable, ['x', '-c', {child!r}])\n"
        "os.waitpid(pid, 0)"
    )
    bare = watch(python("import time; time.sleep(0.4)"))
    found = watch(python(code.format(child="import time; time.sleep(0.4)")))
    assert found.together_mb > 200, "premise: for a while both show the same pages"
    assert found.peak_mb == pytest.approx(100 + 2 * bare.peak_mb, abs=10)


def test_what_was_printed_is_kept() -> None:
    assert watch(python("import sys; print('a'); print('b', file=sys.stderr)")).output.split() == [
        "a",
        "b",
    ]


def test_environment_reaches_the_command() -> None:
    code = "import os; print(os.environ['LUCYTE_PROBE'])"
    assert watch(python(code), {"LUCYTE_PROBE": "seen"}).output == "seen\n"


def test_a_failed_command_is_told_with_its_last_line() -> None:
    with pytest.raises(LucyteError, match=r"ended with exit code 3: second$"):
        watch(python("print('first'); print('second'); raise SystemExit(3)"))
    with pytest.raises(LucyteError, match=r"exit code 4: it printed nothing$"):
        watch(python("raise SystemExit(4)"))


def test_the_command_is_the_installed_one() -> None:
    assert watch([*lucyte_command(), "--version"]).output.startswith("lucyte ")
