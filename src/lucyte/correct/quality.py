"""Quality of a field, one frame at a time: focus, saturation, emptiness, evenness; and of a plate.

A flag leaves nothing out. It says what to look at before believing a number.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from lucyte.correct.planes import Plane, block_means, block_quantiles, finite, noise, planes_of
from lucyte.measure.stains import is_transmitted

SATURATED = 0.01
"""Fraction of px at the top of the range in a channel of emitted light that raises the flag."""
EMPTY = 0.002
"""Fraction of px above the background under which a field holds no cells."""
UNEVEN = 0.3
"""Change of the background over the field, against its median, that raises the flag."""
BLURRED = 0.14
"""Fine structure against coarse under which a frame is out of focus, whatever its plate: sharp
images of cells and nuclei of eight sources have 0.25 and more, blurred by 4 px about 0.13."""
OUTLIER = 6.0
"""Robust deviations from the plate's median that make an outlier."""
SMALLEST_SPREAD = 0.08
"""Of a logarithm: plates that agree better than this have no outlier within twice it."""
UNITS_NEEDED = 6


def field_quality(image: xr.DataArray) -> dict[str, float | bool]:
    """Measure one frame and raise its flags.

    Parameters
    ----------
    image : image C Y X, C Z Y X or without C
        Raw counts of one frame; of a stack the brightest px over Z counts.

    Returns
    -------
    dict
        Per channel ``focus_, saturated_fraction_, signal_fraction_, unevenness_, background_,
        intensity_, noise_`` + channel, and ``flag_saturated, flag_empty, flag_out_of_focus,
        flag_uneven``. Flags look at channels of
        emitted light only.
    """
    row: dict[str, float | bool] = {}
    lit: list[bool] = []
    blurred: list[bool] = []
    emitting = 0
    for name, raw in planes_of(image):
        measures = measure_plane(raw)
        row |= {f"{key}_{name}": value for key, value in measures.items()}
        if is_transmitted(name):
            continue
        emitting += 1
        lit.append(measures["signal_fraction"] >= EMPTY)
        if lit[-1]:
            blurred.append(measures["focus"] < BLURRED)
    of_light = [name for name, _ in planes_of(image) if not is_transmitted(name)]
    row["flag_saturated"] = any(row[f"saturated_fraction_{n}"] > SATURATED for n in of_light)
    row["flag_empty"] = bool(emitting) and not any(lit)
    row["flag_out_of_focus"] = bool(blurred) and all(blurred)
    row["flag_uneven"] = any(row[f"unevenness_{n}"] > UNEVEN for n in of_light)
    return row


def measure_plane(raw: npt.NDArray[np.generic]) -> dict[str, float]:
    """The measures of one plane Y X, as in ``field_quality``.

    - ``focus``: standard deviation of structure of 1 to 2 px against that of 4 to 8 px, after the
      noise's own share is taken away; falls with blur, not with brightness; nan where there is
      no structure.
    - ``saturated_fraction``: px that share the highest value, if they pile up there.
    - ``signal_fraction``: px (means of 3 x 3) above the background by 4 noise deviations.
    - ``unevenness``: range of a plane and bowl fitted to the background, against its median or
      a quarter of the light above it, whichever is more.
    - ``background, intensity, noise``: 20 % quantile, mean, standard deviation of noise; counts.
    """
    plane = finite(raw)
    grain = noise(plane)
    calm = block_means(plane, 3)
    low, high = (float(value) for value in np.quantile(calm, [0.2, 0.99]))
    floor = max(4 * grain, 1e-6 * abs(low), 1e-12)
    return {
        "focus": _focus(plane, grain),
        "saturated_fraction": _saturated_fraction(raw),
        "signal_fraction": float(np.mean(calm > low + floor)),
        "unevenness": _unevenness(calm, 0.25 * (high - low)),
        "background": low,
        "intensity": float(plane.mean()),
        "noise": grain,
    }


