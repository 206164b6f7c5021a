"""One simulated plate and its finished runs, for all tests of the whole path."""

from __future__ import annotations

from pathlib import Path

import pytest

from worlds.runs import LEAN, SMALL, run_well, write_plan, write_plate


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``plate`` (6 wells, 3 frames), ``plan.toml`` and ``lean.toml``.

    The lean plan has neither challenges nor explanations.
    """
    folder = write_plate(tmp_path_factory.mktemp("home"))
    write_plan(folder, SMALL)
    write_plan(folder, LEAN, name="lean.toml")
    return folder


@pytest.fixture(scope="session")
def finished(home: Path) -> Path:
    """A run of the whole plan that nothing disturbed."""
    run_well(home / "plan.toml", home / "finished")
    return home / "finished"


@pytest.fixture(scope="session")
def lean(home: Path) -> Path:
    """A run of the lean plan that nothing disturbed."""
    run_well(home / "lean.toml", home / "lean")
    return home / "lean"
