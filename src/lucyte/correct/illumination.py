"""Flat field: the fall of light towards the corners, from the plate's own images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import xarray as xr

from lucyte.correct.camera import Points, estimate_offset, noise_points
from lucyte.correct.planes import Plane, block_means, block_quantiles, finite, planes_of
from lucyte.schema.errors import UsageError

GRID = 24
LOW = 0.25
BETWEEN = 0.3
"""Quantile over frames: cells add light, so the medium is below the middle."""
MANY_FRAMES = 6
"""From this many frames on halves of them choose the degree; below it, it is 2."""

Grids = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Flatfield:
    """How light falls off over the field in one channel; small, of any resolution.

    Attributes
    ----------
    channel : str
    coefficients : tuple of float
        Of ``x^i y^j`` with ``i + j <= degree``, j slowest, on -1 to 1 over the field.
    degree : int
    offset_counts : float
        Counts without light: not divided. 0 where the images do not tell.
    frames : int
        Frames it was estimated from.
    """

    channel: str
    coefficients: tuple[float, ...]
    degree: int
    offset_counts: float
    frames: int

    def plane(self, shape: tuple[int, int]) -> Plane:
        """Relative light Y X, 1 on average."""
        y, x = (np.linspace(-1, 1, side) for side in shape)
        surface = np.zeros(shape)
        for (i, j), value in zip(_powers(self.degree), self.coefficients, strict=True):
            surface += value * np.outer(y**j, x**i)
        surface = np.maximum(surface, 0.05 * surface.max())
        return np.asarray(surface / surface.mean(), dtype=np.float32)

    @property
    def loss(self) -> float:
        """Light lost where it is darkest, against where it is brightest (0 to 1)."""
        surface = self.plane((GRID, GRID))
        return float(1 - surface.min() / surface.max())


@dataclass
class FlatfieldEstimate:
    """Takes frames one by one and keeps a coarse grid of each; memory does not grow with pixels."""

    grids: dict[str, list[Plane]] = field(default_factory=dict)
    points: dict[str, list[Points]] = field(default_factory=dict)

    def add(self, image: xr.DataArray) -> None:
        """Look at one frame C Y X (or Z): low quantiles of blocks, and the noise at each level."""
        for name, raw in planes_of(image):
            plane = finite(raw)
            side = max(1, min(plane.shape) // (6 * GRID))
            calm = block_means(plane, side)
            rows, columns = (min(GRID, length) for length in calm.shape)
            self.grids.setdefault(name, []).append(block_quantiles(calm, rows, columns, LOW))
            self.points.setdefault(name, []).append(noise_points(plane))

    def finish(self) -> dict[str, Flatfield]:
        """The flat field of every channel seen.

        Raises
        ------
        UsageError
            No frame was given, or frames of one channel differ in shape.
        """
        if not self.grids:
            raise UsageError("a flat field needs at least one frame, got none.")
        return {
            name: _fit(name, grids, estimate_offset(self.points[name]))
            for name, grids in self.grids.items()
        }


def estimate_flatfield(frames: Iterable[xr.DataArray]) -> dict[str, Flatfield]:
    """Estimate the flat field of each channel from many frames of a plate.

    Each frame gives a coarse grid of low quantiles (the medium between the cells), above the
    camera's offset and relative to its own level. A low quantile over frames removes cells, which
    are elsewhere in each; a polynomial fitted with weights that fall with the residual removes
    what is left of them. Its degree is the one that carries over from half the frames to the
    other half, so that an even field comes out even.

    Parameters
    ----------
    frames : iterable of image C Y X
        From different fields; a dozen or more.

    Returns
    -------
    dict of channel to Flatfield

    References
    ----------
    Singh et al. 2014, doi 10.1111/jmi.12178 (many images of one plate);
    Holland and Welsch 1977, doi 10.1080/03610927708827533 (weights).
    """
    estimate = FlatfieldEstimate()
    for image in frames:
        estimate.add(image)
    return estimate.finish()


def apply_flatfield(plane: npt.NDArray[np.generic], flat: Flatfield) -> Plane:
    """Divide the light above the offset by the flat field: ``o + (p - o) / f``. Float counts."""
    values = np.asarray(plane, dtype=np.float32)
    surface = flat.plane((plane.shape[-2], plane.shape[-1]))
    offset = np.float32(flat.offset_counts)
    return np.asarray((values - offset) / surface + offset, dtype=np.float32)


def apply_flatfields(
    image: xr.DataArray, flats: Mapping[str, Flatfield]
) -> tuple[xr.DataArray, tuple[str, ...]]:
    """Correct the channels that have a flat field; the others stay as they are."""
    out = image.astype(np.float32)
    values = out.values if "C" in image.dims else out.values[None]
    done = []
    for index, (name, _) in enumerate(planes_of(image)):
        if name in flats:
            values[index] = apply_flatfield(values[index], flats[name])
            done.append(f"illumination: {name} (darkest place lost {flats[name].loss:.0%})")
    return out, tuple(done)


def _powers(degree: int) -> list[tuple[int, int]]:
    return [(i, j) for j in range(degree + 1) for i in range(degree + 1 - j)]


def _fit(name: str, grids: list[Plane], offset: float | None) -> Flatfield:
    shapes = {grid.shape for grid in grids}
    if len(shapes) > 1:
        raise UsageError(
            f"channel {name!r}: fields of different shape share no flat field; "
            "estimate one for each shape."
        )
    zero = 0.0 if offset is None else offset
    light = np.stack(grids).astype(np.float64) - zero
    levels = np.quantile(light, 0.4, axis=(1, 2), keepdims=True)
    light /= np.where(np.abs(levels) < 1e-9, 1.0, levels)
    degree = _choose_degree(light) if len(grids) >= MANY_FRAMES else 2
    surface = _robust_surface(np.quantile(light, BETWEEN, axis=0), degree)
    return Flatfield(name, tuple(float(value) for value in surface), degree, zero, len(grids))


def _choose_degree(light: Grids) -> int:
    """The degree (0, 2 or 4) whose surface of half the frames is nearest the other half's grid.

    A higher degree must be nearer by 3 %: it follows leftover cells, which the halves do not share.
    """
    halves = [np.quantile(light[start::2], BETWEEN, axis=0) for start in (0, 1)]
    best, chosen = np.inf, 0
    for degree in (0, 2, 4):
        design = _design(halves[0].shape, degree)
        missed = [
            float(np.median(np.abs(other.ravel() - design @ _robust_surface(own, degree))))
            for own, other in (halves, halves[::-1])
        ]
        if sum(missed) < 0.97 * best:
            best, chosen = sum(missed), degree
    return chosen


def _design(shape: tuple[int, ...], degree: int) -> Grids:
    """Powers of the places of block centres (blocks, terms)."""
    y, x = ((np.arange(side) + 0.5) * 2 / side - 1 for side in shape)
    return np.stack([np.outer(y**j, x**i).ravel() for i, j in _powers(degree)], axis=1)


def _robust_surface(values: Grids, degree: int) -> Grids:
    """Least squares with weights ``1 / (1 + (r / 2s)^2)``, s from the residuals' median."""
    design = _design(values.shape, degree)
    target, weights = values.ravel(), np.ones(values.size)
    fitted: Grids = np.zeros(design.shape[1])
    for _ in range(12):
        root = np.sqrt(weights)
        solved = np.linalg.lstsq(design * root[:, None], target * root, rcond=None)[0]
        fitted = np.asarray(solved, dtype=np.float64)
        residual = target - design @ fitted
        spread = 1.4826 * float(np.median(np.abs(residual))) + 1e-12
        weights = 1 / (1 + (residual / (2 * spread)) ** 2)
    return fitted
