"""The map that `lucyte bench explain` chose, on further networks that nobody had looked at.

    python benchmarks/chosen_map.py 200 224 --log chosen.jsonl     # seeds 200 to 223
    python benchmarks/chosen_map.py --log chosen.jsonl             # only prints what the log holds

Each network is a line of the log. The method is fixed beforehand; controls stand on the same cells.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from lucyte.stats.intervals import Interval
from lucyte.testing.benchmarks.explain import candidates, controls, interval, log_ratio, maps_of
from lucyte.testing.benchmarks.explain_trials import Trial, small_network, try_model

CHOSEN = "layer_cam, stage1"
BESIDE = ("occlusion, 7 px", "deep_lift", "integrated_gradients")
"""Shown on the same networks; not chosen."""


def row_of(trial: Trial) -> dict[str, float]:
    """Log ratios of the chosen map, of some others and of the controls."""
    own = {each.name: each for each in candidates(trial.model)}
    wanted = (CHOSEN, *BESIDE)
    told = {name: log_ratio(maps_of(trial, own[name]), trial) for name in wanted}
    return told | controls(trial, CHOSEN)


def main() -> None:
    """Train what the log does not hold, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", type=int, nargs="*", help="first seed, and the one after the last")
    parser.add_argument("--log", type=Path, required=True, nargs="+", help="written to: the first")
    given = parser.parse_args()
    held = [json.loads(row) for log in given.log if log.is_file() for row in log.open()]
    known = {row["seed"] for row in held}
    for seed in range(*given.seeds) if given.seeds else ():
        if seed in known:
            continue
        trial = try_model(small_network(epochs=20), seed, 1200, 120)
        held.append(
            {"seed": seed, "qualifies": trial.qualifies}
            | {"ratios": row_of(trial) if trial.qualifies else {}}
        )
        with given.log[0].open("a") as out:
            out.write(json.dumps(held[-1]) + "\n")
    rows = [row["ratios"] for row in held if row["qualifies"]]
    print(f"{len(held)} networks, {len(rows)} qualify")
    for name in rows[0] if rows else ():
        found = interval(rows, name)
        ahead = interval([{name: row[CHOSEN] - row[name]} for row in rows], name)
        print(f"| {name} | {math.exp(found.estimate):.2f} | {_limits(found)} | {_limits(ahead)} |")


def _limits(found: Interval) -> str:
    if found.low is None or found.high is None:
        return f"none, n = {found.n}"
    return f"{math.exp(found.low):.2f} to {math.exp(found.high):.2f}"


if __name__ == "__main__":
    main()
