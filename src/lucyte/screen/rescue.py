"""Rescue: how far treated wells moved from disease (0) to wild type (1) along one readout."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from lucyte.schema.errors import UsageError
from lucyte.stats.intervals import FEWEST

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rescue:
    """How far a treatment brings diseased wells.

    Attributes
    ----------
    score : float
        0: like the disease; 1: like wild type. nan where the controls are not apart.
    low, high : float or None
        Fieller's interval: the treatment's mean and both control means are uncertain.
    p : float
        That the treatment does nothing (t test of the numerator).
    effect : float
        The move itself, in the readout's units.
    n, plates : int
        Wells and plates of the treatment.
    why : str
        Why there is no score or no interval.
    """

    score: float
    low: float | None
    high: float | None
    p: float
    effect: float
    n: int
    plates: int
    why: str = ""


@dataclass(frozen=True)
class Axis:
    """The controls of a screen along one readout.

    Attributes
    ----------
    plates : tuple of str
    disease, wild_type : dict of plate to (mean, wells)
    spread_disease, spread_wild_type : (variance, degrees of freedom)
        Within plates, all plates together.
    """

    plates: tuple[str, ...]
    disease: dict[str, tuple[float, int]]
    wild_type: dict[str, tuple[float, int]]
    spread_disease: tuple[float, int]
    spread_wild_type: tuple[float, int]

    @property
    def gap(self) -> float:
        """Mean over plates of wild type minus disease."""
        return float(np.mean([self.wild_type[p][0] - self.disease[p][0] for p in self.plates]))


def control_axis(
    values: npt.ArrayLike, plates: npt.ArrayLike, disease: Mask, wild_type: Mask
) -> Axis:
    """The controls' means by plate and their spreads within plates.

    Raises
    ------
    UsageError
        A plate without both controls, or too few wells to know a spread.
    """
    x, plate = np.asarray(values, dtype=np.float64), np.asarray(plates, dtype=str)
    names = tuple(str(name) for name in np.unique(plate))
    told: list[dict[str, tuple[float, int]]] = []
    spreads: list[tuple[float, int]] = []
    for word, side in (("disease", disease), ("wild type", wild_type)):
        means, squares, free = {}, 0.0, 0
        for name in names:
            own = x[side & (plate == name) & np.isfinite(x)]
            if not len(own):
                raise UsageError(f"plate {name or '(no name)'} has no {word} well with a value.")
            means[name] = (float(own.mean()), len(own))
            squares += float(((own - own.mean()) ** 2).sum())
            free += len(own) - 1
        if free < 2:
            raise UsageError(
                f"{word} wells: {free + len(names)} on {len(names)} plates; their spread within "
                "plates needs at least two more wells than plates."
            )
        told.append(means)
        spreads.append((squares / free, free))
    return Axis(names, told[0], told[1], spreads[0], spreads[1])


def well_scores(values: npt.ArrayLike, plates: npt.ArrayLike, axis: Axis) -> Floats:
    """Each well on its plate's axis: ``(x - disease mean of the plate) / mean gap``."""
    x, plate = np.asarray(values, dtype=np.float64), np.asarray(plates, dtype=str)
    start = np.array([axis.disease[name][0] for name in plate])
    return np.asarray((x - start) / axis.gap) if axis.gap else np.full(len(x), np.nan)


