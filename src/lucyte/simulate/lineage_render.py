"""From cells of world ``lineage`` to a label image, to light and to counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lucyte.simulate.lineage_life import LineagePose
from lucyte.simulate.lineage_settings import LineageSettings
from lucyte.simulate.streams import stream

Shape = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Drawn:
    """One cell on the grid: where its patch lies and how far each px is from its rim.

    Attributes
    ----------
    window : tuple of slice
    rim : float32 array
        0 at the centre, 1 at the rim; larger outside.
    area_px : float
        Of the outline.
    """

    window: tuple[slice, slice]
    rim: Shape
    area_px: float


def draw(pose: LineagePose, traits: npt.NDArray[np.float64], size_px: int) -> Drawn:
    """The outline of a cell: an ellipse with two soft waves, a disc when it rounds up.

    Parameters
    ----------
    pose : LineagePose
    traits : array 5
        Elongation, height and phase of two waves; of the cell, for life.
    size_px : int
        Side of the field.
    """
    long, tall2, phase2, tall3, phase3 = traits
    soft = 1 - pose.rounding
    radius = np.sqrt(pose.mass / np.pi) * (1 - 0.16 * pose.rounding) * (1 - 0.3 * pose.dying)
    reach = int(np.ceil(1.9 * radius)) + 2
    y0, x0 = int(pose.y_px) - reach, int(pose.x_px) - reach
    rows = slice(max(0, y0), min(size_px, y0 + 2 * reach + 1))
    columns = slice(max(0, x0), min(size_px, x0 + 2 * reach + 1))
    y = np.arange(rows.start, rows.stop)[:, None] - pose.y_px
    x = np.arange(columns.start, columns.stop)[None, :] - pose.x_px
    along = x * np.cos(pose.turn) + y * np.sin(pose.turn)
    across = y * np.cos(pose.turn) - x * np.sin(pose.turn)
    stretch = 1 + soft * long
    angle = np.arctan2(across * stretch, along / stretch)
    waves = tall2 * np.cos(2 * angle + phase2) + tall3 * np.cos(3 * angle + phase3)
    far = np.hypot(along / stretch, across * stretch) / (radius * (1 + soft * waves))
    return Drawn((rows, columns), far.astype(np.float32), float(np.pi * radius**2))


def draw_traits(seed: int, key: tuple[int | str, ...], number: int) -> npt.NDArray[np.float64]:
    """The five numbers of a cell's outline."""
    rng = stream(seed, "outline", *key, number)
    turns = rng.uniform(0, 2 * np.pi, 2)
    return np.array(
        [rng.uniform(0.05, 0.3), rng.normal(0, 0.05), turns[0], rng.normal(0, 0.05), turns[1]]
    )


def label_image(
    drawn: Sequence[Drawn], labels: Sequence[int], centres: Sequence[tuple[int, int]], size_px: int
) -> npt.NDArray[np.int32]:
    """Each px belongs to the cell in which it lies deepest; every cell keeps its centre.

    Returns
    -------
    int32 array Y X
    """
    image = np.zeros((size_px, size_px), dtype=np.int32)
    nearest = np.ones((size_px, size_px), dtype=np.float32)
    for each, label in zip(drawn, labels, strict=True):
        part = nearest[each.window]
        mine = each.rim < part
        image[each.window][mine] = label
        part[mine] = each.rim[mine]
    for label, (y, x) in zip(labels, centres, strict=True):
        image[y, x] = label
    return image


def light(
    drawn: Sequence[Drawn],
    masses: Sequence[float],
    levels: npt.NDArray[np.float64],
    settings: LineageSettings,
) -> npt.NDArray[np.float32]:
    """Expected photons of both channels before bleaching, background not included.

    Parameters
    ----------
    drawn : sequence of Drawn
    masses : sequence of float
        A cell's light is proportional to it, whatever its outline: rounding up brightens.
    levels : array (cells, 2)
        Light per mass of reporter and body, 1 is usual.
    settings : LineageSettings

    Returns
    -------
    float32 array (2, Y, X)
    """
    from scipy.ndimage import gaussian_filter

    image = np.zeros((2, settings.size_px, settings.size_px), dtype=np.float32)
    for each, mass, level in zip(drawn, masses, levels, strict=True):
        dome = np.sqrt(np.clip(1 - each.rim**2, 0, None)) * (1.5 * mass / each.area_px)
        image[(slice(None), *each.window)] += dome * (settings.photons * level)[:, None, None]
    if settings.psf_px:
        image = gaussian_filter(image, (0, settings.psf_px, settings.psf_px))
    return image


def expose(
    photons: npt.NDArray[np.float32],
    settings: LineageSettings,
    exposures: int,
    noise: np.random.Generator,
) -> npt.NDArray[np.uint16]:
    """Counts after so many earlier exposures: bleached, over background, with camera noise.

    Returns
    -------
    uint16 array, the shape of ``photons``
    """
    expected = photons * (1 - settings.bleaching) ** exposures + settings.background
    counts = expected.astype(np.float64)
    if settings.noise:
        counts = noise.poisson(expected) + noise.normal(
            0, settings.read_noise_counts, expected.shape
        )
    whole = np.rint(counts + settings.offset_counts)
    seen: npt.NDArray[np.uint16] = np.clip(whole, 0, 65535).astype(np.uint16)
    return seen
