"""Shared fixtures: the real data, where it is at hand."""

from __future__ import annotations

import faulthandler
import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

# On busy cores threads that wait for each other make a test of seconds one of minutes. Read when
# torch and numpy are loaded, by this process and by all that it starts.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


settings.register_profile("lucyte", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("lucyte")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images; LUCYTE_DATA overrides. Skips where it is absent."""
    folder = Path(os.environ.get("LUCYTE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the real images (../shared/data) are not on this machine")
    return folder


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """After the last test there is no timeout: a process that cannot end says where it waits."""
    faulthandler.dump_traceback_later(300, exit=True, file=sys.__stderr__)
