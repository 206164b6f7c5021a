"""Features of 2,600 nuclei in 3 channels: Lucyte beside scikit-image's regionprops_table.

Both sides make the same columns from the same pixels in the same run; columns that both define
alike must agree to 1e-6, or the benchmark fails.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.measure.frame import measure_frame
from lucyte.measure.own import own_features
from lucyte.measure.regions import regions
from lucyte.schema.errors import LucyteError
from lucyte.schema.image import make_image
from lucyte.schema.objects import FrameObjects
from lucyte.schema.plan import MeasureSettings
from lucyte.testing.outcome import Outcome, skipped
from lucyte.testing.stopwatch import clocked

Columns = dict[str, npt.NDArray[Any]]
GOAL = 10.0
_GOAL = f"at least {GOAL:.0f} times"
PITCH = 40
CHANNELS = ("DAPI", "EGFP", "mRFP")
SAME = {
    "area": "area_px",
    "centroid-0": "centroid_y_px",
    "centroid-1": "centroid_x_px",
    "perimeter": "perimeter_px",
    "eccentricity": "eccentricity",
    "orientation": "orientation",
    "axis_major_length": "major_axis_px",
    "axis_minor_length": "minor_axis_px",
}
SAME_PER_CHANNEL = {
    "intensity_mean": "intensity_mean",
    "intensity_min": "intensity_min",
    "intensity_max": "intensity_max",
    "intensity_std": "intensity_std",
    "total": "intensity_sum",
    "quantile_05": "intensity_q05",
    "median": "intensity_median",
    "quantile_95": "intensity_q95",
}
PROPERTIES = (
    *("label", "bbox", "centroid", "area", "perimeter", "eccentricity", "orientation"),
    *("axis_major_length", "axis_minor_length", "solidity"),
    *("intensity_mean", "intensity_min", "intensity_max", "intensity_std"),
)


def measure(side_px: int = 2048) -> Outcome:
    """Time both, check that they agree, give the ratio.

    Raises
    ------
    LucyteError
        A column differs from scikit-image's.
    """
    labels, light = grid_of_nuclei(side_px)
    chosen = MeasureSettings(families=["intensity", "shape"])

    def ours() -> Columns:
        planes = {name: light[i].astype(np.float64) for i, name in enumerate(CHANNELS)}
        return own_features(regions(labels), planes, chosen)

    ours()  # compile
    fast, mine = clocked(ours, 5)
    image = make_image(light, "CYX", channels=list(CHANNELS))
    everything = MeasureSettings(ratios=[("EGFP", "mRFP")])
    found = FrameObjects({"nucleus": labels})
    measure_frame(image, found, everything)  # compile
    whole, full = clocked(lambda: measure_frame(image, found, everything), 3)
    rows: list[dict[str, Any]] = [
        {"": "lucyte, the same columns", **fast.row(), "columns": len(mine)},
        {"": "lucyte, every family", **whole.row(), "columns": full.shape[1]},
    ]
    count = f"{int(labels.max()):,} nuclei"
    why = skipped("skimage")
    if why:
        rows.append({"": f"regionprops_table: {why}"})
        return Outcome(f"{1000 * fast.seconds:.0f} ms for {count}", _GOAL, None, tuple(rows))
    slow, theirs = clocked(lambda: beside(labels, light), 2)
    same = agree(mine, theirs)
    rows.append({"": "regionprops_table", **slow.row(), "columns": len(theirs)})
    note = f"{count}; {same} columns that both define alike agree to 1e-6. Best of several runs."
    ratio = slow.seconds / fast.seconds
    figure = f"{ratio:.0f} times faster"
    return Outcome(figure, _GOAL, ratio >= GOAL, tuple(rows), (note,))


def grid_of_nuclei(
    side_px: int, seed: int = 0
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint16]]:
    """Elliptic nuclei on a grid with photon noise: labels ``Y X`` and light ``C Y X``."""
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[:PITCH, :PITCH] - PITCH / 2
    labels = np.zeros((side_px, side_px), np.int32)
    count = 0
    for top in range(0, side_px - PITCH, PITCH):
        for left in range(0, side_px - PITCH, PITCH):
            count += 1
            a, b = rng.uniform(7, 14, 2)
            inside = (yy / a) ** 2 + (xx / b) ** 2 < 1
            labels[top : top + PITCH, left : left + PITCH][inside] = count
    light = rng.poisson(50 + 200 * (labels > 0), (len(CHANNELS), side_px, side_px))
    return labels, light.astype(np.uint16)


def beside(labels: npt.NDArray[np.int32], light: npt.NDArray[np.uint16]) -> Columns:
    """The same columns from scikit-image."""
    from skimage.measure import regionprops_table

    table: Columns = regionprops_table(  # type: ignore[no-untyped-call]
        labels,
        np.moveaxis(light, 0, -1).astype(np.float64),
        properties=PROPERTIES,
        extra_properties=(total, quantile_05, median, quantile_95),
    )
    return table


def agree(mine: Columns, theirs: Columns) -> int:
    """Number of columns that were compared; refuses one that differs."""
    pairs = dict(SAME)
    for c, channel in enumerate(CHANNELS):
        for name, column in SAME_PER_CHANNEL.items():
            pairs[f"{name}-{c}"] = f"{column}_{channel}"
    round_ones = mine["eccentricity"] < 0.01  # the long axis of a circle points nowhere
    for name, column in pairs.items():
        left, right = mine[column].astype(float), theirs[name].astype(float)
        if name == "orientation":
            left, right = left[~round_ones], right[~round_ones]
        if not np.allclose(left, right, rtol=1e-6, atol=1e-6):
            raise LucyteError(
                f"column {column} differs from scikit-image's {name} by up to "
                f"{np.abs(left - right).max():.3g}."
            )
    return len(pairs)


def total(mask: npt.NDArray[np.bool_], plane: npt.NDArray[Any]) -> float:
    """Sum inside the mask, as regionprops takes it."""
    return float(plane[mask].sum(dtype=np.float64))


def quantile_05(mask: npt.NDArray[np.bool_], plane: npt.NDArray[Any]) -> float:
    """5 % quantile inside the mask."""
    return float(np.quantile(plane[mask], 0.05))


def median(mask: npt.NDArray[np.bool_], plane: npt.NDArray[Any]) -> float:
    """Median inside the mask."""
    return float(np.median(plane[mask]))


def quantile_95(mask: npt.NDArray[np.bool_], plane: npt.NDArray[Any]) -> float:
    """95 % quantile inside the mask."""
    return float(np.quantile(plane[mask], 0.95))
