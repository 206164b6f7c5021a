"""The objects of one image, as a model finds them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lucyte.schema.objects import Labels


@dataclass(frozen=True)
class Found:
    """The objects of one image.

    Attributes
    ----------
    labels : int32 array Y X
        Object k of the other arrays is label k + 1.
    boxes : float32 array n x 4
        x0, y0, x1, y1 in image px, half-open: of the mask where the model knows masks.
    scores : float32 array n
        0 to 1.
    classes : tuple of str
        One per object; empty where the model knows none.
    diameter_px : float
        Typical diameter of the objects, in image px; nan where none was found.
    estimated : bool
        The diameter was estimated, not given.
    uncertainty : float32 array n, or None
        One minus the mean IoU of the object with itself as each mirrored look sees it.
    outline : str
        ``mask``: drawn by a model that learned masks; ``guess``: by one that learned boxes;
        ``ellipse``: an ellipse in the box.
    """

    labels: Labels
    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    classes: tuple[str, ...] = ()
    diameter_px: float = float("nan")
    estimated: bool = False
    uncertainty: npt.NDArray[np.float32] | None = None
    outline: str = "mask"


def ellipses(boxes: npt.NDArray[np.float32], shape: tuple[int, int]) -> Labels:
    """A label image of boxes: each pixel to the box whose centre is nearest in its half sides.

    Parameters
    ----------
    boxes : float array n x 4
        x0, y0, x1, y1 in px.
    shape : (height, width)

    Returns
    -------
    int32 array Y X
        Label k + 1 is box k.
    """
    labels = np.zeros(shape, np.int32)
    nearest = np.full(shape, 1.0, np.float32)
    for k, (x0, y0, x1, y1) in enumerate(np.asarray(boxes, np.float64)):
        top, left = max(0, int(y0)), max(0, int(x0))
        rows = np.arange(top, min(shape[0], int(np.ceil(y1)))) + 0.5
        columns = np.arange(left, min(shape[1], int(np.ceil(x1)))) + 0.5
        if not len(rows) or not len(columns) or x1 <= x0 or y1 <= y0:
            continue
        away_y = (rows - (y0 + y1) / 2) / ((y1 - y0) / 2)
        away_x = (columns - (x0 + x1) / 2) / ((x1 - x0) / 2)
        far = np.hypot(away_y[:, None], away_x[None]).astype(np.float32)
        window = (slice(top, top + len(rows)), slice(left, left + len(columns)))
        mine = far < nearest[window]
        labels[window][mine] = k + 1
        nearest[window][mine] = far[mine]
    return labels


def mask_boxes(labels: Labels, count: int) -> npt.NDArray[np.float32]:
    """Half-open boxes of labels 1 to ``count``: x0, y0, x1, y1 in px; zero for one without px."""
    from scipy import ndimage as ndi

    boxes = np.zeros((count, 4), np.float32)
    for k, place in enumerate(ndi.find_objects(labels, count)):
        if place is not None:
            boxes[k] = place[1].start, place[0].start, place[1].stop, place[0].stop
    return boxes


def rename(labels: Labels, table: npt.NDArray[np.int32]) -> None:
    """Give each px the label that the table has for its own; in place, some rows at a time."""
    for y in range(0, len(labels), 1024):
        labels[y : y + 1024] = table[labels[y : y + 1024]]
