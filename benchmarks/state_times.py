"""Are the known rates of world ``lineage`` recovered, and do the intervals hold them?

    python benchmarks/state_times.py [replicates]

The films of one plate are simulated once; their states are drawn anew for every replicate (states
do not move cells), with new rates of every well. Each replicate is analysed from true tracks and
true states, and again with 5 % of the states named wrongly: taken as they are, and with the
confusion matrix given. Prints a table of mean estimates and of the share of 95 % intervals over
wells that hold the condition's true rate.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pandas as pd

from lucyte.screen.state_times import StateTimesSettings, state_times
from lucyte.simulate.lineage import LineageField, LineageWorld, simulate_lineage

ERROR = 0.05


def redrawn(field: LineageField, table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The film again with states and well rates of another seed."""
    other = replace(field, seed=seed)
    other.__dict__["life"] = field.life
    numbers = {track: number for number, track in field.track_ids.items()}
    paths = other.paths
    hours = table["time_s"] / 3600
    states = [
        field.settings.states[paths[numbers[track]].at(time)]
        for track, time in zip(table["track_id"], hours, strict=True)
    ]
    return table.assign(state=states)


def main(replicates: int) -> None:
    """Print the table."""
    world: LineageWorld = simulate_lineage(seed=100)
    first = world.states()
    tables = {each.field_id: first[first["field_id"] == each.field_id] for each in world.fields}
    classes = world.settings.states
    confusion = np.array([[1 - ERROR, ERROR], [ERROR, 1 - ERROR]])
    found: dict[tuple[str, str, str], list[tuple[float, float, float, float]]] = defaultdict(list)
    for seed in range(1000, 1000 + replicates):
        true = pd.concat(
            [redrawn(each, tables[each.field_id], seed) for each in world.fields],
            ignore_index=True,
        )
        wrong = np.random.default_rng(seed).random(len(true)) < ERROR
        other = np.where(true["state"] == classes[0], classes[1], classes[0])
        named = true.assign(state=np.where(wrong, other, true["state"]))
        plain = StateTimesSettings(classes=classes, permutations=199)
        runs = {
            "true states": (true, plain),
            "5 % wrong, taken as they are": (named, plain),
            "5 % wrong, confusion given": (named, replace(plain, confusion=confusion)),
        }
        for name, (table, settings) in runs.items():
            told = state_times(table, settings)
            for row in told.rates.to_dict("records"):
                rates = world.settings.rates(str(row["condition"]))
                truth = rates.on_per_h if row["source"] == classes[0] else rates.off_per_h
                key = (name, str(row["condition"]), f"{row['source']} to {row['target']}")
                found[key].append((truth, row["estimate"], row["low"], row["high"]))
            if name == "true states":
                birth = told.sisters[(told.sisters["what"] == "state") & (told.sisters.age_h == 0)]
                for row in birth.to_dict("records"):
                    rates = world.settings.rates(str(row["condition"]))
                    decay = np.exp(-sum(rates) * world.settings.interval_h)
                    truth = world.settings.inheritance * decay
                    key = (name, str(row["condition"]), "sisters at first look")
                    found[key].append((truth, row["correlation"], row["low"], row["high"]))
    for key, values in found.items():
        truth, estimate, low, high = np.array(values).T
        held = ((low <= truth) & (truth <= high)).mean()
        print(
            f"| {' | '.join(key)} | {truth[0]:.3f} | {estimate.mean():.3f} | "
            f"{estimate.std(ddof=1):.3f} | {held:.2f} | {len(truth)} |"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
