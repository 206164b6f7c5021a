r"""Infidelity: does the relevance of what is covered say how far the answer falls?

.. math:: \mathrm{INFD} = \frac{\min_{\beta \ge 0} \sum_k (\beta \sum_{p \in P_k} R(p) - d_k)^2}
          {\sum_k d_k^2}, \qquad d_k = s(x) - s(x_{P_k})

over random squares :math:`P_k` that are replaced by the fill. The free scale makes methods of
other units comparable; a map that points the other way gains nothing by it. 0: every fall is
foretold; 1: none.

References
----------
Yeh et al. 2019, arXiv 1901.09392.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lucyte.evidence.explanation.curves import FILLED, exchanged, filled, margins
from lucyte.evidence.explanation.examined import Examined, ExamSettings, Masks
from lucyte.evidence.explanation.judging import Question, Score, beside_controls
from lucyte.schema.finding import Finding

Floats = npt.NDArray[np.float64]


def faithful(case: Examined, settings: ExamSettings) -> Finding:
    """Relevance of random squares against the fall of the answer."""
    asked = Question(
        "infidelity",
        "Does the relevance of a place say how far the answer falls without it?",
        "Share of the falls that is foretold",
        "The map foretells how far the answer falls better than every control.",
        (*FILLED, "falls add up over the pixels of a square"),
        settings.fills,
        blur="beaten",
    )
    score = _foretold(settings, case.maps.shape[1])
    return beside_controls(case, settings, asked, score)


def _foretold(settings: ExamSettings, planes: int) -> Score:
    """1 less the infidelity, one row per fill.

    The squares are the same for the map and every control, so their falls are asked once.

    Parameters
    ----------
    settings : ExamSettings
    planes : int
        L of the maps.
    """
    kept: dict[str, tuple[Masks, Floats]] = {}

    def score(case: Examined, maps: Floats, rng: np.random.Generator) -> Floats:
        if not kept:
            draw = np.random.default_rng(settings.seed)
            where = squares(settings.patches, (planes, *case.crops.shape[2:]), draw)
            kept["all"] = where, falls(case, where, settings)
        where, fallen = kept["all"]
        said = np.einsum("nlyx,klyx->nk", maps, where.astype(np.float64))
        return np.stack([1 - infidelity(said, each) for each in fallen])

    return score


def squares(count: int, shape: tuple[int, ...], rng: np.random.Generator) -> Masks:
    """Random squares of 2 px to a quarter of the side, each on one plane, ``K L Y X``."""
    planes, height, width = shape
    out = np.zeros((count, *shape), dtype=np.bool_)
    for each in out:
        side = int(rng.integers(2, max(3, min(height, width) // 4 + 1)))
        y, x = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
        each[int(rng.integers(planes)), y : y + side, x : x + side] = True
    return out


def falls(case: Examined, where: Masks, settings: ExamSettings) -> Floats:
    """Fall of the target's margin for each fill, crop and square, ``V N K``."""
    whole = case.crops.astype(np.float64)
    before = margins(case.predictor, whole, case.target_index)
    out = np.empty((len(settings.fills), len(case), len(where)))
    for row, fill in enumerate(settings.fills):
        empty = filled(case.crops, case.predictor.channels, fill)
        for k, square in enumerate(where):
            changed = exchanged(whole, empty, square[None], case.light)
            out[row, :, k] = before - margins(case.predictor, changed, case.target_index)
    return out


def infidelity(said: Floats, fallen: Floats) -> Floats:
    """Share of the squared falls that the map does not foretell, ``N K`` each to ``N``.

    nan where covering changes no answer.
    """
    square = (said**2).sum(axis=1)
    scale = np.divide(
        (said * fallen).sum(axis=1), square, out=np.zeros(len(said)), where=square > 0
    )
    left = ((np.maximum(scale, 0)[:, None] * said - fallen) ** 2).sum(axis=1)
    total = (fallen**2).sum(axis=1)
    out: Floats = np.divide(left, total, out=np.full(len(said), np.nan), where=total > 0)
    return out
