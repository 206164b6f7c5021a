"""Corrections by definition: one pixel at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def flat_surface(coefficients: tuple[float, ...], degree: int, shape: tuple[int, int]) -> Array:
    """Sum of ``c_ij x^i y^j`` over -1 to 1, divided by its mean."""
    out = np.zeros(shape)
    for row in range(shape[0]):
        for column in range(shape[1]):
            y = -1 + 2 * row / (shape[0] - 1)
            x = -1 + 2 * column / (shape[1] - 1)
            terms = iter(coefficients)
            for j in range(degree + 1):
                for i in range(degree + 1 - j):
                    out[row, column] += next(terms) * x**i * y**j
    out = np.maximum(out, 0.05 * out.max())
    return np.asarray(out / out.mean())


def move_back(plane: Array, shift: tuple[float, float]) -> Array:
    """Value at p + shift by the four px around it; outside the plane its nearest px."""
    rows, columns = plane.shape
    out = np.zeros_like(plane, dtype=np.float64)
    for row in range(rows):
        for column in range(columns):
            for dy in (0, 1):
                for dx in (0, 1):
                    y0, x0 = np.floor(row + shift[0]), np.floor(column + shift[1])
                    wy = abs(1 - dy - (row + shift[0] - y0))
                    wx = abs(1 - dx - (column + shift[1] - x0))
                    at = (
                        min(max(int(y0) + dy, 0), rows - 1),
                        min(max(int(x0) + dx, 0), columns - 1),
                    )
                    out[row, column] += wy * wx * plane[at]
    return out


def unmix(planes: Array, matrix: Array, offsets: Array) -> Array:
    """Solve ``matrix @ emitted = seen - offset`` in every px."""
    out = np.zeros_like(planes, dtype=np.float64)
    for row in range(planes.shape[1]):
        for column in range(planes.shape[2]):
            seen = planes[:, row, column] - offsets
            out[:, row, column] = np.linalg.solve(matrix, seen) + offsets
    return out


def enlarge(grid: Array, length: int) -> Array:
    """One row of block centres to px, by linear interpolation, flat beyond the outermost."""
    blocks = len(grid)
    centres = [(k + 0.5) * length / blocks - 0.5 for k in range(blocks)]
    return np.array([np.interp(at, centres, grid) for at in range(length)])
