"""Crops for training an object network: any place, size, turn and stretch of annotated images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from lucyte.learn.object_augment import Lighting, relight
from lucyte.learn.object_targets import Targets, targets_from_boxes, targets_from_labels
from lucyte.networks.resample import halved, halvings
from lucyte.networks.views import Scale, scale_of, views

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TrainingImage:
    """One annotated image in memory.

    Attributes
    ----------
    name, group : str
    levels : list of float32 array C Y X
        The image in units of ``low`` to ``high`` of each channel (0 to 1), then halved again and
        again; ``first`` tells how often the first was halved already.
    noise : tuple of float
        Pixel noise per channel in the same units.
    labels : int32 array Y X or None
    boxes : float32 array n x 4
    classes : int16 array or None
        Class of label k at ``classes[k]``; -1 unknown.
    diameter_px : float
        Median over objects of the square root of the box area; 0 without objects.
    """

    name: str
    group: str
    levels: tuple[Floats, ...]
    noise: tuple[float, ...]
    labels: npt.NDArray[np.int32] | None
    boxes: Floats
    classes: npt.NDArray[np.int16] | None
    diameter_px: float
    first: int = 0
    shape_yx: tuple[int, int] = (0, 0)


def prepare_image(
    name: str,
    group: str,
    image: npt.NDArray[Any],
    labels: npt.NDArray[np.int32] | None,
    boxes: npt.NDArray[Any],
    classes: npt.NDArray[Any] | None = None,
    first: int = 0,
) -> TrainingImage:
    """Scale an image and halve it again and again, so that any size can be sampled quickly.

    Parameters
    ----------
    image : array C Y X
        Raw units.
    labels : int32 array Y X or None
    boxes : array n x 4
        x0, y0, x1, y1 in px, half-open.
    classes : int array or None
    first : int
        Halvings that no crop will ask to undo; saves memory.
    """
    scales = [scale_of(plane) for plane in image]
    linear = np.stack([_linear(plane, scale) for plane, scale in zip(image, scales, strict=True)])
    noise = tuple(0.0 if s.flat else s.noise / (s.high - s.low) for s in scales)
    levels = [linear]
    while min(levels[-1].shape[1:]) >= 32 and len(levels) < 6:
        levels.append(halved(levels[-1]))
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    sizes = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    sizes = sizes[sizes > 0]
    first = min(first, len(levels) - 1)
    return TrainingImage(
        name=name,
        group=group,
        levels=tuple(levels[first:]),
        noise=noise,
        labels=labels,
        boxes=boxes,
        classes=None if classes is None else np.asarray(classes, np.int16),
        diameter_px=float(np.median(sizes)) if len(sizes) else 0.0,
        first=first,
        shape_yx=(int(image.shape[1]), int(image.shape[2])),
    )


def _linear(plane: npt.NDArray[Any], scale: Scale) -> Floats:
    if scale.flat:
        return np.zeros(plane.shape, np.float32)
    finite = np.nan_to_num(plane.astype(np.float32), nan=scale.low, posinf=scale.high, neginf=0.0)
    return np.asarray((finite - scale.low) / (scale.high - scale.low), np.float32)


@dataclass(frozen=True)
class CropSettings:
    """How crops are drawn.

    Attributes
    ----------
    side_px : int
        Side of a crop in network px.
    stride : int
        Network px per target px.
    diameters_px : (low, high)
        Most crops show objects of a typical diameter in this range (log-uniform) ...
    wide_px : (low, high)
        ... and the others, a share of ``wide``, in this one.
    turn : bool
        Any angle; boxes alone allow quarter turns only.
    """

    side_px: int = 256
    stride: int = 2
    diameters_px: tuple[float, float] = (16.0, 48.0)
    wide_px: tuple[float, float] = (9.0, 100.0)
    wide: float = 0.25
    turn: bool = True
    elastic: float = 0.5
    near_object: float = 0.8
    lighting: Lighting = field(default_factory=Lighting)


def draw_crop(
    image: TrainingImage, settings: CropSettings, rng: np.random.Generator
) -> tuple[Floats, Targets]:
    """One augmented crop and its targets.

    Returns
    -------
    float32 array V side side, Targets
    """
    matrix, centre = _place(image, settings, rng)
    side, stride = settings.side_px, settings.stride
    bend = (
        _bend(side, settings, rng) if image.labels is not None else np.zeros((2, 2, 2), np.float32)
    )
    scale = float(np.sqrt(abs(np.linalg.det(matrix))))  # source px per network px
    level = min(max(halvings(scale), image.first), image.first + len(image.levels) - 1)
    source = image.levels[level - image.first]
    linear = _sample(source, matrix, centre, bend, side, 2.0**level)
    if image.labels is not None:
        labels = _sample_labels(image.labels, matrix, centre, bend, side // stride, stride)
        targets = targets_from_labels(labels, image.classes)
    else:
        labels = np.zeros((side // stride, side // stride), np.int32)
        boxes = _map_boxes(image.boxes, matrix, centre, side) / stride
        targets = targets_from_boxes(boxes, labels.shape, image.classes)
    lit, noise = relight(linear, image.noise, labels, stride, settings.lighting, rng)
    seen = [Scale(0.0, 1.0, max(each, 1 / 256)) for each in noise]
    return views(lit, seen), targets


def _place(
    image: TrainingImage, settings: CropSettings, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Network px to source px: a matrix (y, x) and the source point in the middle of the crop."""
    low, high = settings.wide_px if rng.random() < settings.wide else settings.diameters_px
    wanted = np.exp(rng.uniform(np.log(low), np.log(high)))
    own = image.diameter_px or settings.diameters_px[0]
    scale = own / wanted
    angle = rng.uniform(0, 2 * np.pi) if settings.turn else rng.integers(4) * np.pi / 2
    stretch = np.exp(rng.uniform(-0.12, 0.12))
    cos, sin = np.cos(angle), np.sin(angle)
    flip = rng.choice([-1.0, 1.0])
    turn = np.array([[cos, -sin], [sin, cos]]) @ np.diag([flip, 1.0])
    matrix = np.diag([stretch, 1 / stretch]) @ turn * scale
    height, width = image.shape_yx
    if len(image.boxes) and rng.random() < settings.near_object:
        x0, y0, x1, y1 = image.boxes[rng.integers(len(image.boxes))]
        away = rng.uniform(-0.4, 0.4, 2) * settings.side_px * scale
        centre = np.array([(y0 + y1) / 2, (x0 + x1) / 2]) + away
    else:
        centre = rng.uniform(0, 1, 2) * (height, width)
    # A crop that fits shows no outside; a crop that does not fit holds the whole image.
    for axis, length in enumerate((height, width)):
        half = min(settings.side_px * scale / 2, length / 2)
        centre[axis] = np.clip(centre[axis], half * 0.9, length - half * 0.9)
    return matrix, centre


