r"""How good counterfactuals are: accepted by another model, near, like real cells.

*Validity* is the share that an independently trained classifier answers the target. *Proximity* is
the mean absolute change of a px, in deviations of that channel over the originals. *Plausibility*
compares the distance of an image to its nearest real cells of the target class, in any features,
with the distance of such cells to each other: 1 is as near as real cells are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from lucyte.explain.counterfactual.closed_form import Counterfactuals
from lucyte.schema.errors import UsageError
from lucyte.schema.finding import Finding, Verdict
from lucyte.schema.protocols import Predictor
from lucyte.stats.intervals import (
    FEWEST_TO_REASSURE,
    unit_means,
    unit_proportion_interval,
    why_open,
)

Floats = npt.NDArray[np.float64]
NEAREST = 5
WANTED = 0.9
"""Share of counterfactuals that an independent classifier should accept."""
TOLERABLE = 0.75
"""Below this in the data at hand they fail."""


@dataclass(frozen=True)
class Proximity:
    """How much was changed.

    Attributes
    ----------
    change : mapping of channel to float array N
        Mean absolute change of a px, in deviations of the channel over the originals.
    touched : mapping of channel to float array N
        Share of px changed by more than one deviation of the channel.
    """

    change: dict[str, Floats]
    touched: dict[str, Floats]


def accepted(judge: Predictor, made: Counterfactuals) -> npt.NDArray[np.bool_]:
    """Whether an independently trained classifier answers the target, N.

    Parameters
    ----------
    judge : Predictor
        Of the same channels and size, trained on other units than the model that made them.
    made : Counterfactuals

    Raises
    ------
    UsageError
        A judge that does not know the target, or takes other channels.
    """
    if made.target not in judge.classes:
        raise UsageError(
            f"the independent classifier does not know {made.target!r}; "
            f"it knows {', '.join(judge.classes)}."
        )
    missing = [name for name in judge.channels if name not in made.channels]
    if missing:
        raise UsageError(
            f"the independent classifier needs {', '.join(missing)}; the counterfactuals have "
            f"{', '.join(made.channels)}."
        )
    at = [made.channels.index(name) for name in judge.channels]
    answer = judge.logits(made.images[:, at]).argmax(axis=1)
    told: npt.NDArray[np.bool_] = answer == judge.classes.index(made.target)
    return told


def proximity(made: Counterfactuals) -> Proximity:
    """How much each image was changed, per channel of light."""
    change, touched = {}, {}
    for name, moved in made.difference().items():
        plane = made.originals[:, made.channels.index(name)].astype(np.float64)
        size = np.abs(moved) / max(float(plane.std()), 1e-12)
        change[name] = size.mean(axis=(1, 2))
        touched[name] = (size > 1).mean(axis=(1, 2))
    return Proximity(change, touched)


def plausibility(made: Floats, real: Floats) -> Floats:
    """Distance to the nearest real cells of the target, as a multiple of theirs to each other, N.

    Parameters
    ----------
    made : float array N F
        Features (or latents) of counterfactuals.
    real : float array M F
        Of real cells of the target class; 7 or more. Features that are not finite in any row of
        the two are left out; each is divided by its deviation among the real ones.

    Raises
    ------
    UsageError
        Too few real cells, or no feature that can be compared.
    """
    if len(real) < NEAREST + 2:
        raise UsageError(f"{len(real)} real cells of the target are too few; 7 or more are needed.")
    sound = np.isfinite(made).all(axis=0) & np.isfinite(real).all(axis=0)
    deviation = real.std(axis=0)
    sound &= deviation > 0
    if not sound.any():
        raise UsageError("no feature is finite in all cells and differs between them.")
    scale = deviation[sound]
    here, there = made[:, sound] / scale, real[:, sound] / scale
    near = np.sort(cdist(here, there), axis=1)[:, :NEAREST].mean(axis=1)
    among = np.sort(cdist(there, there), axis=1)[:, 1 : NEAREST + 1].mean(axis=1)
    told: Floats = near / float(np.median(among))
    return told


def validity_finding(
    taken: npt.NDArray[np.bool_],
    groups: Sequence[str],
    unit: str,
    target: str,
    judge: str = "an independently trained classifier",
) -> Finding:
    """Whether counterfactuals are what they claim to be, by a judge that did not make them.

    Parameters
    ----------
    taken : bool array N
        From `accepted`.
    groups : sequence of N str
        The independent unit of each cell.
    unit : str
        What ``groups`` counts.
    target : str
    judge : str
        Who judged, in words.
    """
    interval = unit_proportion_interval(taken, groups)
    names, shares = unit_means(taken.astype(np.float64), groups)
    low = interval.low
    share = float(shares.mean())
    many = len(shares) >= FEWEST_TO_REASSURE
    surely = low >= WANTED if low is not None else many and bool((shares >= WANTED).all())
    verdict: Verdict = "pass" if surely else "fail" if share < TOLERABLE else "inconclusive"
    why = f"{judge[0].upper()}{judge[1:]} sees {target} in {share:.0%} of the made-up cells"
    why += {
        "pass": "; what was changed is what makes the class.",
        "fail": "; the changes fool the model that made them, so read no biology into them.",
        "inconclusive": f"; wanted is {WANTED:.0%} with certainty"
        + ("." if low is not None else why_open(len(names), unit)),
    }[verdict]
    return Finding(
        "counterfactual.validity",
        f"Does another classifier see {target} in the counterfactuals?",
        verdict,
        share,
        low,
        interval.high,
        len(names),
        unit,
        ("the independent classifier was trained on other units",),
        why,
        "share accepted",
        "explanation",
        {
            "reviewer": (
                f"Mean over {len(names)} {unit}s of the share of counterfactuals accepted; "
                f"Wilson interval on the effective sample; pass when its lower end is {WANTED:g} "
                f"or more, fail when the share is below {TOLERABLE:g}."
            ),
            "per_unit": dict(zip(names, map(float, shares), strict=True)),
        },
    )
