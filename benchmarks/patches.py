"""Patches with one Otsu threshold per stack, beside the plain scikit-image path, in one run.

    python benchmarks/patches.py [--planes 30] [--side 1248] [--patch 350] [--overlap 0.5]

The plain path is what a script would do: ``threshold_otsu`` per channel, the mask, its mean in
every window, the windows that are dense enough. Both answers are compared before times are shown.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import numpy.typing as npt

CHANNELS = ("mitochondria", "endosomes", "recycling")


def make_stack(planes: int, side: int, seed: int = 0) -> npt.NDArray[np.uint16]:
    """Camera-like pixels, C Z Y X: an offset with noise, and blurred organelles."""
    from scipy import ndimage as ndi

    rng = np.random.default_rng(seed)
    out = np.empty((3, planes, side, side), np.uint16)
    for c in range(3):
        for z in range(planes):
            field = ndi.uniform_filter(rng.standard_normal((side, side), np.float32), 9 + 4 * c)
            crowded = np.linspace(0, 1.6, side, dtype=np.float32)  # sparse left, crowded right
            light = np.maximum(field / field.std() - 1.8 + crowded, 0) * 2500
            out[c, z] = 400 + light + 30 * rng.standard_normal((side, side), np.float32)
    return out


def plain(
    stack: npt.NDArray[np.uint16], patch: int, step: int, least: float
) -> tuple[list[float], npt.NDArray[Any], npt.NDArray[Any]]:
    """The same by scikit-image and numpy."""
    from skimage.filters import threshold_otsu
    from skimage.util import view_as_windows

    thresholds = [float(threshold_otsu(channel)) for channel in stack]
    mask = stack > np.asarray(thresholds)[:, None, None, None]
    windows = view_as_windows(mask, (1, 1, patch, patch), (1, 1, step, step))
    ratio = windows.mean(axis=(4, 5, 6, 7)).mean(axis=0)
    at = np.argwhere(ratio >= least)
    cut = [stack[:, z, y * step : y * step + patch, x * step : x * step + patch] for z, y, x in at]
    return thresholds, ratio, np.stack(cut) if cut else np.empty((0, 3, patch, patch))


def main() -> None:
    """Print one JSON row."""
    from lucyte.classify.patches import PatchSettings, cut_patches, score_patches
    from lucyte.schema.image import make_image

    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--planes", type=int, default=30)
    ask.add_argument("--side", type=int, default=1248)
    ask.add_argument("--patch", type=int, default=350)
    ask.add_argument("--overlap", type=float, default=0.0)
    ask.add_argument("--least", type=float, default=0.10)
    ask.add_argument("--threads", type=int, default=0)
    ask.add_argument("--repeats", type=int, default=3)
    got = ask.parse_args()
    stack = make_stack(got.planes, got.side)
    image = make_image(stack, "CZYX", channels=CHANNELS)
    settings = PatchSettings(got.patch, got.overlap, got.least, threads=got.threads)
    warm = make_image(stack[:, :1], "CZYX", channels=CHANNELS)
    score_patches(warm, "warm", settings)  # compiled before the clock runs

    scored, cut, theirs = [], [], []
    for _ in range(got.repeats):
        start = time.perf_counter()
        patches = score_patches(image, "stack.tif", settings)
        scored.append(time.perf_counter() - start)
        pixels = cut_patches(image, patches, settings)
        cut.append(time.perf_counter() - start)
        start = time.perf_counter()
        step = max(1, round(got.patch * (1 - got.overlap)))
        thresholds, ratio, windows = plain(stack, got.patch, step, got.least)
        theirs.append(time.perf_counter() - start)
    ours = np.asarray(patches.table["foreground"]).reshape(ratio.shape)
    row = {
        "stack": list(stack.shape),
        "patch_px": got.patch,
        "overlap": got.overlap,
        "threads": got.threads,
        "kept": int(patches.table["kept"].sum()),
        "of": len(patches.table),
        "thresholds": list(patches.thresholds.values()),
        "thresholds_plain": thresholds,
        "largest_difference_of_ratio": float(np.abs(ours - ratio).max()),
        "same_patches": bool(pixels.shape == windows.shape and (pixels == windows).all()),
        "seconds_score": min(scored),
        "seconds_with_cutting": min(cut),
        "seconds_plain": min(theirs),
        "times_faster": min(theirs) / min(cut),
        "megapixels_per_second": stack.size / 1e6 / min(cut),
    }
    print(json.dumps(row, indent=1))


if __name__ == "__main__":
    main()
