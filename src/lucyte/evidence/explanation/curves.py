r"""Deletion, insertion and ROAD: what the answer does as pixels go or come in order of relevance.

.. math:: D = \frac{1}{a} \int_0^a [s(x) - s(x_{-q})] dq, \qquad
          I = \frac{1}{a} \int_0^a [s(b_{+q}) - s(b)] dq

with :math:`s` the logit margin of the target, :math:`x_{-q}` the crop without its most relevant
share q of pixels, :math:`b_{+q}` the fill with them, by trapezoids up to the largest share a.

References
----------
Petsiuk et al. 2018, arXiv 1806.07421 (insertion and deletion). Samek et al. 2017,
doi 10.1109/TNNLS.2016.2599820. Rong et al. 2022, arXiv 2202.00449 (ROAD).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from lucyte.evidence.explanation.controls import COARSE
from lucyte.evidence.explanation.examined import Examined, ExamSettings, Masks
from lucyte.evidence.explanation.imputation import imputed
from lucyte.evidence.explanation.judging import Question, Score, beside_controls
from lucyte.learn.erasing import baseline_image, light_channels
from lucyte.learn.margins import class_margin
from lucyte.schema.finding import Finding
from lucyte.schema.protocols import Predictor

Floats = npt.NDArray[np.float64]


FILLED = (
    "a pixel that is replaced by the fill is gone",
    "the change itself does not look like a class",
)


def deletion(case: Examined, settings: ExamSettings) -> Finding:
    """Area over the deletion curve."""
    asked = Question(
        "deletion",
        "Does the answer go when the pixels that the map marks go?",
        "Mean fall of the logit margin",
        "Without the pixels that the map marks, the answer goes sooner than with any control.",
        FILLED,
        settings.fills,
        blur="guard",
    )
    return beside_controls(case, settings, asked, _areas(settings, inserting=False))


def insertion(case: Examined, settings: ExamSettings) -> Finding:
    """Area under the insertion curve."""
    asked = Question(
        "insertion",
        "Do the pixels that the map marks bring the answer back?",
        "Mean rise of the logit margin",
        "The pixels that the map marks bring the answer back sooner than any control.",
        FILLED,
        settings.fills,
        blur="guard",
    )
    return beside_controls(case, settings, asked, _areas(settings, inserting=True))


def road(case: Examined, settings: ExamSettings) -> Finding:
    """Most relevant pixels imputed from their neighbours."""
    asked = Question(
        "road",
        "Does the answer go when the marked pixels are painted over from their surroundings?",
        "Mean fall of the logit margin",
        "Painted over from their surroundings, the marked pixels take the answer with them.",
        ("a pixel that is imputed from its neighbours is gone, and its outline says nothing",),
        blur="guard",
    )
    return beside_controls(case, settings, asked, _imputed_falls(settings))


def filled(crops: npt.NDArray[Any], channels: Sequence[str], fill: str) -> Floats:
    """The picture that pixels are taken from, ``N C Y X``; masks as they are.

    ``blur`` is the crop blurred by an eighth of its side; the others are those of
    `lucyte.learn.erasing.baseline_image`.
    """
    if fill != "blur":
        return baseline_image(crops, channels, fill)
    out = crops.astype(np.float64)
    light = list(light_channels(channels))
    sigma = COARSE * np.array(crops.shape[2:])
    out[:, light] = gaussian_filter(out[:, light], (0, 0, *sigma), mode="nearest")
    return out


def tops(maps: Floats, fractions: Sequence[float], rng: np.random.Generator) -> Iterator[Masks]:
    """The most relevant share of all values of each map, ``N L Y X``, for each fraction.

    Ties are broken at random, so that a flat map is a random one.
    """
    flat = maps.reshape(len(maps), -1)
    order = np.lexsort((rng.random(flat.shape), -flat), axis=1)
    for fraction in fractions:
        chosen = np.zeros(flat.shape, dtype=np.bool_)
        np.put_along_axis(chosen, order[:, : round(fraction * flat.shape[1])], True, axis=1)
        yield chosen.reshape(maps.shape)


def _areas(settings: ExamSettings, inserting: bool) -> Score:
    """Mean change of the margin along the curve, one row per fill."""

    def score(case: Examined, maps: Floats, rng: np.random.Generator) -> Floats:
        whole = case.crops.astype(np.float64)
        chosen = list(tops(maps, settings.fractions, rng))
        out = np.empty((len(settings.fills), len(case)))
        for row, fill in enumerate(settings.fills):
            empty = filled(case.crops, case.predictor.channels, fill)
            start, other = (empty, whole) if inserting else (whole, empty)
            curve = [margins(case.predictor, start, case.target_index)]
            curve += [
                margins(
                    case.predictor, exchanged(start, other, where, case.light), case.target_index
                )
                for where in chosen
            ]
            change = np.stack(curve) - curve[0]
            out[row] = area(change if inserting else -change, settings.fractions)
        return out

    return score


def _imputed_falls(settings: ExamSettings) -> Score:
    """Mean fall of the margin when the most relevant pixels are imputed, one row."""

    def score(case: Examined, maps: Floats, rng: np.random.Generator) -> Floats:
        whole = case.crops.astype(np.float64)
        before = margins(case.predictor, whole, case.target_index)
        falls = []
        for where in tops(maps, settings.road_fractions, rng):
            wide = np.broadcast_to(where, (len(case), len(case.light), *where.shape[2:]))
            changed = whole.copy()
            for n, masks in enumerate(wide):
                for channel, mask in zip(case.light, masks, strict=True):
                    changed[n, channel] = imputed(whole[n, channel], mask, settings.noise, rng)
            falls.append(before - margins(case.predictor, changed, case.target_index))
        mean: Floats = np.mean(falls, axis=0, keepdims=True)
        return mean

    return score


def exchanged(start: Floats, other: Floats, where: Masks, light: Sequence[int]) -> Floats:
    """``start`` with the pixels ``where`` (``N L Y X``, or L = 1 for all channels) of ``other``."""
    out = start.copy()
    out[:, light] = np.where(where, other[:, light], start[:, light])
    return out


def area(curve: Floats, fractions: Sequence[float]) -> Floats:
    """Mean height of curves ``F+1 N`` that begin at fraction 0, by trapezoids, ``N``."""
    at = np.array([0.0, *fractions])
    out: Floats = np.trapezoid(curve, at, axis=0) / at[-1]
    return out


def margins(
    predictor: Predictor, crops: npt.NDArray[Any], targets: npt.NDArray[np.int64]
) -> Floats:
    """Margin of each crop's target, ``N``."""
    return class_margin(predictor.logits(crops), targets)