def plate_outliers(table: pd.DataFrame) -> pd.DataFrame:
    """Frames whose light or focus is far from that of their plate.

    Parameters
    ----------
    table : DataFrame
        One row per field and frame: ``field_quality`` with ``plate`` (and ``time_index``).

    Returns
    -------
    DataFrame
        The table with ``flag_outlier`` (background or intensity of a channel more than 6 robust
        deviations from the plate's median, on a log scale) and with ``flag_out_of_focus`` raised
        where a channel's focus is as far below. Plates of fewer than 6 rows raise none.
    """
    out = table.copy()
    far = pd.Series(False, index=out.index)
    soft = pd.Series(False, index=out.index)
    plates = out["plate"] if "plate" in out else pd.Series("", index=out.index)
    for _, rows in out.groupby(plates.astype(str), sort=True):
        if len(rows) < UNITS_NEEDED:
            continue
        for name in rows.columns:
            if name.startswith(("background_", "intensity_")):
                far.loc[rows.index] |= np.abs(_deviations(rows[name])) > OUTLIER
            elif name.startswith("focus_"):
                soft.loc[rows.index] |= _deviations(rows[name]) < -OUTLIER
    out["flag_outlier"] = far
    out["flag_out_of_focus"] = soft | out.get("flag_out_of_focus", False)
    return out


def _deviations(values: pd.Series[float]) -> npt.NDArray[np.float64]:
    """Robust deviations of the logarithm; 0 where a value is missing or not positive."""
    numbers = values.to_numpy(dtype=np.float64)
    good = np.isfinite(numbers) & (numbers > 0)
    out = np.zeros(len(numbers))
    if good.sum() >= UNITS_NEEDED:
        logs = np.log(numbers[good])
        middle = np.median(logs)
        spread = 1.4826 * float(np.median(np.abs(logs - middle)))
        out[good] = (logs - middle) / max(spread, SMALLEST_SPREAD)
    return out


def _focus(plane: Plane, grain: float) -> float:
    from scipy import ndimage as ndi

    if min(plane.shape) < 32:
        return float("nan")
    side = 768
    top, left = (max(0, (length - side) // 2) for length in plane.shape)
    middle = plane[top : top + side, left : left + side]
    blurred = {s: ndi.gaussian_filter(middle, s, mode="nearest") for s in (1.0, 2.0, 4.0, 8.0)}
    fine = blurred[1.0] - blurred[2.0]
    coarse = blurred[4.0] - blurred[8.0]
    own = float(fine.var()) - _noise_share(1, 2) * grain**2
    by_noise = _noise_share(4, 8) * grain**2
    whole = float(coarse.var()) - by_noise
    # without structure well above the noise there is nothing to focus on
    return float(np.sqrt(max(own, 0.0) / whole)) if whole > 2 * by_noise else float("nan")


def _noise_share(first: float, second: float) -> float:
    """Variance of white noise of unit variance in a difference of Gaussians of two widths (px)."""
    apart = 1 / first**2 + 1 / second**2 - 4 / (first**2 + second**2)
    return apart / (4 * np.pi)


def _saturated_fraction(raw: npt.NDArray[np.generic]) -> float:
    """Px at the highest value; 0 where that value is not more frequent than those just below."""
    plane = finite(raw)
    top = float(plane.max()) if plane.size else 0.0
    at_top = int((plane == top).sum())
    just_below = int((plane >= top - 0.01 * abs(top)).sum()) - at_top
    piled = at_top > 4 and at_top > just_below and top > float(np.median(plane))
    return at_top / plane.size if piled else 0.0


def _unevenness(calm: Plane, light: float) -> float:
    """Range over the field of ``1, x, y, x^2, xy, y^2`` fitted to low quantiles of blocks."""
    if min(calm.shape) < 24:
        return 0.0
    size = 12
    grid = block_quantiles(calm, size, size, 0.2).astype(np.float64)
    x = np.tile((np.arange(size) + 0.5) * 2 / size - 1, (size, 1))
    y = x.T
    design = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).reshape(-1, 6)
    target, weights = grid.ravel(), np.ones(size * size)
    for _ in range(10):
        root = np.sqrt(weights)[:, None]
        fitted = design @ np.linalg.lstsq(design * root, target * root[:, 0], rcond=None)[0]
        residual = target - fitted
        spread = 1.4826 * float(np.median(np.abs(residual))) + 1e-9
        # cells push blocks up, never down
        weights = 1 / (1 + (np.maximum(residual, 0) / spread) ** 2)
    level = max(abs(float(np.median(fitted))), light)
    return float(np.ptp(fitted)) / level if level > 1e-9 else 0.0
