r"""RISE: hide random parts of every channel at once, many times over.

.. math:: R_c(p) = \frac{\sum_i (s_i - \bar s)(m_{i,c}(p) - \bar m_c(p))}
                        {\sum_i (m_{i,c}(p) - \bar m_c(p))^2}

with :math:`m_i` smooth random masks drawn for each channel by itself and :math:`s_i` the score of
the blend. For masks of 0 and 1 this is :math:`E[s \mid m(p){=}1] - E[s \mid m(p){=}0]`. The
published :math:`E[s \mid m(p){=}1]` ranks px the same, but carries the mean score as an offset and
its noise with it.

References
----------
Petsiuk, Das and Saenko 2018, arXiv 1806.07421.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from lucyte.explain.attribution.explained import Floats
from lucyte.explain.attribution.inside import seen_channels
from lucyte.schema.errors import UsageError

if TYPE_CHECKING:
    from lucyte.explain.attribution.methods import Case
    from lucyte.explain.attribution.questions import Questions
    from lucyte.explain.attribution.relevance import Relevance

CELLS = 8
"""Cells of a random mask along the side of a crop."""
KEPT = 0.5
"""Share of the cells that are kept."""
CHUNK = 64
"""Masks at once; bounds the memory."""


def rise(case: Case) -> Relevance:
    """RISE as a row of the table of methods; the same masks for all crops."""
    settings = case.settings
    maps = rise_maps(case.questions(), settings.samples, settings.seed)
    # What the network never sees, only chance gave a slope.
    maps[:, [name not in seen_channels(case.score.model) for name in case.light]] = 0
    return case.found(maps, "fall", note=f"{settings.samples} random masks.")


def rise_maps(questions: Questions, samples: int, seed: int) -> Floats:
    """Maps ``N L Y X`` from ``samples`` masks.

    Raises
    ------
    UsageError
        Fewer than two masks.
    """
    if samples < 2:
        raise UsageError(f"random masking needs 2 masks or more, got {samples}.")
    count, _, side, _ = questions.raw.shape
    light = len(questions.light)
    rng = np.random.default_rng(seed)
    first = np.zeros((count, light * side * side))
    mean, square = np.zeros(first.shape[1]), np.zeros(first.shape[1])
    total = np.zeros(count)
    reference = questions.whole()
    for at in range(0, samples, CHUNK):
        masks = random_masks(min(CHUNK, samples - at), light, side, rng)
        some = len(masks)
        rows = np.repeat(np.arange(count), some)
        answers = questions.ask(rows, masks, np.tile(np.arange(some), count))
        # Sums of falls are small numbers; sums of scores would lose their differences.
        falls = answers.reshape(count, some) - reference[:, None]
        flat = masks.numpy().reshape(some, -1).astype(np.float64)
        first += falls @ flat
        mean += flat.sum(axis=0)
        square += (flat**2).sum(axis=0)
        total += falls.sum(axis=1)
    mean /= samples
    spread = square - samples * mean**2
    slope = (first - total[:, None] * mean) / np.maximum(spread, 1e-9 * samples)
    out: Floats = slope.reshape(count, light, side, side)
    return out


def random_masks(count: int, channels: int, side: int, rng: np.random.Generator) -> torch.Tensor:
    """Random cells, smoothly enlarged and moved by a random part of a cell: ``K L side side``."""
    cell = -(-side // CELLS)
    small = (rng.random((count, channels, CELLS + 1, CELLS + 1)) < KEPT).astype(np.float32)
    size = (CELLS + 1) * cell
    large = F.interpolate(
        torch.from_numpy(small), size=(size, size), mode="bilinear", align_corners=False
    )
    out = torch.empty(count, channels, side, side)
    for k, (y, x) in enumerate(rng.integers(0, cell, (count, 2))):
        out[k] = large[k, :, y : y + side, x : x + side]
    return out
