"""How long a person waits for ``lucyte --help``."""

from __future__ import annotations

import statistics
import sys

from lucyte.testing.outcome import Outcome
from lucyte.testing.process import lucyte_command, watch

GOAL_S = 0.3


def measure(times: int = 10) -> Outcome:
    """Best and median of several fresh processes, and the same for a bare interpreter."""
    help_command = [*lucyte_command(), "--help"]
    watch(help_command)  # byte code and disk cache
    ours = [watch(help_command) for _ in range(times)]
    bare = [watch([sys.executable, "-c", "pass"]) for _ in range(times)]
    rows = tuple(
        {
            "": name,
            "best, s": min(each.seconds for each in runs),
            "median, s": statistics.median(each.seconds for each in runs),
            "best, processor s": min(each.processor_s for each in runs),
        }
        for name, runs in (("`lucyte --help`", ours), ("`python -c pass`", bare))
    )
    best = min(each.seconds for each in ours)
    return Outcome(
        f"{best:.2f} s",
        f"under {GOAL_S} s",
        best < GOAL_S,
        rows,
        (f"Best of {times} fresh processes decides: what other work adds is not the command's.",),
    )
