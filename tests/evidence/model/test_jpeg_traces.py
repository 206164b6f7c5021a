"""Real JPEG compression is seen, smooth pictures and bright outlines are not taken for it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from imagecodecs import jpeg8_decode, jpeg8_encode
from scipy.ndimage import gaussian_filter

from lucyte.evidence.model.jpeg_traces import jpeg_traces


def pictures() -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 1, (12, 1, 40, 40))
    smooth = gaussian_filter(noise, (0, 0, 1.5, 1.5))
    return np.clip(128 + 200 * smooth, 0, 255).astype(np.uint8)


def compressed(level: int) -> np.ndarray:
    return np.stack([jpeg8_decode(jpeg8_encode(each[0], level=level))[None] for each in pictures()])


def twin(picture: np.ndarray) -> float:
    """The step at phase 7 by its definition, along x then y."""
    steps = []
    for turned in (picture.T, picture):
        off = [np.abs(b - a) for a, b in pairwise(turned)]
        most = 3 * np.median(np.stack(off))
        phase = [np.mean([np.minimum(o, most).mean() for o in off[j::8]]) for j in range(8)]
        others = np.mean(phase[:7])
        steps.append((phase[7] - others) / others)
    return float(np.mean(steps))


def test_strong_compression_leaves_steps() -> None:
    plain, strong = jpeg_traces(pictures()), jpeg_traces(compressed(10))
    assert abs(plain[:, 0].mean()) < 0.1
    assert strong[:, 0].mean() > 0.3
    assert (strong[:, 1] >= strong[:, 0]).all()


def test_the_step_is_what_its_equation_says() -> None:
    strong = compressed(10).astype(np.float64)
    expected = [twin(each[0]) for each in strong]
    assert jpeg_traces(strong)[:, 0] == pytest.approx(expected, rel=1e-4)


def test_skipped_grey_values_are_counted() -> None:
    even = (pictures() // 4) * 4
    assert jpeg_traces(even)[:, 2] == pytest.approx(0.75, abs=0.05)
    assert jpeg_traces(pictures().astype(np.float32) + 0.5)[:, 2].max() == 0
