"""Small simulated plates, plans for them, and the command line as a person meets it."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lucyte.cli import main
from lucyte.simulate.settings import WorldSettings, tiny_settings
from lucyte.simulate.worlds import simulate
from lucyte.simulate.write_cellular import write_cellular

TABLES = ("objects.parquet", "wells.parquet", "flags.parquet")
"""What every run writes and what must be the same bytes for the same plan."""
RESULTS = (*TABLES, "embeddings.parquet", "evidence.json")
"""The same, of a run with challenges and explanations."""

PLAN = """\
[input]
path = "plate/images"
plate_map = "plate/platemap.csv"
truth = "plate/truth"

[input.channels]
EGFP = "w1"
mRFP = "w2"
TL = "w3"

[[segment.objects]]
kind = "cell"
channels = ["EGFP", "mRFP"]
"""
SMALL = """
[explain]
occlusion_px = 24
cells_per_class = 2

[evidence]
crops = 100
permutations = 99

[report]
example_cells = 4
"""
PATIENCE_S = 200
"""After which a started command counts as hanging."""
AT_ABORT = "import faulthandler\nfaulthandler.enable()\n"
"""Makes a command print the stack of every thread when it is aborted."""
LEAN = """
[explain]
enabled = "off"

[evidence]
enabled = "off"
"""


@dataclass(frozen=True)
class Said:
    """What a command left behind: its exit code and what it printed."""

    code: Any
    out: str
    err: str


def lucyte(*arguments: object) -> Said:
    """Run the command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    code: Any = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(each) for each in arguments])
        except SystemExit as done:
            code = done.code or 0
    return Said(code, out.getvalue(), err.getvalue())


def run(plan: Path, out: Path, *more: object, workers: int = 1) -> Said:
    """``lucyte run`` without progress."""
    return lucyte("run", plan, "-o", out, "--workers", workers, "--quiet", *more)


def run_well(plan: Path, out: Path, *more: object, workers: int = 1) -> Said:
    """The same, where nothing may go wrong."""
    said = run(plan, out, *more, workers=workers)
    assert (said.code, said.err) == (0, ""), said
    return said


def start(*arguments: object, code: str = "") -> subprocess.Popen[str]:
    """Start the command line in a process group of its own; ``code`` runs there first."""
    program = f"{AT_ABORT}{code}\nfrom lucyte.cli import main\nmain()"
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ending(process: subprocess.Popen[str]) -> Said:
    """Wait for a started command to end; one that does not is killed and says where it stood."""
    try:
        out, err = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"no end after {PATIENCE_S} s\n{end(process)}") from None
    return Said(process.returncode, out, err)


def wait_until(process: subprocess.Popen[str], ready: Callable[[], bool], what: str) -> None:
    """Wait until ``ready``, as long as the process lives and for so long at most."""
    patience = time.monotonic() + PATIENCE_S
    while not ready():
        if process.poll() is not None:
            raise AssertionError(f"ended before {what}: {ending(process)}")
        if time.monotonic() > patience:
            raise AssertionError(f"waited {PATIENCE_S} s for {what}\n{end(process)}")
        time.sleep(0.005)


def kill_when(process: subprocess.Popen[str], ready: Callable[[], bool], what: str) -> None:
    """SIGKILL a process at the moment at which ``ready`` becomes true."""
    wait_until(process, ready, what)
    os.kill(process.pid, signal.SIGKILL)
    said = ending(process)
    assert said.code == -signal.SIGKILL, f"test invalid: the run was over before the kill: {said}"


def end(process: subprocess.Popen[str]) -> str:
    """Kill a process and all that it started; returns what it printed and its stacks."""
    process.send_signal(signal.SIGABRT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    out, err = process.communicate(timeout=30)
    return f"{out}\n{err}"


def lively_settings(wells: int, frames: int) -> WorldSettings:
    """Cells that all express, starved for hours: states that a handful of cells can show."""
    tiny = tiny_settings(wells, frames)
    cell = {"silent": 0.0, "defocused": 0.0, "expression_sd": 0.3, "division_rate": 0.1}
    return tiny.model_copy(
        update={
            "layout": tiny.layout.model_copy(update={"start_h": 6.0}),
            "cell": tiny.cell.model_copy(update=cell),
            "optics": tiny.optics.model_copy(update={"well_sd": 0.0}),
        }
    )


def write_plate(folder: Path, wells: int = 3, frames: int = 3, seed: int = 5) -> Path:
    """A simulated plate in ``folder/plate``; returns ``folder``."""
    plate = simulate("autophagy", lively_settings(wells, frames), seed)
    write_cellular(plate, folder / "plate", merged=False)
    return folder


def write_plan(folder: Path, more: str = LEAN, name: str = "plan.toml", **replaced: str) -> Path:
    """A plan for a plate of ``write_plate``; ``replaced`` changes whole lines of ``PLAN``."""
    text = PLAN
    for key, line in replaced.items():
        old = next(each for each in PLAN.splitlines() if each.startswith(key))
        text = text.replace(old, line)
    (folder / name).write_text(text + more)
    return folder / name


def unlike(left: Path, right: Path, names: tuple[str, ...] = RESULTS) -> list[str]:
    """Names of the files of two folders that are not the same bytes."""
    return [name for name in names if (left / name).read_bytes() != (right / name).read_bytes()]


def files(folder: Path) -> list[str]:
    """Every file below a folder, but the lock."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if name != "stages/lock")
