"""The matrix of docs/challenge-matrix.md: shortcuts against challenges, and false alarms.

    python benchmarks/evidence.py --worlds 50 --log evidence.jsonl [--processes 2] [--first 0]

Each world is a line of the log; the same command goes on where it was stopped. --first gives
the seed of the first round, --shams-only leaves planted worlds out. --worlds 0 only prints what the
log, or several logs that were made side by side, hold; --page writes it into the page, between its
marks.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lucyte.testing.benchmarks.evidence import jobs, read_log, report, run

MARKS = ("<!-- matrix -->", "<!-- /matrix -->")


def main() -> None:
    """Run what is missing, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, required=True, help="rounds: worlds of each shortcut")
    parser.add_argument("--log", type=Path, required=True, nargs="+", help="written to: the first")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--shams-only", action="store_true", help="rounds without planted worlds")
    parser.add_argument("--page", type=Path, help="docs/challenge-matrix.md")
    given = parser.parse_args()

    def told(done: int, of: int) -> None:
        print(f"{done}/{of}", end="\r", file=sys.stderr, flush=True)

    if given.worlds:
        run(
            list(jobs(given.worlds, given.first, not given.shams_only)),
            given.log[0],
            given.processes,
            told,
        )
    told_by_log = report([record for log in given.log for record in read_log(log)])
    print(told_by_log)
    if given.page:
        before, rest = given.page.read_text("utf-8").split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        text = f"{before}{MARKS[0]}\n{told_by_log}\n{MARKS[1]}{after}"
        given.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
