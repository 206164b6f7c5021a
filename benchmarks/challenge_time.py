"""How long every challenge takes for a small network on 2,000 simulated crops of 48 px.

    python benchmarks/challenge_time.py FOLDER [--epochs 8]

Makes the crops (16 wells, three channels), trains the small network on them, and puts every
challenge to it, through the commands. Prints the seconds of the whole; its log says each one's.
Nothing is asserted; two cores.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd

from lucyte.simulate.crops import crops
from lucyte.simulate.settings import demo_settings
from lucyte.testing.process import lucyte_command

CROPS, SIDE_PX, WELLS = 2000, 48, 8


def main() -> None:
    """Make, train, challenge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=8)
    given = parser.parse_args()
    data = write_crops(given.folder)
    model = given.folder / "states"
    lucyte("train", "classify", data, "--folds", 2, "--epochs", given.epochs, "-o", model)
    begun = time.perf_counter()
    lucyte("challenge", model, data, "-o", given.folder / "challenged")
    print(f"every challenge of {CROPS:,} crops: {time.perf_counter() - begun:.0f} s")


def write_crops(folder: Path) -> Path:
    """Cells of both states as an array with a table beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = demo_settings()
    layout = settings.layout.model_copy(update={"wells_per_condition": WELLS})
    made = crops(settings.model_copy(update={"layout": layout}), CROPS, SIDE_PX, seed=7)
    np.savez(folder / "cells.npz", cells=made.crops)
    table = pd.DataFrame({"state": made.labels, "group": made.groups})
    table.to_csv(folder / "cells.csv", index=False)
    return folder / "cells.npz"


def lucyte(*words: object) -> None:
    """Run a command as a user would; its failure ends the benchmark."""
    channels = ("--channels", "EGFP,mRFP,TL")
    command = [*lucyte_command(), *map(str, words), *channels]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
