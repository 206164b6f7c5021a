"""Fusion compared on world organelles: python benchmarks/fusion.py [--epochs 8] [--out DIR]

Six lines of eight cultures as z-stacks, the nuclear channel left out; patches of cells are voted up
to their stack, and every culture is answered by networks that never saw it. Single channels,
early, intermediate and late fusion with the small encoder under one protocol and one budget of
time (`lucyte.learn.fusion_comparison.compare_fusion`). Nothing is asserted. The settings were
chosen on seed 31; the figures in docs/organelles.md are of seed 32. A run that was stopped goes on
with the same --out.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import torch

from lucyte.classify.patch_samples import PatchReading, read_patches
from lucyte.classify.patches import PatchSettings
from lucyte.io.labelled import SampleOptions
from lucyte.learn.fusion_comparison import FusionComparison, compare_fusion
from lucyte.learn.image_augment import GENTLE
from lucyte.learn.image_learner import ImageSettings
from lucyte.learn.image_training import TrainingSettings
from lucyte.simulate.organelle_settings import OrganelleSettings
from lucyte.simulate.organelle_write import write_organelles
from lucyte.simulate.organelles import simulate_organelles

LEARNING = ImageSettings(
    network_px=64,
    training=TrainingSettings(augment=GENTLE),
)


def read_world(folder: Path, args: argparse.Namespace) -> PatchReading:
    """Stacks on disk, then their patches."""
    settings = OrganelleSettings(
        carrier=args.carrier,
        cultures=args.cultures,
        size_px=512,
        pixel_size_um=0.2,
        planes=6,
        z_step_um=0.8,
    )
    if not (folder / "world.json").exists():
        write_organelles(simulate_organelles(settings, seed=args.seed), folder)
    cut = PatchSettings(96, min_foreground=0.02, exclude=("nucleus",), planes="max", threads=1)
    return read_patches(folder / "images.csv", cut, SampleOptions(group_column="group"))


def tell(found: FusionComparison) -> dict[str, object]:
    """Every figure of a comparison."""
    best = found.frame()["model"].iloc[0]
    whole = next(e.entry.name for e in found.trained if e.entry.form == "intermediate")
    pairs = {}
    for each in found.trained:
        if each.entry.name != whole:
            gain = found.difference(whole, each.entry.name)
            pairs[each.entry.name] = (gain.estimate, gain.low, gain.high, gain.n)
    return {
        "protocol": found.protocol,
        "best": best,
        "models": found.frame().to_dict("records"),
        "intermediate_over": pairs,
        "carriers": found.carriers().to_dict("records"),
    }


def main() -> None:
    """Make the world, cut it, compare, print."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--epochs", type=int, default=8, help="of every network")
    ask.add_argument("--minutes", type=float, default=0.0, help="0: whatever the epochs take")
    ask.add_argument("--seed", type=int, default=32)
    ask.add_argument("--carrier", default="organelles")
    ask.add_argument("--cultures", type=int, default=8)
    ask.add_argument("--folds", type=int, default=4)
    ask.add_argument("--threads", type=int, default=2)
    ask.add_argument("--combinations", action="store_true", help="every set of channels, too")
    ask.add_argument("--out", type=Path, default=Path("fusion"))
    args = ask.parse_args()
    torch.set_num_threads(args.threads)
    reading = read_world(args.out / f"{args.carrier}-{args.seed}", args)
    samples = reading.samples
    sizes = len(samples), len(set(samples.sources)), len(set(samples.groups))
    print("{} patches of {} stacks of {} cultures".format(*sizes), flush=True)
    began, worked = time.perf_counter(), time.process_time()
    found = compare_fusion(
        samples,
        replace(LEARNING, training=replace(LEARNING.training, epochs=args.epochs)),
        60 * args.minutes or None,
        folds=args.folds,
        seed=args.seed,
        every_combination=args.combinations,
        folder=args.out / f"checkpoints-{args.carrier}-{args.seed}",
        told=lambda line: print(line, flush=True),
    )
    spent = (time.perf_counter() - began) / 60, (time.process_time() - worked) / 60
    report = {"sizes": sizes, "minutes": spent[0], "processor_minutes": spent[1], **tell(found)}
    (args.out / f"{args.carrier}-{args.seed}.json").write_text(json.dumps(report, indent=1) + "\n")
    print(found.frame().round(3).to_string(), found.carriers().round(3).to_string(), sep="\n\n")
    print(json.dumps(report["intermediate_over"], indent=1))
    print("{:.1f} minutes, {:.1f} of one processor".format(*spent))


if __name__ == "__main__":
    main()
