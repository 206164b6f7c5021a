"""Cells of world ``leigh``: where they lie, their nuclei and their mitochondria."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lucyte.simulate.leigh_settings import LeighSettings
from lucyte.simulate.streams import stream

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LeighCell:
    """One cell.

    Attributes
    ----------
    label : int
    y_px, x_px : float
        Its middle.
    radius_px, stretch, turn : float
        Of the outline, an ellipse of the area of that circle.
    nucleus : float
        Radius of the nucleus over the cell's.
    poison : float
        0: untouched; 1: rounded, small, its mitochondria in pieces.
    light : float
        Of its mitochondria, 1 is the healthy mean.
    """

    label: int
    y_px: float
    x_px: float
    radius_px: float
    stretch: float
    turn: float
    nucleus: float
    poison: float
    light: float

    def rim(self, y: Floats, x: Floats) -> Floats:
        """0 in the middle, 1 on the outline, larger outside."""
        dy, dx = y - self.y_px, x - self.x_px
        along = dx * np.cos(self.turn) + dy * np.sin(self.turn)
        across = dy * np.cos(self.turn) - dx * np.sin(self.turn)
        far: Floats = np.hypot(along / self.stretch, across * self.stretch) / self.radius_px
        return far


def place_cells(
    settings: LeighSettings, seed: int, key: tuple[str, ...], light: float, poison: float
) -> tuple[LeighCell, ...]:
    """The cells of one field.

    Parameters
    ----------
    settings : LeighSettings
    seed : int
    key : tuple of str
        Plate, well, site.
    light : float
        Mean light of mitochondria in this well, 1 is the healthy mean.
    poison : float
        0 to 1: the share of cells that is lost, and how far the others round up.
    """
    rng = stream(seed, "leigh cells", *key)
    wanted = int(rng.poisson(settings.cells))
    survive = rng.random(wanted) >= 0.75 * poison
    cells: list[LeighCell] = []
    margin = 0.3 * settings.cell_px
    for alive in survive:
        radius = 0.5 * settings.cell_px * float(np.exp(rng.normal(0, 0.12)))
        shape = rng.uniform(1.0, 1.25), rng.uniform(0, np.pi), rng.uniform(0.42, 0.52)
        spread = float(np.exp(rng.normal(0, settings.cell_sd)))
        hurt = float(np.clip(poison * rng.uniform(0.7, 1.2), 0, 1))
        place = _free_place(cells, radius, margin, settings.size_px, rng)
        if place is None or not alive:
            continue
        cells.append(
            LeighCell(
                label=len(cells) + 1,
                y_px=place[0],
                x_px=place[1],
                radius_px=radius * (1 - 0.35 * hurt),
                stretch=float(shape[0]) ** (1 - hurt),
                turn=float(shape[1]),
                nucleus=float(shape[2]) * (1 - 0.1 * hurt),
                poison=hurt,
                light=light * spread * (1 - 0.35 * hurt),
            )
        )
    return tuple(cells)


def _free_place(
    cells: list[LeighCell], radius: float, margin: float, size: int, rng: np.random.Generator
) -> tuple[float, float] | None:
    """Somewhere that hardly touches the others; None where the colony is full."""
    for _ in range(60):
        y, x = rng.uniform(margin, size - margin, 2)
        gaps = [np.hypot(y - o.y_px, x - o.x_px) / (o.radius_px + radius) for o in cells]
        if min(gaps, default=9.0) > 0.95:
            return float(y), float(x)
    return None


def label_image(cells: tuple[LeighCell, ...], size_px: int) -> npt.NDArray[np.int32]:
    """Each px belongs to the cell in which it lies deepest.

    Returns
    -------
    int32 array Y X
    """
    image = np.zeros((size_px, size_px), dtype=np.int32)
    best = np.ones((size_px, size_px))
    for cell in cells:
        window, far = _around(cell, size_px)
        mine = far < best[window]
        image[window][mine] = cell.label
        best[window][mine] = far[mine]
    return image


def _around(cell: LeighCell, size_px: int) -> tuple[tuple[slice, slice], Floats]:
    """The part of the field that a cell reaches, and how far each px there is from its middle."""
    reach = int(np.ceil(1.3 * cell.radius_px * cell.stretch)) + 2
    rows = slice(max(0, int(cell.y_px) - reach), min(size_px, int(cell.y_px) + reach + 1))
    columns = slice(max(0, int(cell.x_px) - reach), min(size_px, int(cell.x_px) + reach + 1))
    y = np.arange(rows.start, rows.stop, dtype=np.float64)[:, None]
    x = np.arange(columns.start, columns.stop, dtype=np.float64)[None, :]
    return (rows, columns), cell.rim(y, x)


def paint_cells(
    cells: tuple[LeighCell, ...], settings: LeighSettings, seed: int, key: tuple[str, ...]
) -> npt.NDArray[np.float64]:
    """Expected photons of mitochondria and nuclei, background included.

    Returns
    -------
    float64 array (2, Y, X)
    """
    from scipy.ndimage import gaussian_filter

    size = settings.size_px
    photons = np.zeros((2, size, size))
    for cell in cells:
        rng = stream(seed, "leigh mitochondria", *key, cell.label)
        window, far = _around(cell, size)
        inside = np.clip(1 - far**2, 0, 1)
        core = np.clip(1 - (far / cell.nucleus) ** 2, 0, 1)
        unit = settings.photons * cell.light
        photons[0][window] += settings.haze * unit * np.sqrt(inside) * (core == 0)
        _network(photons[0], cell, settings, unit, rng)
        condensed = 1 + 0.8 * cell.poison
        photons[1][window] += settings.nucleus_photons * condensed * core**0.3
    if settings.psf_px:
        photons = gaussian_filter(photons, (0, settings.psf_px, settings.psf_px))
    filled: Floats = photons + settings.background
    return filled


def _network(
    plane: Floats,
    cell: LeighCell,
    settings: LeighSettings,
    unit: float,
    rng: np.random.Generator,
) -> None:
    """Random walks between nucleus and rim; short ones in a poisoned cell, light kept."""
    steps = max(2, round(settings.filament_px * (1 - 0.8 * cell.poison)))
    walks = round(settings.filaments * settings.filament_px / steps)
    turn = rng.uniform(0, 2 * np.pi, walks)
    far = rng.uniform(cell.nucleus + 0.1, 0.85, walks)
    heading = rng.uniform(0, 2 * np.pi, walks)
    y = cell.y_px + far * cell.radius_px * np.sin(turn)
    x = cell.x_px + far * cell.radius_px * np.cos(turn)
    bends = rng.normal(0, 0.35, (steps, walks))
    for bend in bends:
        heading += bend
        ny, nx = y + np.sin(heading), x + np.cos(heading)
        rim = cell.rim(ny, nx)
        outside = (rim > 0.92) | (rim < cell.nucleus + 0.03)
        heading[outside] += np.pi / 2
        y, x = np.where(outside, y, ny), np.where(outside, x, nx)
        iy, ix = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
        seen = (iy >= 0) & (ix >= 0) & (iy < plane.shape[0]) & (ix < plane.shape[1])
        np.add.at(plane, (iy[seen], ix[seen]), unit)
