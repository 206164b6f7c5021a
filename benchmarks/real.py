"""``make real``: the whole job on the three real inputs, from their folders to reports.

Usage: python benchmarks/real.py DATA -o OUT [--only cellular|gowt1|translocation]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from lucyte.cli import main as lucyte

INPUTS = {
    "gowt1": ("ctc/Fluo-N2DH-GOWT1/01", ""),
    "cellular": ("cellular", ""),
    "translocation": ("cellprofiler/ExampleVitraImages", "GFP=Channel 1,DNA=Channel 2"),
}


def call(*arguments: str) -> None:
    """One ``lucyte`` command; ends this program when it fails."""
    try:
        lucyte(list(arguments))
    except SystemExit as done:
        if done.code:
            raise


def run_one(name: str, data: Path, out: Path) -> dict[str, object]:
    """Init, run and read back what may be believed."""
    folder, channels = INPUTS[name]
    plan, started = out / f"{name}.toml", time.perf_counter()
    extra = ["--channels", channels] if channels else []
    call("init", str(data / folder), "-o", str(plan), "--force", *extra)
    call("run", str(plan), "-o", str(out / name))
    findings = json.loads((out / name / "evidence.json").read_text(encoding="utf-8"))
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "findings": {each["name"]: (each["verdict"], each["statistic"]) for each in findings},
    }


def main() -> None:
    """Run what was asked for and print a summary as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--out", type=Path, default=Path("real"))
    parser.add_argument("--only", choices=INPUTS, action="append")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    print(json.dumps({n: run_one(n, options.data, options.out) for n in options.only or INPUTS}))


if __name__ == "__main__":
    main()
