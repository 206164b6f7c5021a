"""Bleed-through: light of one stain seen in another's channel, taken back by the inverse matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from lucyte.correct.planes import Plane
from lucyte.schema.errors import UsageError, unknown

WORST_CONDITION = 1e3
"""Beyond this the inverse multiplies noise a thousandfold: refused."""


def bleed_matrix(
    channels: Sequence[str], fractions: Mapping[str, Mapping[str, float]]
) -> npt.NDArray[np.float64]:
    """``seen = M @ emitted``: 1 on the diagonal, ``M[to, from]`` the fraction that bleeds.

    Parameters
    ----------
    channels : sequence of str
    fractions : mapping
        ``fractions[TO][FROM]``, as in the plan.

    Raises
    ------
    UsageError
        Unknown channel, a channel onto itself, a fraction outside 0 to 1, or a matrix that
        cannot be inverted.
    """
    names = list(channels)
    matrix = np.eye(len(names))
    for to, sources in fractions.items():
        for source, fraction in sources.items():
            for name in (to, source):
                if name not in names:
                    raise unknown("channel", name, names, "In correct.bleed_through.")
            if to == source:
                raise UsageError(f"correct.bleed_through.{to}.{to}: a channel is all its own.")
            if not 0 <= fraction < 1:
                raise UsageError(
                    f"correct.bleed_through.{to}.{source} is {fraction:g}; "
                    "write a fraction from 0 to below 1."
                )
            matrix[names.index(to), names.index(source)] = fraction
    condition = float(np.linalg.cond(matrix))
    if not condition < WORST_CONDITION:
        raise UsageError(
            f"correct.bleed_through cannot be undone: the matrix {matrix.round(3).tolist()} over "
            f"{', '.join(names)} has condition number {condition:.3g} (at most "
            f"{WORST_CONDITION:g}). Measure the fractions again on singly stained cells."
        )
    return matrix


def unmix(
    planes: npt.NDArray[np.generic],
    matrix: npt.NDArray[np.float64],
    offsets: Sequence[float] | None = None,
) -> Plane:
    """Emitted light from seen light: ``o + M^-1 (p - o)``.

    Parameters
    ----------
    planes : array C ...
    matrix : array C C
        From ``bleed_matrix``.
    offsets : sequence of float, optional
        Counts of each channel without light; 0 by default, which moves a channel by a constant.
    """
    values = np.asarray(planes, dtype=np.float32)
    zero = np.zeros(len(values)) if offsets is None else np.asarray(offsets, dtype=np.float64)
    shift = zero.reshape(-1, *(1 for _ in values.shape[1:])).astype(np.float32)
    inverse = np.linalg.inv(matrix).astype(np.float32)
    return np.asarray(np.tensordot(inverse, values - shift, axes=1) + shift, dtype=np.float32)
