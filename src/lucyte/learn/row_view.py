"""Some rows of a large array, taken when they are asked for and not before."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


class RowView:
    """Looks like ``images[rows]`` and reads only the rows that are indexed.

    Parameters
    ----------
    images : array N ...
        A memory map, or whatever slices like an array.
    rows : int array
    """

    def __init__(self, images: npt.NDArray[Any], rows: npt.NDArray[np.int64]) -> None:
        self.images, self.rows = images, rows
        self.shape = (len(rows), *images.shape[1:])
        self.ndim = len(self.shape)
        self.dtype = images.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        first, rest = (key[0], key[1:]) if isinstance(key, tuple) else (key, ())
        taken: npt.NDArray[Any] = np.asarray(self.images[self.rows[first]])
        if not rest:
            return taken
        scalar = isinstance(first, int | np.integer)
        return taken[rest] if scalar else taken[(slice(None), *rest)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self.images[self.rows], dtype=dtype)


def take_rows(images: npt.NDArray[Any], rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """These rows: a copy of an array in memory, a `RowView` of a memory map."""
    if isinstance(images, np.memmap):
        view: Any = RowView(images, rows)
        return view  # type: ignore[no-any-return]
    return images[rows]
