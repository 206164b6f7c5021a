"""Exams of relevance maps: does taking away what a map marks take away the answer?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.evidence.explanation.controls import CONTROLS, control_maps
from lucyte.learn.erasing import baseline_image, light_channels
from lucyte.learn.margins import class_margin
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.finding import Finding, Verdict
from lucyte.schema.protocols import Predictor
from lucyte.stats.intervals import FEWEST, FEWEST_TO_REASSURE, unit_mean_interval, unit_means

Floats = npt.NDArray[np.float64]

SHARES = (0.025, 0.05, 0.1)
"""Shares of all pixels of all channels that are taken away."""
BASELINES = ("local_background", "mean")
"""Two, for the verdict must not hang on what stands in for a missing pixel."""


def test_attribution(
    predictor: Predictor,
    crops: npt.NDArray[Any],
    maps: Floats,
    masks: npt.NDArray[np.bool_],
    groups: Sequence[str],
    seed: int,
    targets: Sequence[str] | None = None,
    unit: str = "well",
) -> Finding:
    """Take away the most relevant pixels; compare the fall with that of maps that know nothing.

    Parameters
    ----------
    predictor : Predictor
    crops : array N C Y X
        Raw units, channels as the predictor's.
    maps : float array N L Y X
        Relevance for ``targets`` per channel of light; positive speaks for the target.
    masks : bool array N Y X
        Each cell's own mask.
    groups : sequence of N str
        Independent unit of each crop.
    seed : int
    targets : sequence of N str, optional
        The class each map explains; default the class the predictor gives.
    unit : str
        What ``groups`` counts.

    Returns
    -------
    Finding
        ``occlusion.deletion``. The statistic is how much further the logit margin falls than with
        the best control map, mean over units. Passes when the interval (with few units: every one
        of 4 or more) is above 0, fails when the mean is not.

    Raises
    ------
    UsageError
        Shapes that do not fit, a map with nan, an unknown target.

    References
    ----------
    Samek et al. 2017, doi 10.1109/TNNLS.2016.2599820. Adebayo et al. 2018, arXiv 1810.03292.
    """
    _check(predictor, crops, maps, masks, groups)
    at = _targets(predictor, crops, targets)
    rng = np.random.default_rng(seed)
    tried = {"map": maps, **control_maps(predictor.channels, crops, maps, rng)}
    falls = {
        name: deletion_falls(predictor, crops, relevance, at, rng)
        for name, relevance in tried.items()
    }
    mean_fall = {name: fall.mean(axis=(0, 1)) for name, fall in falls.items()}
    of_units = {name: unit_means(fall, groups)[1] for name, fall in mean_fall.items()}
    best = max((name for name in falls if name != "map"), key=lambda n: of_units[n].mean())
    gain = unit_mean_interval(mean_fall["map"] - mean_fall[best], groups, seed=seed)
    units, gains = unit_means(mean_fall["map"] - mean_fall[best], groups)
    flat = int((np.ptp(maps.reshape(len(maps), -1), axis=1) == 0).sum())
    inside, area = inside_share(maps, masks)
    verdict, because = _judge(gain.low, gains, flat, len(maps))
    return Finding(
        name="occlusion.deletion",
        question="Do the relevance maps mark what the model's answers rest on?",
        verdict=verdict,
        statistic=gain.estimate,
        low=gain.low,
        high=gain.high,
        n=gain.n,
        unit=unit,
        assumed=(
            "a pixel that is replaced by the local background, or by the crop's mean, is gone",
            "the change itself does not look like a class",
        ),
        why=f"{because} Without the most relevant pixels the logit margin falls by "
        f"{of_units['map'].mean():.2f}; with the best map that knows nothing of the model "
        f"({CONTROLS[best]}) by {of_units[best].mean():.2f}. "
        + (
            f"{inside:.0%} of the relevance lies in the cell, which fills {area:.0%} of the crop."
            if math.isfinite(inside)
            else "The maps are empty: the answers rest on nothing in these crops."
        ),
        statistic_name="fall beyond the best control, logits",
        group="explanation",
        details={
            "falls": {name: float(values.mean()) for name, values in of_units.items()},
            "falls_by_baseline": {
                name: dict(zip(BASELINES, fall.mean(axis=(1, 2)).tolist(), strict=True))
                for name, fall in falls.items()
            },
            "shares": list(SHARES),
            "units": dict(zip(units, gains.tolist(), strict=True)),
            "inside": inside,
            "area": area,
            "flat_maps": flat,
            "crops": len(maps),
        },
    )


# The house's name for an exam; pytest must not take it for one of its own.
test_attribution.__test__ = False  # type: ignore[attr-defined]


def deletion_falls(
    predictor: Predictor,
    crops: npt.NDArray[Any],
    relevance: Floats,
    targets: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> Floats:
    """Fall of the target's margin when the top pixels are replaced.

    Ties are broken at random, so that a flat map is a random one.

    Returns
    -------
    float array baselines, shares, N
        In the order of ``BASELINES`` and ``SHARES``.
    """
    light = list(light_channels(predictor.channels))
    whole = crops.astype(np.float64)
    before = class_margin(predictor.logits(whole), targets)
    flat = relevance.reshape(len(crops), -1)
    order = np.lexsort((rng.random(flat.shape), -flat), axis=1)
    falls = np.empty((len(BASELINES), len(SHARES), len(crops)))
    for i, baseline in enumerate(BASELINES):
        fill = baseline_image(crops, predictor.channels, baseline)[:, light]
        for j, share in enumerate(SHARES):
            gone = np.zeros(flat.shape, dtype=np.bool_)
            np.put_along_axis(gone, order[:, : round(share * flat.shape[1])], True, axis=1)
            changed = whole.copy()
            changed[:, light] = np.where(gone.reshape(relevance.shape), fill, whole[:, light])
            falls[i, j] = before - class_margin(predictor.logits(changed), targets)
    return falls


def inside_share(maps: Floats, masks: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Share of the positive relevance inside the cells, and of the pixels.

    Maps without any positive relevance are left out; nan where none has any.

    References
    ----------
    Grad-CAMO, doi 10.1109/CVPRW63382.2024.00699.
    """
    positive = np.clip(maps, 0, None).sum(axis=1)
    total = positive.sum(axis=(1, 2))
    held = (positive * masks).sum(axis=(1, 2))
    some = total > 0
    share = float((held[some] / total[some]).mean()) if some.any() else float("nan")
    return share, float(masks.mean())


