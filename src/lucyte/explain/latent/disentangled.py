r"""One visible change each? What moving a latent does to the measured features of a cell.

With :math:`e_{jf}` the mean change of feature :math:`f`, in its deviations over real cells, from
the lowest to the highest shift of latent :math:`j`:

.. math:: \text{share}_j = \frac{\max_f e_{jf}^2}{\sum_f e_{jf}^2}, \qquad
          \text{alike}_j = \max_{k \ne j} \frac{|e_j \cdot e_k|}{\|e_j\| \|e_k\|}

A share of 1 is one change alone; *alike* near 1 is a latent that shows what another one shows.
*Told apart* is the share of cells whose difference picture says which latent was moved, by nearest
mean direction over the other units: what DISCOVER's disentangling network is trained for.

References
----------
Rotem et al. 2024 (DISCOVER), doi 10.1038/s41467-024-51136-9. Eastwood and Williams 2018, A
framework for the quantitative evaluation of disentangled representations (ICLR).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.explain.counterfactual.changes import Measure, change_words
from lucyte.explain.latent.traversal import Traversal
from lucyte.schema.errors import UsageError
from lucyte.schema.finding import Finding, Verdict
from lucyte.stats.intervals import FEWEST_TO_REASSURE, unit_mean_interval, unit_means, why_open

Floats = npt.NDArray[np.float64]
ONE = 0.5
"""Share of the change from which a latent is said to show one change."""
SEEN = 0.1
"""Length of a change, in deviations over cells, below which a latent shows nothing."""


@dataclass(frozen=True)
class LatentEffects:
    """What moving each latent changes.

    Attributes
    ----------
    features : tuple of str
    cells : float array J N F
        Change of each cell's features from first to last picture, in deviations over real cells.
    table : DataFrame
        One row per latent: ``latent``, ``feature`` (which changes most), ``share``, ``alike``,
        ``length`` (of the mean change), ``steady`` (share of cells in which that feature goes to
        the side of the mean), ``words``.
    """

    features: tuple[str, ...]
    cells: Floats
    table: pd.DataFrame


def latent_effects(
    walks: Sequence[Traversal],
    masks: npt.NDArray[np.bool_],
    measure: Measure,
    features: Sequence[str],
    spread: pd.Series,
) -> LatentEffects:
    """Measure the first and the last picture of every traversal.

    Parameters
    ----------
    walks : sequence of Traversal
        Of the same crops.
    masks : bool array N Y X
        The cell's own px; outlines are kept.
    measure : callable
        Crops of light ``N C Y X`` and masks to a table, one row each.
    features : sequence of str
        Chosen beforehand, and as different as can be: two names of one thing halve every share.
    spread : Series
        Deviation of each feature over real cells.

    Raises
    ------
    UsageError
        No traversal, a feature that is not measured or that does not differ between cells.
    """
    if not walks:
        raise UsageError("no traversal is given; make them with traverse_first.")
    cells, words = [], []
    for walk in walks:
        at = [walk.channels.index(name) for name in walk.light]
        first, last = (measure(walk.images[:, k][:, at], masks) for k in (0, -1))
        missing = [name for name in features if name not in first.columns]
        if missing:
            raise UsageError(f"not measured: {', '.join(missing)}.")
        flat = [name for name in features if not spread.get(name, 0) > 0]
        if flat:
            raise UsageError(f"the same in all real cells: {', '.join(flat)}; leave it out.")
        chosen = list(features)
        change = (last[chosen].to_numpy(float) - first[chosen].to_numpy(float)) / spread[
            chosen
        ].to_numpy(float)
        cells.append(change)
        words.append(change_words(first[chosen].mean(), last[chosen].mean(), spread[chosen]))
    found = np.stack(cells)
    return LatentEffects(tuple(features), found, _table(walks, found, tuple(features), words))


def _table(
    walks: Sequence[Traversal], cells: Floats, features: tuple[str, ...], words: list[str]
) -> pd.DataFrame:
    effects = _known_mean(cells)
    length = np.linalg.norm(effects, axis=1)
    rows = []
    for j, walk in enumerate(walks):
        top = int(np.abs(effects[j]).argmax())
        own = cells[j, :, top]
        own = own[np.isfinite(own)]
        cosines = [
            abs(float(effects[j] @ effects[k])) / (length[j] * length[k])
            for k in range(len(walks))
            if k != j and length[j] > 0 and length[k] > 0
        ]
        seen = length[j] >= SEEN
        rows.append(
            {
                "latent": walk.latent,
                "feature": features[top] if seen else "",
                "share": _share(effects[j]) if seen else math.nan,
                "alike": max(cosines, default=math.nan) if seen else math.nan,
                "length": float(length[j]),
                "steady": float((np.sign(own) == np.sign(effects[j, top])).mean()),
                "words": words[j],
            }
        )
    return pd.DataFrame(rows)


def _known_mean(cells: Floats) -> Floats:
    """Mean over cells, ``J F``; a feature undefined in a cell is left out there, else 0."""
    known = np.isfinite(cells)
    total = np.where(known, cells, 0).sum(axis=1)
    return np.asarray(total / np.maximum(known.sum(axis=1), 1), dtype=np.float64)


def _share(effect: Floats) -> float:
    whole = float(np.square(effect).sum())
    return float(np.square(effect).max() / whole) if whole > 0 else math.nan


def told_apart(walks: Sequence[Traversal], groups: Sequence[str]) -> Floats:
    """Whether each cell's difference picture says which latent was moved, ``J N`` of 0 and 1.

    The picture (last less first, each channel in its own deviations) is compared with the mean
    direction of every latent over the cells of all *other* units. Chance is 1 in J.

    Raises
    ------
    UsageError
        Fewer than two latents or two units.
    """
    names = np.asarray(groups, dtype=str)
    if len(walks) < 2 or len(set(names)) < 2:
        raise UsageError("telling latents apart takes two latents or more, and two units or more.")
    pictures = np.stack([_difference(walk) for walk in walks])
    out = np.zeros(pictures.shape[:2])
    for name in np.unique(names):
        here = names == name
        means = pictures[:, ~here].mean(axis=1)
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
        nearest = np.einsum("jnp,kp->jnk", pictures[:, here], means).argmax(axis=2)
        out[:, here] = nearest == np.arange(len(walks))[:, None]
    return out


def _difference(walk: Traversal) -> Floats:
    at = [walk.channels.index(name) for name in walk.light]
    light: npt.NDArray[Any] = walk.images[:, :, at].astype(np.float64)
    change = (light[:, -1] - light[:, 0]) / np.maximum(light.std(axis=(0, 1, 3, 4)), 1e-12)[
        None, :, None, None
    ]
    return np.asarray(change.reshape(len(change), -1), dtype=np.float64)


def one_change_finding(effects: LatentEffects, groups: Sequence[str], unit: str) -> Finding:
    """Whether each latent that shows anything shows one change.

    The statistic is the least, over such latents, of the shares of the change that are one
    feature's, made anew from the cells of each unit.

    Parameters
    ----------
    effects : LatentEffects
    groups : sequence of N str
    unit : str
    """
    names = np.asarray(groups, dtype=str)
    visible = effects.table["length"].to_numpy() >= SEEN
    question = "Does each latent show one visible change?"
    found = sorted(set(groups))
    if not visible.any():
        return Finding(
            "latent.one_change", question, "inconclusive", math.nan, None, None, len(found), unit,
            (), "No latent changes any of the features that were asked about.",
            "least share of one feature", "explanation",
        )  # fmt: skip
    shares = [
        np.nanmin([_share(e) for e in _known_mean(effects.cells[visible][:, names == name])])
        for name in found
    ]
    interval = unit_mean_interval(np.array(shares), found)
    _, values = unit_means(np.array(shares), found)
    low, high = interval.low, interval.high
    many = len(values) >= FEWEST_TO_REASSURE
    surely = low >= ONE if low is not None else many and bool((values >= ONE).all())
    hardly = high < ONE if high is not None else bool((values < ONE).all())
    verdict: Verdict = "pass" if surely else "fail" if hardly else "inconclusive"
    why = (
        f"{int(visible.sum())} of {len(visible)} latents show something; of what the most mixed "
        f"of them changes {interval.estimate:.0%} is a single feature"
    )
    why += {
        "pass": ", so each can be given a name.",
        "fail": ": they change several things at once, so naming them would mislead.",
        "inconclusive": why_open(len(found), unit),
    }[verdict]
    return Finding(
        "latent.one_change",
        question,
        verdict,
        float(interval.estimate),
        low,
        high,
        len(found),
        unit,
        ("the features were chosen beforehand and name different things",),
        why,
        "least share of one feature",
        "explanation",
        {
            "reviewer": (
                "Largest squared change over the sum of squares, features in deviations over real "
                f"cells, least of the latents, per {unit}; {interval.method}; pass from {ONE:g}, "
                "fail below."
            ),
            "per_unit": dict(zip(found, map(float, shares), strict=True)),
            "latents": effects.table.to_dict("records"),
        },
    )
