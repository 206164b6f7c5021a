"""How wide a network, at which output stride? The same short training for each, then the clock.

    python benchmarks/network_size.py ANNOTATED [--steps 600]

Prints AP on the groups kept back and seconds per megapixel on two threads; nothing is asserted.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from lucyte.networks.model_folder import read_folder
from lucyte.networks.object_network import restore
from lucyte.pipeline.train_objects import TrainRequest, train
from lucyte.segment.network import ObjectFinder
from lucyte.testing.outcome import markdown_table

SIZES = (
    ((16, 24, 32, 48), 2),
    ((16, 24, 32, 48, 64), 2),
    ((24, 32, 48, 64, 96), 2),
    ((48, 64, 96, 128), 4),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=600)
    asked = parser.parse_args()
    rows = []
    for widths, stride in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "model"
            started = time.perf_counter()
            train(
                TrainRequest(
                    "segment",
                    asked.data,
                    out,
                    finds="nucleus",
                    steps=asked.steps,
                    widths=widths,
                    stride=stride,
                    quiet=True,
                )
            )
            minutes = (time.perf_counter() - started) / 60
            stored = read_folder(out)
            table = pd.read_csv(out / "validation.csv")
        network, _ = restore(stored)
        answer = ObjectFinder(stored, engine="openvino", threads=2).answer
        image = np.random.default_rng(0).random((1, 2, 1024, 1024), np.float32)
        answer(image)
        started = time.perf_counter()
        answer(image)
        seconds = (time.perf_counter() - started) / 1.048576
        rows.append(
            {
                "widths": " ".join(map(str, widths)),
                "stride": stride,
                "parameters": f"{sum(p.numel() for p in network.parameters()) / 1e6:.2f} M",
                "AP50": f"{table['AP@0.5'].mean():.3f}",
                "AP75": f"{table['AP@0.75'].mean():.3f}",
                "network s/Mpx": f"{seconds:.2f}",
                "training min": f"{minutes:.0f}",
            }
        )
        print(rows[-1], flush=True)
    print(markdown_table(tuple(rows)))


if __name__ == "__main__":
    main()
