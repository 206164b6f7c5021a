"""What a header may ask for: refuse before memory is allocated, not after."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lucyte.schema.errors import InputError

MAX_READ_GB = 4.0
"""Largest piece (one plane, with its colour samples) that is read at once, in GB of 2**30 bytes."""

_MOST_COMPRESSED = 5000
"""No lossless codec of TIFF or PNG shrinks pixels by more (deflate 1:1032, LZW about 1:2700)."""


def check_budget(
    path: str | Path,
    shape: Sequence[int],
    dtype: np.dtype[np.generic],
    max_gb: float | None = None,
) -> None:
    """Refuse a piece that would not fit the budget, whatever the file really holds.

    Parameters
    ----------
    path : str or Path
    shape : sequence of int
        What is about to be read in one go.
    dtype : numpy dtype
    max_gb : float or None
        Budget in GB; None for `MAX_READ_GB`.

    Raises
    ------
    InputError
        The header asks for more than the budget.
    """
    limit = MAX_READ_GB if max_gb is None else max_gb
    asked = math.prod(shape) * dtype.itemsize / 2**30
    if asked > limit:
        size = " x ".join(str(length) for length in shape)
        raise InputError(
            path,
            f"its header asks for {size} {dtype} = {asked:,.0f} GB in one piece, "
            f"more than the limit of {limit:g} GB.",
            "If the file really holds that, raise max_gb in [input] or cut the image into fields.",
        )


def check_axes(path: str | Path, shape: Sequence[int]) -> None:
    """Refuse an image with an axis of length 0."""
    if any(length < 1 for length in shape):
        raise InputError(path, f"has an axis of length 0, shape {tuple(shape)}; there is no image.")


def check_claim(path: str | Path, claimed: int, stored: int) -> None:
    """Refuse pixels that cannot come out of the bytes that are there."""
    if claimed > _MOST_COMPRESSED * (stored + 64):
        raise InputError(
            path,
            f"its header claims {claimed:,} bytes of pixels but only {stored:,} bytes are stored;",
            "the file is truncated or damaged, copy it again.",
        )
