"""The objects of one movie as arrays, in an order that does not depend on the table's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.schema.errors import UsageError
from lucyte.schema.objects import BOX

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NEEDED = ("object_id", "time_index", "label", "centroid_y_px", "centroid_x_px", "area_px", *BOX)


@dataclass(frozen=True)
class Detections:
    """Objects sorted by time, then position.

    Attributes
    ----------
    object_id : object array
    label : int64 array
    times : int64 array
        Time indices at which any object was found, rising.
    frame : int64 array
        Position of each object's time in ``times``.
    yx : float64 array, n x 2
        Centroids in px.
    area : float64 array
        Areas in px, at least 1.
    box : float64 array, n x 4
        ``x0, y0, x1, y1`` in px, half-open.
    light : float64 array, n x k
        Logarithms of the mean intensities that the table gives; k may be 0.
    shape_yx : tuple of float
        Height and width of the largest frame in px.
    """

    object_id: npt.NDArray[np.object_]
    label: Ints
    times: Ints
    frame: Ints
    yx: Floats
    area: Floats
    box: Floats
    light: Floats
    shape_yx: tuple[float, float]

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def time(self) -> Ints:
        """Time index of each object."""
        return self.times[self.frame]

    @property
    def radius(self) -> Floats:
        """Radius of the disc of the same area, in px."""
        return np.sqrt(self.area / np.pi)

    def rows(self, frame: int) -> slice:
        """Where the objects of one frame lie."""
        left, right = np.searchsorted(self.frame, [frame, frame + 1])
        return slice(int(left), int(right))

    def border_distance(self) -> Floats:
        """From each box to the nearest edge of the image, in px, never below 0."""
        height, width = self.shape_yx
        x0, y0, x1, y1 = self.box.T
        nearest: Floats = np.min([x0, y0, width - x1, height - y1], axis=0)
        return np.maximum(nearest, 0.0)


def read_detections(nodes: pd.DataFrame, shape_yx: tuple[int, int] | None = None) -> Detections:
    """Check a table of objects and put it in order.

    Parameters
    ----------
    nodes : DataFrame
        One row per object of one movie and one kind, with the columns of ``NEEDED`` and optionally
        ``intensity_mean_*``.
    shape_yx : tuple of int, optional
        Height and width of the image in px; without it, what the boxes reach.

    Raises
    ------
    UsageError
        A column is missing, a number is not finite, an object is listed twice.
    """
    missing = [name for name in NEEDED if name not in nodes.columns]
    if missing:
        raise UsageError(
            f"tracking needs the column {missing[0]!r} of every object, got "
            f"{', '.join(map(str, nodes.columns[:12]))}; measure the objects first."
        )
    numbers = nodes[list(NEEDED[1:])].to_numpy(dtype=np.float64)
    if not np.isfinite(numbers).all():
        row, column = np.argwhere(~np.isfinite(numbers))[0]
        raise UsageError(
            f"object {nodes['object_id'].iloc[row]!r} has no {NEEDED[1 + column]}; "
            "every object needs a time, a place and a size."
        )
    _refuse_twins(nodes)
    order = np.lexsort((numbers[:, 1], numbers[:, 4], numbers[:, 3], numbers[:, 2], numbers[:, 0]))
    numbers = numbers[order]
    times, frame = np.unique(numbers[:, 0].astype(np.int64), return_inverse=True)
    box = numbers[:, 5:9]
    reach = (float(box[:, 3].max(initial=1.0)), float(box[:, 2].max(initial=1.0)))
    shape = reach if shape_yx is None else (float(shape_yx[0]), float(shape_yx[1]))
    return Detections(
        object_id=nodes["object_id"].to_numpy(dtype=object)[order],
        label=numbers[:, 1].astype(np.int64),
        times=times,
        frame=frame.astype(np.int64),
        yx=np.ascontiguousarray(numbers[:, 2:4]),
        area=np.maximum(numbers[:, 4], 1.0),
        box=np.ascontiguousarray(box),
        light=_log_light(nodes, order),
        shape_yx=(max(shape[0], reach[0]), max(shape[1], reach[1])),
    )


def _refuse_twins(nodes: pd.DataFrame) -> None:
    if nodes["object_id"].duplicated().any():
        name = nodes.loc[nodes["object_id"].duplicated(), "object_id"].iloc[0]
        raise UsageError(f"object {name!r} is listed twice; give one movie and one kind.")
    place = ["time_index", "label"]
    if nodes.duplicated(place).any():
        time, label = nodes.loc[nodes.duplicated(place), place].iloc[0]
        raise UsageError(
            f"label {label} occurs twice at time {time}; give one movie and one kind of object."
        )


def _log_light(nodes: pd.DataFrame, order: npt.NDArray[np.intp]) -> Floats:
    """Columns that are positive and finite throughout; others say nothing about identity."""
    names = sorted(str(name) for name in nodes.columns if str(name).startswith("intensity_mean_"))
    columns = [nodes[name].to_numpy(dtype=np.float64)[order] for name in names]
    usable = [np.log(each) for each in columns if len(each) and np.all(each > 0)]
    usable = [each for each in usable if np.isfinite(each).all()]
    return np.column_stack(usable) if usable else np.zeros((len(nodes), 0))
