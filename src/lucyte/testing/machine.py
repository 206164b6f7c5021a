"""The machine in words, and how much else it did while something was measured."""

from __future__ import annotations

import math
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from lucyte.pipeline.provenance import machine, versions

BUSY = 0.1
"""Share of the processor time taken by other work from which on times are called disturbed."""


class OtherWork:
    """Watches, from when it is made, what this process and its finished children did not do."""

    def __init__(self) -> None:
        self._wall, self._all, self._own = time.perf_counter(), _everyone_s(), _own_s()

    def share(self) -> float:
        """Share of all cores' time that other work took since; nan where ``/proc`` is absent."""
        wall = time.perf_counter() - self._wall
        others = (_everyone_s() - self._all) - (_own_s() - self._own)
        if math.isnan(others):
            return math.nan
        return max(0.0, others / (wall * (os.cpu_count() or 1)))


def _own_s() -> float:
    return sum(os.times()[:4])


def _everyone_s() -> float:
    """Seconds that all cores were busy since the system started, time stolen by a host included."""
    try:
        first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
    except OSError:
        return math.nan
    user, nice, system, _, _, interrupts, soft, stolen = map(int, first.split()[1:9])
    busy = user + nice + system + interrupts + soft + stolen
    return float(busy) / os.sysconf("SC_CLK_TCK")


def describe_machine(others: float) -> str:
    """Day, processor, cores, memory, versions, and what share of the time other work took."""
    here, known = machine(), versions()
    packages = ", ".join(f"{name} {version}" for name, version in known.items())
    words = f"Other work took {others:.0%} of the processor time meanwhile."
    if math.isnan(others):
        words = "How busy the machine was is not known."
    elif others > BUSY:
        words = f"**The machine was busy**: {words[0].lower()}{words[1:]} Times are too long."
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {here['system']}, {here['processor']}, "
        f"{here['cores']} cores, {_memory_gb()} of memory. {packages}.",
        words,
    ]
    return "\n".join(f"<sub>{line}</sub>  " for line in lines).rstrip()


def _memory_gb() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return "unknown size"
    return f"{total / 2**30:.0f} GB"