def rescue_score(
    values: npt.ArrayLike, plates: npt.ArrayLike, axis: Axis, level: float = 0.95
) -> Rescue:
    r"""The rescue of one treatment.

    .. math::

        R = N / M, \quad N = \sum_p w_p (\bar T_p - \bar D_p), \quad
        M = \sum_p w_p (\bar W_p - \bar D_p)

    with w the share of the treatment's wells on plate p. Variances: of the treatment, between its
    wells, each taken against its plate's disease mean; of the controls, within plates. Both N and M
    hold the disease mean, so they are correlated; Fieller's interval takes that in.

    Parameters
    ----------
    values, plates : array
        Wells of the treatment; nan is left out.
    axis : Axis
    level : float

    References
    ----------
    Fieller 1954, doi 10.1111/j.2517-6161.1954.tb00159.x.
    """
    x, plate = np.asarray(values, dtype=np.float64), np.asarray(plates, dtype=str)
    known = np.isfinite(x)
    x, plate = x[known], plate[known]
    n = len(x)
    if not n:
        return Rescue(math.nan, None, None, math.nan, math.nan, 0, 0, "no well with a value")
    names, count = np.unique(plate, return_counts=True)
    share = count / n
    d = np.array([axis.disease[name][0] for name in names])
    w = np.array([axis.wild_type[name][0] for name in names])
    moved = x - np.array([axis.disease[name][0] for name in plate])
    over, under = float(moved.mean()), float(share @ (w - d))
    terms = _variances(moved, names, share, axis)
    q = _quantile(terms, over / under if under else 0.0, level)
    if abs(under) <= q * math.sqrt(terms.wild + terms.disease) or not under:
        why = "disease and wild type do not differ along this readout"
        return Rescue(math.nan, None, None, math.nan, over, n, len(names), why)
    if n < 2 or n + len(axis.plates) < 3:
        why = "one well: no spread, no interval"
        return Rescue(over / under, None, None, math.nan, over, n, len(names), why)
    p = _p(over, terms)
    low, high = _fieller(over, under, terms, q)
    units = n + sum(axis.disease[name][1] + axis.wild_type[name][1] for name in names)
    if units < FEWEST:
        low, high = None, None
    return Rescue(over / under, low, high, p, over, n, len(names))


@dataclass(frozen=True)
class _Terms:
    """Variances of the three means, with the degrees of freedom behind each."""

    treated: float
    disease: float
    wild: float
    free: tuple[int, int, int]


def _variances(moved: Floats, names: npt.NDArray[np.str_], share: Floats, axis: Axis) -> _Terms:
    n = len(moved)
    own = float(moved.var(ddof=1)) / n if n > 1 else 0.0
    of_disease = sum(s**2 / axis.disease[str(p)][1] for p, s in zip(names, share, strict=True))
    of_wild = sum(s**2 / axis.wild_type[str(p)][1] for p, s in zip(names, share, strict=True))
    return _Terms(
        own,
        axis.spread_disease[0] * float(of_disease),
        axis.spread_wild_type[0] * float(of_wild),
        (max(n - 1, 1), axis.spread_disease[1], axis.spread_wild_type[1]),
    )


def _quantile(terms: _Terms, ratio: float, level: float) -> float:
    parts = (terms.treated, terms.disease * (1 - ratio) ** 2, terms.wild * ratio**2)
    return float(student.ppf(0.5 + level / 2, _satterthwaite(parts, terms.free)))


def _satterthwaite(parts: tuple[float, ...], free: tuple[int, ...]) -> float:
    below = sum(v**2 / f for v, f in zip(parts, free, strict=True))
    return sum(parts) ** 2 / below if below > 0 else float(min(free))


def _p(over: float, terms: _Terms) -> float:
    error = math.sqrt(terms.treated + terms.disease)
    if error == 0:
        return math.nan
    df = _satterthwaite((terms.treated, terms.disease), terms.free[:2])
    return float(2 * student.sf(abs(over) / error, df))


def _fieller(
    over: float, under: float, terms: _Terms, q: float
) -> tuple[float | None, float | None]:
    """All r at which ``N - r M`` is within q of its own standard error of 0."""
    a = under**2 - q**2 * (terms.wild + terms.disease)
    b = over * under - q**2 * terms.disease
    c = over**2 - q**2 * (terms.treated + terms.disease)
    inside = b**2 - a * c
    if a <= 0 or inside < 0:
        return None, None
    root = math.sqrt(inside)
    return (b - root) / a, (b + root) / a