def _judge(low: float | None, gains: Floats, flat: int, count: int) -> tuple[Verdict, str]:
    if flat == count:
        return "inconclusive", "Every map is flat: covering patches changes no answer."
    if gains.mean() <= 0:
        return "fail", "The maps do no better than one that knows nothing of the model."
    if low is not None:
        if low > 0:
            return "pass", "The maps mark what the answers rest on better than every control."
        return "inconclusive", "The maps do better than every control, but not in every unit."
    if len(gains) >= FEWEST_TO_REASSURE and gains.min() > 0:
        return "pass", "In every unit the maps do better than the best control."
    return "inconclusive", (
        f"The maps do better on average; {len(gains)} units are too few (below {FEWEST}) for an "
        "interval."
    )


def _targets(
    predictor: Predictor, crops: npt.NDArray[Any], targets: Sequence[str] | None
) -> npt.NDArray[np.int64]:
    if targets is None:
        return np.asarray(predictor.logits(crops).argmax(axis=1), dtype=np.int64)
    if len(targets) != len(crops):
        raise UsageError(f"got {len(targets)} targets for {len(crops)} crops.")
    for name in targets:
        if name not in predictor.classes:
            raise unknown("class", name, predictor.classes, "The model has never seen it.")
    return np.array([predictor.classes.index(name) for name in targets], dtype=np.int64)


def _check(
    predictor: Predictor,
    crops: npt.NDArray[Any],
    maps: Floats,
    masks: npt.NDArray[np.bool_],
    groups: Sequence[str],
) -> None:
    light = len(light_channels(predictor.channels))
    wanted = (len(crops), light, *crops.shape[2:])
    if not len(crops):
        raise UsageError("there are no crops to examine maps on.")
    if maps.shape != wanted:
        raise UsageError(f"maps must be N L Y X like the crops {wanted}, got {maps.shape}.")
    if masks.shape != (len(crops), *crops.shape[2:]):
        raise UsageError(f"masks must be N Y X like the crops {crops.shape}, got {masks.shape}.")
    if len(groups) != len(crops):
        raise UsageError(f"got {len(groups)} groups for {len(crops)} crops.")
    broken = np.flatnonzero(~np.isfinite(maps).all(axis=(1, 2, 3)))
    if len(broken):
        raise UsageError(
            f"map {int(broken[0])} holds values that are not numbers ({len(broken)} of "
            f"{len(maps)}); a map with gaps cannot be examined."
        )
