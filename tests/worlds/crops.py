"""Tiny worlds of crops whose causes are known, and a learner that fits in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lucyte.schema.crops import CropSet

CHANNELS = ("GFP", "RFP")
PX = 24


def world(
    seed: int = 0,
    *,
    wells: int = 3,
    cells: int = 16,
    places: int = 12,
    tint: float = 0.0,
    signal: float = 30.0,
    size: float = 0.0,
    well_noise: float = 0.3,
    unit: str = "well",
) -> CropSet:
    """Fed and starved cells.

    tint: medium light added to the red of every starved picture, through the cells too.
    signal: red light inside starved cells alone, the real difference. size: px by which starved
    cells are wider. well_noise: deviation of each well's own medium light.
    """
    rng = np.random.default_rng(seed)
    grid = np.hypot(*np.mgrid[-PX // 2 : PX // 2, -PX // 2 : PX // 2])
    rows = []
    for label in ("fed", "starved"):
        for well in range(wells):
            own = rng.normal(0, well_noise, 2)
            for k in range(cells + places):
                is_cell = k < cells
                light = np.full((2, PX, PX), 100.0) + own[:, None, None]
                if label == "starved":
                    light[1] += tint
                mask = (
                    grid < rng.normal(6 + size * (label == "starved"), 0.4) if is_cell else grid < 0
                )
                light[:, mask] += rng.normal(60, 6, (2, 1))
                extra = rng.normal(signal, 5)
                if label == "starved" and signal:
                    light[1, mask] += extra
                light += rng.normal(0, 2, light.shape)
                rows.append((light, label, f"p/{label[0]}{well}", mask, is_cell, k))
    return CropSet(
        crops=np.stack([r[0] for r in rows]).astype(np.float32),
        channels=CHANNELS,
        object_ids=tuple(f"{r[2]}/{r[5]}" for r in rows),
        labels=tuple(r[1] for r in rows),
        groups=tuple(r[2] for r in rows),
        masks=np.stack([r[3] for r in rows]),
        foreground=np.stack([r[3] for r in rows]),
        distance_px=np.array([0.0 if r[4] else 20.0 + 5 * r[5] for r in rows]),
        kind=tuple("cell" if r[4] else "background" for r in rows),
        field_ids=tuple(f"{r[2]}_s{r[5] % 2}" for r in rows),
        time_index=np.zeros(len(rows), dtype=np.int64),
        unit=unit,
    )


@dataclass(frozen=True)
class LinearModel:
    """A Predictor: linear in a few measurements of the picture."""

    weights: np.ndarray
    offset: float
    measure: object
    classes: tuple[str, ...] = ("fed", "starved")
    channels: tuple[str, ...] = CHANNELS
    pixel_size_um: float | None = None
    input_px: int = PX

    def logits(self, crops: np.ndarray) -> np.ndarray:
        told = self.measure(crops) @ self.weights + self.offset  # type: ignore[operator]
        return np.column_stack([-told / 2, told / 2])


def picture_features(crops: np.ndarray) -> np.ndarray:
    """Mean, spread, centre and border per channel."""
    x = crops.astype(np.float64)
    centre = x[:, :, PX // 3 : -PX // 3, PX // 3 : -PX // 3].mean(axis=(2, 3))
    border = x[:, :, [0, 1, -2, -1]].mean(axis=(2, 3))
    return np.hstack([x.mean(axis=(2, 3)), x.std(axis=(2, 3)), centre, border])


class PictureLearner:
    """A Learner: ridge regression on standardised picture features."""

    def __init__(self, measure=picture_features) -> None:  # type: ignore[no-untyped-def]
        self.measure = measure

    def fit(self, samples, labels, groups, seed):  # type: ignore[no-untyped-def]
        x = self.measure(samples)
        y = np.where(np.asarray(labels) == max(labels), 1.0, -1.0)
        centre, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
        z = (x - centre) / spread
        w = np.linalg.solve(z.T @ z + 0.1 * len(z) * np.eye(z.shape[1]), z.T @ (y - y.mean()))
        w = 3 * w / spread
        return LinearModel(w, float(-centre @ w), self.measure, tuple(sorted(set(labels))))


def inside_less_border(crops: np.ndarray) -> np.ndarray:
    """Red of the centre less red of the border: does not see a tint that adds everywhere."""
    f = picture_features(crops)
    return (f[:, 5] - f[:, 7])[:, None]


def border_red(crops: np.ndarray) -> np.ndarray:
    """Red of the border less green of the border: sees nothing else."""
    f = picture_features(crops)
    return (f[:, 7] - f[:, 6])[:, None]