def _bend(side: int, settings: CropSettings, rng: np.random.Generator) -> Floats:
    """Displacements in network px on a coarse grid, 2 x g x g."""
    if rng.random() >= settings.elastic:
        return np.zeros((2, 2, 2), np.float32)
    coarse = max(3, side // 40)
    rough = ndi.gaussian_filter(rng.normal(0, 1, (2, coarse, coarse)), (0, 0.7, 0.7))
    return np.asarray(rough * rng.uniform(1, 5), np.float32)


def _map_boxes(
    boxes: Floats, matrix: npt.NDArray[np.float64], centre: npt.NDArray[np.float64], side: int
) -> Floats:
    """Boxes in the crop, in network px, cut at its edge; zero where less than a fifth is left."""
    inverse = np.linalg.inv(matrix)
    corners = np.stack([boxes[:, [1, 0]], boxes[:, [3, 2]]], 1) - centre
    mapped = corners @ inverse.T + side / 2
    low, high = mapped.min(1), mapped.max(1)
    whole = np.prod(high - low, axis=1)
    low, high = np.clip(low, 0, side), np.clip(high, 0, side)
    left = np.prod(high - low, axis=1) >= 0.2 * np.maximum(whole, 1e-6)
    out = np.column_stack([low[:, 1], low[:, 0], high[:, 1], high[:, 0]]).astype(np.float32)
    out[~left] = 0
    return out


@numba.njit(cache=True)
def _bent(bend: Any, y: float, x: float, side: float) -> Any:
    g = bend.shape[1]
    fy, fx = y / side * (g - 1), x / side * (g - 1)
    iy, ix = min(int(fy), g - 2), min(int(fx), g - 2)
    ty, tx = fy - iy, fx - ix
    out = np.zeros(2)
    for a in range(2):
        top = bend[a, iy, ix] * (1 - tx) + bend[a, iy, ix + 1] * tx
        low = bend[a, iy + 1, ix] * (1 - tx) + bend[a, iy + 1, ix + 1] * tx
        out[a] = top * (1 - ty) + low * ty
    return out


@numba.njit(cache=True, nogil=True)
def _sample(source: Any, matrix: Any, centre: Any, bend: Any, side: int, factor: float) -> Any:
    """Bilinear; outside the image 0, as the network sees it."""
    channels, height, width = source.shape
    out = np.zeros((channels, side, side), np.float32)
    for i in range(side):
        for j in range(side):
            move = _bent(bend, i + 0.5, j + 0.5, side)
            u, v = i + 0.5 - side / 2 + move[0], j + 0.5 - side / 2 + move[1]
            y = (matrix[0, 0] * u + matrix[0, 1] * v + centre[0]) / factor - 0.5
            x = (matrix[1, 0] * u + matrix[1, 1] * v + centre[1]) / factor - 0.5
            if y < -0.5 or x < -0.5 or y > height - 0.5 or x > width - 0.5:
                continue
            y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
            iy, ix = min(int(y), max(height - 2, 0)), min(int(x), max(width - 2, 0))
            ty, tx = y - iy, x - ix
            jy, jx = min(iy + 1, height - 1), min(ix + 1, width - 1)
            for c in range(channels):
                top = source[c, iy, ix] * (1 - tx) + source[c, iy, jx] * tx
                low = source[c, jy, ix] * (1 - tx) + source[c, jy, jx] * tx
                out[c, i, j] = top * (1 - ty) + low * ty
    return out


@numba.njit(cache=True, nogil=True)
def _sample_labels(labels: Any, matrix: Any, centre: Any, bend: Any, side: int, stride: int) -> Any:
    """Nearest label at the middle of each output pixel."""
    height, width = labels.shape
    out = np.zeros((side, side), np.int32)
    full = side * stride
    for i in range(side):
        for j in range(side):
            a, b = (i + 0.5) * stride, (j + 0.5) * stride
            move = _bent(bend, a, b, full)
            u, v = a - full / 2 + move[0], b - full / 2 + move[1]
            y = int(np.floor(matrix[0, 0] * u + matrix[0, 1] * v + centre[0]))
            x = int(np.floor(matrix[1, 0] * u + matrix[1, 1] * v + centre[1]))
            if 0 <= y < height and 0 <= x < width:
                out[i, j] = labels[y, x]
    return out
