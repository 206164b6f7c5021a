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
from multiprocessing import get_context
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
    """Start the command line in a process of its own; ``code`` runs there first."""
    program = f"{code}\nfrom lucyte.cli import main\nif __name__ == '__main__':\n    main()"
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Forked:
    """The command line in a process of its own that needs not import everything first.

    It looks like the process that ``start`` gives; what it prints is not kept.
    """

    def __init__(self, *arguments: object, code: str = "") -> None:
        context = get_context("forkserver")
        context.set_forkserver_preload(["lucyte.pipeline.run"])
        words = [str(each) for each in arguments]
        self._process = context.Process(target=_command, args=(words, code))
        self._process.start()
        self.pid = self._process.pid or 0

    def poll(self) -> int | None:
        return self._process.exitcode

    def communicate(self) -> tuple[str, str]:
        self._process.join()
        return ("", "")

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode


def _command(words: list[str], code: str) -> None:
    exec(code, {})
    main(words)


def kill_when(process: subprocess.Popen[str] | Forked, ready: Callable[[], bool]) -> None:
    """SIGKILL a process at the moment at which ``ready`` becomes true."""
    while not ready():
        assert process.poll() is None, f"ended too early: {process.communicate()}"
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "test invalid: the run was over before the kill"


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
