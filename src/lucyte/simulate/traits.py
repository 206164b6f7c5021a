"""What a cell keeps for life: its size, outline, expression, nucleus, vacuoles, focus."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lucyte.simulate.settings import CellSettings
from lucyte.simulate.streams import stream

HARMONICS = 6
RADIUS_PER_BOX = 0.45
"""Mean radius of a round cell as a fraction of the mean box side: arms make boxes larger."""


@dataclass(frozen=True)
class Traits:
    """The lasting properties of one cell.

    Attributes
    ----------
    radius_px : float
        Radius of the disc of the cell's area.
    waves, phases, drifts : array (6,)
        Amplitude (fraction of the radius), phase and phase per frame of the outline's harmonics
        2 to 7.
    spikes : int
        Number of teeth on the outline; 0 for none.
    tail : tuple of float
        Angle, length (fraction of the radius) and width (radians) of a protrusion.
    spread : float
        0: a dome; 1: a flat lamella around a thicker middle.
    photons : float
        Peak light of the cytoplasm in both channels, before bleaching.
    green : float
        EGFP against mRFP of the cytoplasm.
    nucleus : tuple of float
        y, x (fractions of the radius), radius (fraction), light against cytoplasm.
    vacuoles : tuple of tuple of float
        y, x, radius of dark holes, fractions of the radius.
    texture : tuple of int
        Where in the noise tile this cell's grain begins.
    defocus_px : float
        Extra standard deviation of the point spread.
    basal, response : float
        Level without starvation; how far starvation moves it (0 to about 1).
    """

    radius_px: float
    waves: npt.NDArray[np.float64]
    phases: npt.NDArray[np.float64]
    drifts: npt.NDArray[np.float64]
    spikes: int
    tail: tuple[float, float, float]
    spread: float
    photons: float
    green: float
    nucleus: tuple[float, float, float, float]
    vacuoles: tuple[tuple[float, float, float], ...]
    texture: tuple[int, int]
    defocus_px: float
    basal: float
    response: float


def draw_traits(settings: CellSettings, seed: int, *key: int | str) -> Traits:
    """The traits of the cell with this key.

    Parameters
    ----------
    settings : CellSettings
    seed : int
    *key : int or str
        Identity of the cell: plate, well, site and lineage number.
    """
    rng = stream(seed, "traits", *key)
    body = rng.beta(1.3, 1.1)
    size = np.exp(rng.normal(-0.04 + 0.25 * (body - 0.5), 0.27))
    slopes = np.array([0.17, 0.09, 0.055, 0.04, 0.03, 0.025])
    silent = rng.random() < settings.silent
    spikes = int(rng.integers(16, 34)) if rng.random() < 0.3 else 0
    tail = (rng.uniform(0, 2 * np.pi), rng.exponential(0.28) * (0.3 + body), rng.uniform(0.25, 0.5))
    photons = settings.photons * np.exp(rng.normal(0.0, settings.expression_sd))
    vacuoles = tuple(
        (float(rng.normal(0, 0.3)), float(rng.normal(0, 0.3)), float(rng.uniform(0.06, 0.2)))
        for _ in range(int(rng.poisson(0.7)))
    )
    ny, nx, nr = rng.normal(0, 0.12), rng.normal(0, 0.12), rng.uniform(0.3, 0.42)
    defocus = rng.random() < settings.defocused
    blur = settings.cell_px * (rng.uniform(0.03, 0.075) if defocus else rng.uniform(0, 0.008))
    return Traits(
        radius_px=float(settings.cell_px * RADIUS_PER_BOX * size),
        waves=slopes * rng.normal(0, 0.85, HARMONICS) * (0.45 + 0.9 * body),
        phases=rng.uniform(0, 2 * np.pi, HARMONICS),
        drifts=rng.normal(0, 0.25, HARMONICS),
        spikes=spikes,
        tail=(float(tail[0]), float(tail[1]), float(tail[2])),
        spread=float(body),
        photons=float(photons * (0.04 if silent else 1.0)),
        green=float(np.exp(rng.normal(0.05, 0.16))),
        nucleus=(float(ny), float(nx), float(nr), float(rng.uniform(0.8, 1.25))),
        vacuoles=vacuoles,
        texture=(int(rng.integers(0, 256)), int(rng.integers(0, 256))),
        defocus_px=float(blur),
        basal=float(np.clip(0.13 * np.exp(rng.normal(0, 0.55)), 0.02, 0.5)),
        response=float(rng.beta(2.2, 1.4)),
    )


def inherit(mother: Traits, own: Traits) -> Traits:
    """A daughter: her mother's expression and response, three quarters of the mother's size."""
    return replace(
        own,
        radius_px=0.78 * mother.radius_px,
        photons=mother.photons * float(np.exp(own.waves[0])),
        green=mother.green,
        basal=mother.basal,
        response=mother.response,
        defocus_px=mother.defocus_px,
    )
