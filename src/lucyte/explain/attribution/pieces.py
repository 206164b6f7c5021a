"""Pieces of a crop that mean something: spots, organelles, the rest of the cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import label

from lucyte.schema.errors import UsageError

Ints = npt.NDArray[np.int64]


def join_pieces(layers: Mapping[str, npt.NDArray[Any]]) -> tuple[Ints, tuple[dict[int, str], ...]]:
    """Put layers of structures into one image of pieces; the first layer keeps its px.

    Parameters
    ----------
    layers : mapping of name to array N Y X
        In order of precedence, such as ``spot``, ``organelle:mRFP``, ``cell``, ``outside``. A
        boolean layer falls into its connected parts (px that touch at a corner are connected); an
        integer one keeps its labels as pieces.

    Returns
    -------
    int array N Y X
        Pieces numbered from 1 within each crop, 0 where no layer is.
    tuple of N dicts
        Number of a piece to its name, ``spot 1``.

    Raises
    ------
    UsageError
        No layer, or layers of different shapes.

    Examples
    --------
    >>> spot = np.zeros((1, 2, 4), bool); spot[0, 0, [0, 3]] = True
    >>> join_pieces({"spot": spot, "cell": np.ones((1, 2, 4), bool)})[0][0]
    array([[1, 3, 3, 2],
           [3, 3, 3, 3]])
    """
    shapes = {np.shape(layer) for layer in layers.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 3:
        got = ", ".join(f"{name} {np.shape(layer)}" for name, layer in layers.items())
        raise UsageError(f"pieces are joined from layers N Y X of one shape, got {got or 'none'}.")
    shape = next(iter(shapes))
    out = np.zeros(shape, dtype=np.int64)
    names: list[dict[int, str]] = [{} for _ in range(shape[0])]
    for name, layer in layers.items():
        for n, plane in enumerate(np.asarray(layer)):
            parts = _parts(plane, out[n] > 0)
            for k, number in enumerate(np.unique(parts[parts > 0]), start=1):
                at = len(names[n]) + 1
                out[n][(parts == number) & (out[n] == 0)] = at
                names[n][at] = f"{name} {k}"
    return out, tuple(names)


def _parts(plane: npt.NDArray[Any], taken: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    free = np.where(taken, 0, plane)
    if plane.dtype != np.bool_:
        return free
    found: npt.NDArray[Any] = label(free, structure=np.ones((3, 3)))[0]
    return found
