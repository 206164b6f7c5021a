"""Provenance: versions, inputs, seeds, machine, time and memory of every stage."""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import lucyte
from lucyte.networks.engine import choose_engine
from lucyte.schema.plan import SegmentSettings

PACKAGES = (
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "xarray",
    "scikit-image",
    "scikit-learn",
    "numba",
    "zarr",
    "tifffile",
    "openTSNE",
    "matplotlib",
    "torch",
    "openvino",
)


def versions() -> dict[str, str]:
    """Lucyte's, Python's and the libraries' versions."""
    found = {"lucyte": lucyte.__version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine(settings: SegmentSettings | None = None) -> dict[str, Any]:
    """The machine in words, and what ran a network on it: no host name, no paths."""
    if settings and any(each.method == "network" for each in settings.objects):
        engine, device = choose_engine(settings.engine, settings.device)
    else:
        engine, device = "numba and scipy (no network was run)", "cpu"
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "device": device,
        "engine": engine,
    }


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as handle:
            for line in handle:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def peak_memory_mb() -> float:
    """Peak resident memory of this process and, added, of its largest finished child (MB)."""
    scale = 2**20 if sys.platform == "darwin" else 2**10
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return float(round((own + child) / scale, 1))


class StageClock:
    """Collects seconds and peak memory per stage, in the order in which they ran."""

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, Any]] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[dict[str, Any]]:
        """Time one stage; the yielded dictionary takes further facts."""
        started = time.perf_counter()
        facts: dict[str, Any] = {}
        yield facts
        self.stages[name] = {
            "seconds": round(time.perf_counter() - started, 2),
            "peak_memory_mb": peak_memory_mb(),
            **facts,
        }
