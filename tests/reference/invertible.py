"""Slow definitions: dense Jacobians, dense operators and plain distances."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Floats = npt.NDArray[np.float64]


def dense_log_det(step: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """Log of the absolute determinant of the whole Jacobian at one picture ``1 C H W``."""
    jacobian = torch.autograd.functional.jacobian(step, x)  # type: ignore[no-untyped-call]
    size = x.numel()
    return float(torch.linalg.slogdet(jacobian.reshape(size, size)).logabsdet)


def dense_norm(weight: Tensor, px: int) -> float:
    """Largest singular value of a zero-padded convolution, column by column."""
    out, channels, reach = weight.shape[0], weight.shape[1], weight.shape[2] // 2
    matrix = np.zeros((out * px * px, channels * px * px))
    kernel = weight.detach().double().numpy()
    for c in range(channels):
        for y in range(px):
            for x in range(px):
                picture = np.zeros((out, px, px))
                for dy in range(-reach, reach + 1):
                    for dx in range(-reach, reach + 1):
                        if 0 <= y - dy < px and 0 <= x - dx < px:
                            picture[:, y - dy, x - dx] = kernel[:, c, reach + dy, reach + dx]
                matrix[:, (c * px + y) * px + x] = picture.ravel()
    return float(np.linalg.svd(matrix, compute_uv=False)[0])


def log_det_terms(jacobian: Floats, terms: int) -> float:
    """The first terms of the series of log det(I + J), by powers of the whole matrix."""
    total, power = 0.0, np.eye(len(jacobian))
    for k in range(1, terms + 1):
        power = power @ jacobian
        total += (-1) ** (k + 1) * float(np.trace(power)) / k
    return total


def nearest_mean_distance(row: Floats, known: Floats, count: int) -> float:
    """Mean Euclidean distance to the nearest so many rows."""
    every = sorted(float(np.sqrt(((row - other) ** 2).sum())) for other in known)
    return sum(every[:count]) / count
