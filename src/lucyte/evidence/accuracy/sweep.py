"""Within which noise, density and magnification a readout may be believed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from lucyte.evidence.accuracy.perturb import SWEEP, Image, Perturbation
from lucyte.evidence.accuracy.requirement import GROUP
from lucyte.schema.errors import UsageError
from lucyte.schema.finding import Finding, Verdict
from lucyte.schema.objects import Labels
from lucyte.stats.unit_agreement import agreement_over_units

Predict = Callable[[Image], Labels]
Read = Callable[[Labels], float]


def sweep(
    predict: Predict,
    images: Sequence[Image],
    truth: Sequence[Labels],
    read: Read,
    steps: Sequence[Perturbation] = SWEEP,
) -> pd.DataFrame:
    """Take a readout from prediction and truth of every image at every step.

    Parameters
    ----------
    predict : callable
        Image ``Y X`` or ``C Y X`` to label image ``Y X``.
    images : sequence of array
    truth : sequence of label image ``Y X``
    read : callable
        Label image to a number; nan where it has none.
    steps : sequence of Perturbation

    Returns
    -------
    DataFrame
        ``name, level, image, truth, prediction``; the same seed for an image at every step.

    Raises
    ------
    UsageError
        No image, other counts, a prediction of another shape.
    """
    if not images or len(images) != len(truth):
        raise UsageError(f"a sweep needs a truth for each image, got {len(truth)}, {len(images)}.")
    rows = []
    for step in steps:
        for k, (image, labels) in enumerate(zip(images, truth, strict=True)):
            changed, true = step.apply(image, labels, seed=k)
            found = predict(changed)
            if found.shape != true.shape:
                raise UsageError(f"the prediction is {found.shape}, the image {true.shape}.")
            rows.append((step.name, step.level, k, read(true), read(found)))
    return pd.DataFrame(rows, columns=["name", "level", "image", "truth", "prediction"])


def sweep_table(table: pd.DataFrame, units: Sequence[str] | None = None) -> pd.DataFrame:
    """Bias, limits of agreement and concordance at every step, over units.

    Parameters
    ----------
    table : DataFrame
        As `sweep` gives it.
    units : sequence of str, optional
        The independent unit of each image; each image its own where not given.

    Returns
    -------
    DataFrame
        ``name, level, n, mean_truth, bias, bias_low, bias_high, low, high, concordance``; nan where
        there is no interval, or nothing was read.
    """
    rows = []
    for (name, level), own in table.groupby(["name", "level"], sort=False):
        of = own["image"].astype(int)
        names = of.astype(str) if units is None else [units[k] for k in of]
        if not (np.isfinite(own["truth"]) & np.isfinite(own["prediction"])).any():
            rows.append([name, level, 0, *([math.nan] * 7)])
            continue
        found = agreement_over_units(own["prediction"], own["truth"], np.asarray(names, dtype=str))
        ends = (found.bias.low, found.bias.high)
        low, high = (math.nan if end is None else end for end in ends)
        rows.append(
            [name, level, found.bias.n, float(found.reference.mean()), found.bias.estimate,
             low, high, found.low.estimate, found.high.estimate, found.concordance.estimate]
        )  # fmt: skip
    columns = ["name", "level", "n", "mean_truth", "bias", "bias_low", "bias_high", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "concordance"])


def sweep_finding(steps: pd.DataFrame, name: str, readout: str, within: float) -> Finding:
    """From which level to which the mean readout is off by at most a share of itself.

    Pass: at every level. Fail: not even in the images as they are, or at no level. Inconclusive:
    at some levels, which are named.

    Parameters
    ----------
    steps : DataFrame
        As `sweep_table` gives it.
    name : str
        Of the sweep.
    readout : str
        In words.
    within : float
        Largest bias that would do, over the mean truth at that level.
    """
    own = steps[steps["name"] == name].sort_values("level")
    if not len(own):
        raise UsageError(f"there is no sweep {name!r}; there are {', '.join(set(steps['name']))}.")
    off = (own["bias"].abs() / own["mean_truth"].abs()).to_numpy()
    good = off <= within
    levels = own["level"].to_numpy(dtype=np.float64)
    plain = int(np.argmin(levels if name == "noise" else np.abs(levels - 1)))
    low = high = plain
    while good[plain] and low > 0 and good[low - 1]:
        low -= 1
    while good[plain] and high + 1 < len(good) and good[high + 1]:
        high += 1
    verdict: Verdict = "pass" if good.all() else "inconclusive" if good[plain] else "fail"
    if not good[plain]:
        why = f"{readout} are off by {off[plain]:.0%} even in the images as they are."
    elif good.all():
        why = f"{readout} are off by at most {off.max():.0%} from {name} {levels[0]:g} to "
        why += f"{levels[-1]:g}."
    else:
        worst = int(np.nanargmax(np.where(good, -1, off)))
        why = f"{readout} hold from {name} {levels[low]:g} to {levels[high]:g}; at "
        why += f"{levels[worst]:g} they are off by {off[worst]:.0%}."
    return Finding(
        name=f"accuracy.sweep.{name}",
        question=f"Do {readout} hold under other {name}?",
        verdict=verdict,
        statistic=float(levels[high] if good[plain] else math.nan),
        low=None,
        high=None,
        n=int(own["n"].max()),
        unit="image",
        assumed=("the change of the images stands for what a microscope does",),
        why=why,
        statistic_name=f"highest {name} that holds",
        group=GROUP,
        details={
            "within": within,
            "levels": levels.tolist(),
            "relative_bias": off.tolist(),
            "holds": [float(levels[low]), float(levels[high])] if good[plain] else [],
            "steps": own.to_dict("list"),
            "reviewer": f"Relative bias of the mean at each level, limit {within:g}.",
        },
    )
