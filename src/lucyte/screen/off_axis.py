"""Off the axis: a treated well may leave disease without coming nearer to health."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

KEPT = 0.95
"""Share of the variance that the components keep."""
WELLS_PER_COMPONENT = 4


@dataclass(frozen=True)
class OffAxis:
    """Where wells lie against the line from disease to wild type in the space of features.

    Attributes
    ----------
    on : array N
        Along the line, 0 at the disease mean of the plate, 1 at wild type.
    off : array N
        Distance from the line in spreads of control wells, over what a control well has at the
        median: 1 is like a control. For control wells each is left out of everything it is
        compared with. nan where a feature of the well is missing.
    features : tuple of str
    left_out : tuple of str
        Features that are missing in a control well or in a firm one, or do not vary between
        control wells.
    components : int
        Of the features, that the distance was taken in.
    """

    on: Floats
    off: Floats
    features: tuple[str, ...]
    left_out: tuple[str, ...]
    components: int


def off_axis(
    profile: pd.DataFrame,
    plates: npt.ArrayLike,
    disease: Mask,
    wild_type: Mask,
    firm: Mask | None = None,
) -> OffAxis:
    r"""Split each well's move into a part along the line and a part away from it.

    Features are taken against the disease mean of the plate, scaled by the spread of control wells
    within plates, and rotated to the components that hold 95 % of the variance (at most one per
    four control wells). With S the shrunken covariance of control wells there and
    :math:`\langle u, v \rangle = u^T S^{-1} v`,

    .. math::

        on = \langle z, a \rangle / \langle a, a \rangle, \quad
        off = \lVert z - on \, a \rVert_S

    where a leads from disease to wild type.

    Parameters
    ----------
    profile : DataFrame N x F
        One row per well, named features.
    plates : array N
    disease, wild_type : bool array N
    firm : bool array N, optional
        Wells in which a feature must be known to take part; all by default. Other wells may lack
        it, and then have no distance.

    Raises
    ------
    UsageError
        Fewer than two usable features, or too few control wells.

    References
    ----------
    Ledoit and Wolf 2004, doi 10.1016/S0047-259X(03)00096-4.
    """
    every = np.asarray(plates, dtype=str)
    x, names, left_out = _usable(profile, every, disease, wild_type, firm)
    known = np.isfinite(x).all(axis=1)
    found = _known_wells(x[known], every[known], disease[known], wild_type[known])
    on, off = np.full((2, len(x)), np.nan)
    on[known], off[known] = found[:2]
    return OffAxis(on, off, names, left_out, found[2])


def _known_wells(
    x: Floats, plate: npt.NDArray[np.str_], disease: Mask, wild_type: Mask
) -> tuple[Floats, Floats, int]:
    control = disease | wild_type
    moved = x - _starts(x, plate, disease)
    rotated = _components(moved, int(control.sum()) // WELLS_PER_COMPONENT)
    on, off = _split(rotated, _frame(rotated, plate, disease, wild_type))
    for at in np.flatnonzero(control):
        kept_d, kept_w = disease.copy(), wild_type.copy()
        kept_d[at] = kept_w[at] = False
        if not kept_d[plate == plate[at]].any() or not kept_w.any():
            continue  # the only disease well of its plate has nothing to be compared with
        alone = rotated - _starts(rotated, plate, kept_d)
        one_on, one_off = _split(alone[at : at + 1], _frame(alone, plate, kept_d, kept_w))
        on[at], off[at] = one_on[0], one_off[0]
    return on, off / float(np.median(off[control])), rotated.shape[1]


def _usable(
    profile: pd.DataFrame,
    plate: npt.NDArray[np.str_],
    disease: Mask,
    wild_type: Mask,
    firm: Mask | None,
) -> tuple[Floats, tuple[str, ...], tuple[str, ...]]:
    """Features in spreads of control wells within plate and line, those that are known."""
    x, control = profile.to_numpy(np.float64), disease | wild_type
    residual = _residuals(x, plate, disease, wild_type)
    free = len(residual) - len({(p, d) for p, d in zip(plate, disease, strict=True)})
    if free < 2 * WELLS_PER_COMPONENT:
        raise UsageError(
            f"{len(residual)} control wells: the direction from disease to wild type in the space "
            f"of features needs at least {2 * WELLS_PER_COMPONENT} more wells than groups."
        )
    spread = np.sqrt((residual**2).sum(axis=0) / free)
    with np.errstate(invalid="ignore"):
        known = np.isfinite(x[slice(None) if firm is None else firm | control]).all(axis=0)
        good = known & (spread > 1e-9 * np.abs(x[control]).max(axis=0))
    names = [str(name) for name in profile.columns]
    if good.sum() < 2:
        raise UsageError(f"{int(good.sum())} of {len(names)} features are known in enough wells.")
    kept = tuple(name for name, ok in zip(names, good, strict=True) if ok)
    rest = tuple(name for name, ok in zip(names, good, strict=True) if not ok)
    return x[:, good] / spread[good], kept, rest


def _residuals(x: Floats, plate: npt.NDArray[np.str_], disease: Mask, wild_type: Mask) -> Floats:
    """Control wells against the mean of their line on their plate."""
    parts = []
    for name in np.unique(plate):
        for side in (disease, wild_type):
            own = x[side & (plate == name)]
            if len(own):
                parts.append(own - own.mean(axis=0))
    return np.concatenate(parts)


def _starts(x: Floats, plate: npt.NDArray[np.str_], disease: Mask) -> Floats:
    """The disease mean of each well's plate."""
    means = {name: x[disease & (plate == name)].mean(axis=0) for name in np.unique(plate)}
    return np.array([means[name] for name in plate])


def _components(moved: Floats, most: int) -> Floats:
    """Rotated to the directions in which wells differ most; nothing is scaled."""
    centred = moved - moved.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    share = np.cumsum(sizes**2) / (sizes**2).sum()
    kept = min(int(np.searchsorted(share, KEPT)) + 1, max(2, most))
    return np.asarray(moved @ directions[:kept].T)


@dataclass(frozen=True)
class _Line:
    """From disease to wild type where the spread of control wells is 1 in every direction."""

    whiten: Floats
    axis: Floats


def _frame(moved: Floats, plate: npt.NDArray[np.str_], disease: Mask, wild_type: Mask) -> _Line:
    from sklearn.covariance import ledoit_wolf

    residual = _residuals(moved, plate, disease, wild_type)
    covariance, _ = ledoit_wolf(residual, assume_centered=True)
    whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    return _Line(whiten, whiten @ moved[wild_type].mean(axis=0))


def _split(moved: Floats, line: _Line) -> tuple[Floats, Floats]:
    white = moved @ line.whiten.T
    on = white @ line.axis / float(line.axis @ line.axis)
    rest = white - on[:, None] * line.axis
    return on, np.sqrt((rest**2).sum(axis=1))
