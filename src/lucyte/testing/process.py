"""A command in a process of its own, timed, with the memory of all its descendants watched."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lucyte.schema.errors import LucyteError

POLL_S = 0.05


@dataclass(frozen=True)
class Finished:
    """A command that ended well.

    Attributes
    ----------
    seconds : float
        Wall time.
    processor_s : float
        Time on the processor, descendants included.
    peak_mb : float
        Peak resident memory of the process plus that of its largest descendant (MB of 2**20
        bytes); nan where the system has no ``/proc``.
    together_mb : float
        Largest resident memory of the whole family at one time, pages they share counted in each.
    output : str
        What it printed.
    """

    seconds: float
    processor_s: float
    peak_mb: float
    together_mb: float
    output: str


def lucyte_command() -> list[str]:
    """The installed command, or the same through this interpreter."""
    script = Path(sys.executable).with_name("lucyte")
    if script.is_file():
        return [str(script)]
    return [sys.executable, "-c", "from lucyte.cli import main; main()"]


def watch(command: Sequence[str], extra: Mapping[str, str] | None = None) -> Finished:
    """Run a command to its end.

    Parameters
    ----------
    command : sequence of str
    extra : mapping of str to str
        Environment variables to set.

    Raises
    ------
    LucyteError
        It ended with another exit code than 0; the last line that it printed is told.
    """
    seen: dict[int, list[int]] = {}
    together = 0
    with tempfile.TemporaryFile("w+", encoding="utf-8") as printed:
        before, started = _processor_s(), time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(extra or {})},
        )
        while process.poll() is None:
            family = [process.pid, *descendants(process.pid)]
            held = {pid: memory_kb(pid) for pid in family}
            together = max(together, sum(now for now, _ in held.values()))
            for pid, (_, peak) in held.items():
                if peak:
                    seen.setdefault(pid, []).append(peak)
            _pause(process)
        seconds, processor_s = time.perf_counter() - started, _processor_s() - before
        printed.seek(0)
        output = printed.read()
    if process.returncode != 0:
        last = output.strip().splitlines()[-1:] or ["it printed nothing"]
        told = " ".join(Path(command[0]).name if k == 0 else c for k, c in enumerate(command))
        raise LucyteError(f"{told}: ended with exit code {process.returncode}: {last[0]}")
    own = max(seen.pop(process.pid, [0]))
    # A process that forks shows its parent's pages as its own until it becomes another program;
    # the peak starts anew there, so the last look counts, and one look is none.
    others = [peaks[-1] for peaks in seen.values() if len(peaks) > 1]
    peak_mb = (own + max(others, default=0)) / 2**10 if own else float("nan")
    together_mb = together / 2**10 if own else float("nan")
    return Finished(seconds, processor_s, peak_mb, together_mb, output)


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _pause(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    try:
        process.wait(POLL_S)
    except subprocess.TimeoutExpired:
        return


def descendants(pid: int) -> list[int]:
    """Children of a process and theirs, as far as ``/proc`` tells; empty where there is none."""
    found: list[int] = []
    try:
        for each in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in each.read_text().split():
                found += [int(child), *descendants(int(child))]
    except OSError:
        pass  # it ended meanwhile
    return found


def memory_kb(pid: int) -> tuple[int, int]:
    """Resident memory of a process now and at its peak (KiB); 0 where it ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0, 0
    rows = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    now, peak = (rows.get(name, "0 kB").split()[0] for name in ("VmRSS", "VmHWM"))
    return int(now), int(peak)
