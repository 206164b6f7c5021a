"""Pixels to labels: seconds and memory per megapixel, by engine, beside StarDist in one run.

    python benchmarks/segment.py IMAGES [--stardist PYTHON] [--side 1024] [--model nuclei]

IMAGES are tiled to squares of the size asked for. StarDist runs in an environment of its own
(``--stardist`` names its python) with fresh weights, which find hardly any objects: the network's
and the candidates' time alone, to its advantage. Without it the row says so.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ENGINES = ("openvino", "openvino-bf16", "torch")
REPEATS = 3

STARDIST = """
import json, resource, sys, time
import numpy as np
from stardist.models import Config2D, StarDist2D
image = np.load(sys.argv[1])[0].astype(np.float32)
low, high = np.percentile(image, (1, 99.8))
model = StarDist2D(Config2D(n_rays=32, grid=(2, 2), n_channel_in=1), name=None, basedir=None)
model.thresholds = dict(prob=0.999, nms=0.4)
image = (image - low) / max(high - low, 1e-6)
model.predict_instances(image)
times = []
for _ in range(int(sys.argv[2])):
    start = time.perf_counter()
    labels, _ = model.predict_instances(image)
    times.append(time.perf_counter() - start)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
print(json.dumps({"seconds": min(times), "objects": int(labels.max()), "peak_mb": peak}))
"""


def mosaic(folder: Path, side: int) -> npt.NDArray[Any]:
    """Images side by side until a square is full, 1 Y X."""
    from lucyte.io.open import open_image

    out = np.zeros((side, side), np.uint16)
    y = row = 0
    x = 0
    paths = sorted(each for each in folder.iterdir() if each.is_file())
    place = 0
    while y < side:
        image = np.asarray(open_image(paths[place % len(paths)]).values)
        place += 1
        if image.ndim != 2 or max(image.shape) > 400:
            continue
        part = image[: side - y, : side - x]
        out[y : y + part.shape[0], x : x + part.shape[1]] = part
        x, row = x + image.shape[1], max(row, image.shape[0])
        if x >= side:
            x, y, row = 0, y + row, 0
    return out[None]


def here(path: Path, model: str, engine: str, diameter: float | None) -> dict[str, Any]:
    """Lucyte on one engine, measured in this process."""
    from lucyte.networks import grouping
    from lucyte.networks.model_folder import read_folder
    from lucyte.networks.shipped import model_path
    from lucyte.segment import network

    image = np.load(path)
    finder = network.ObjectFinder(read_folder(model_path(model)), model, engine, "cpu", 2)
    spent = {"network": 0.0}
    inner = finder.answer

    def timed(batch: Any) -> Any:
        start = time.perf_counter()
        answer = inner(batch)
        spent["network"] += time.perf_counter() - start
        return answer

    finder.answer = timed
    found = finder.find(image, diameter)
    times, shares, groups = [], [], []
    for _ in range(REPEATS):
        spent["network"] = 0.0
        start = time.perf_counter()
        found = finder.find(image, diameter)
        times.append(time.perf_counter() - start)
        shares.append(spent["network"])
    maps = inner(np.zeros((1, 2 * len(image), 1024, 1024), np.float32))[0]
    start = time.perf_counter()
    peaks = grouping.find_peaks(maps, 0.4)
    peaks.take(grouping.suppress(peaks))
    groups.append(time.perf_counter() - start)
    best = int(np.argmin(times))
    return {
        "seconds": times[best],
        "network_s": shares[best],
        "objects": len(found.boxes),
        "diameter_px": found.diameter_px,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
    }


def apart(arguments: list[str], python: str = sys.executable) -> dict[str, Any] | str:
    """Run in a process of its own, so that peak memory is its own; a failure in words."""
    environment = os.environ | {"OMP_NUM_THREADS": "2", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [python, *arguments], capture_output=True, text=True, env=environment, timeout=1800
    )
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["failed"])[-1]
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("--stardist", default="", help="python of StarDist's environment")
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        path, engine, diameter = options.one
        known = None if diameter == "auto" else float(diameter)
        print(json.dumps(here(Path(path), options.model, engine, known)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mosaic.npy"
        np.save(path, mosaic(options.images, options.side))
        rows: dict[str, dict[str, Any] | str] = {}
        for engine in ENGINES:
            for diameter in ("auto", "28") if engine == "openvino" else ("28",):
                own = [__file__, str(options.images), "--model", options.model]
                found = apart([*own, "--one", str(path), engine, diameter])
                rows[f"lucyte {engine}, size {diameter}"] = found
        if options.stardist:
            rows["stardist"] = apart(["-c", STARDIST, str(path), str(REPEATS)], options.stardist)
        else:
            rows["stardist"] = "skipped: no --stardist PYTHON"
    megapixels = (options.side / 1000) ** 2
    base = rows["stardist"]["seconds"] if isinstance(rows["stardist"], dict) else None
    print(f"{'':34} s/Mpx  network  of StarDist  objects  peak MB   ({options.side} px square)")
    for name, row in rows.items():
        if isinstance(row, str):
            print(f"{name:34} {row}")
            continue
        share = f"{row['network_s'] / row['seconds']:.0%}" if "network_s" in row else "-"
        ratio = f"{row['seconds'] / base:.2f}" if base else "-"
        print(
            f"{name:34} {row['seconds'] / megapixels:5.2f}  {share:>7}  {ratio:>11}  "
            f"{row['objects']:7d}  {row['peak_mb']:7.0f}"
        )


if __name__ == "__main__":
    main()
