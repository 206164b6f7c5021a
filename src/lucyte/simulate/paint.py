"""One cell as light: its cytoplasm, spots and transmitted relief in a box of its own."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lucyte.simulate.kernels import Plane, Stack, add_spots, paint_body
from lucyte.simulate.life import Pose
from lucyte.simulate.settings import WorldSettings
from lucyte.simulate.structures import Spots


class Patch(NamedTuple):
    """What one cell adds to a frame.

    Attributes
    ----------
    y0, x0 : int
        Where the box begins in the field; may be negative.
    light : float32 array (2, h, w)
        Photons in EGFP and mRFP.
    relief : float32 array (h, w)
        Transmitted light against the background, 0 for no change.
    rho : float32 array (h, w)
        Distance from the centre over the outline's: below 1 is the cell.
    """

    y0: int
    x0: int
    light: Stack
    relief: Plane
    rho: Plane


def reach_px(settings: WorldSettings, pose: Pose) -> float:
    """Distance from the centre beyond which the cell adds nothing."""
    glow = 0.2 * settings.cell.cell_px if pose.traits.photons > 0.5 * settings.cell.photons else 0
    blur = 3 * np.hypot(settings.optics.psf_px, pose.traits.defocus_px)
    return float(pose.outline[0].max() + glow + blur + 4)


@lru_cache(maxsize=4)
def noise_tile(grain_px: float) -> Plane:
    """A 256 x 256 noise of unit variance that repeats; the same in every world."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(20240831)
    white = rng.normal(size=(256, 256))
    coarse = gaussian_filter(white, grain_px, mode="wrap")
    fine = gaussian_filter(rng.normal(size=(256, 256)), 0.35 * grain_px, mode="wrap")
    both = coarse / coarse.std() + 0.7 * fine / fine.std()
    tile: Plane = (both / both.std()).astype(np.float32)
    return tile


def paint(settings: WorldSettings, pose: Pose, spots: Spots) -> Patch:
    """Render one cell without noise, blurred by the optics and its own focus.

    Parameters
    ----------
    settings : WorldSettings
    pose : Pose
    spots : Spots
        From ``find_spots``; the only argument that depends on the condition.
    """
    from scipy.ndimage import gaussian_filter

    cell_px, traits = settings.cell.cell_px, pose.traits
    reach = reach_px(settings, pose)
    y0, x0 = int(np.floor(pose.y_px - reach)), int(np.floor(pose.x_px - reach))
    side = int(2 * reach) + 2
    centre = np.array([pose.y_px - y0, pose.x_px - x0])
    rim = max(0.6, 0.017 * cell_px)
    out = np.empty((4, side, side), dtype=np.float32)
    paint_body(
        centre, pose.outline, _body(pose, rim), _holes(pose), noise_tile(0.026 * cell_px), out
    )
    rho, cytoplasm, halo, relief = out
    peak = traits.photons * (1 + 0.5 * pose.rounding * (1 - traits.spread))
    peak *= float((1 - settings.optics.bleaching) ** pose.frame)
    light = np.empty((2, side, side), dtype=np.float32)
    np.multiply(cytoplasm, 0.94, out=light[1])
    light[1] += 0.06 * halo
    light[1] *= peak
    np.multiply(light[1], traits.green, out=light[0])
    table = np.stack([*spots[:4], spots.kind.astype(float), spots.form.astype(float)], axis=1)
    fading = float((1 - settings.optics.bleaching) ** pose.frame)
    table[:, 3] *= fading * (1 - 0.5 * pose.dying)
    add_spots(centre, table, light, relief, rho, 0.4 * rim)
    sigma = float(np.hypot(settings.optics.psf_px, traits.defocus_px))
    if sigma > 0.2:
        light = gaussian_filter(light, (0, sigma, sigma), truncate=3.0, mode="constant")
        relief = gaussian_filter(relief, 0.5 * sigma, truncate=3.0, mode="constant")
    return Patch(y0, x0, light, relief, rho)


def _body(pose: Pose, rim: float) -> npt.NDArray[np.float64]:
    traits = pose.traits
    ny, nx, nr, light = traits.nucleus
    radius = pose.radius_px
    # texture is fixed to the cell, not to the field: it moves with it
    return np.array(
        [
            traits.spread * (1 - pose.rounding),
            ny * radius,
            nx * radius,
            nr * radius,
            light,
            float(traits.texture[0]),
            float(traits.texture[1]),
            pose.dying,
            rim,
        ]
    )


def _holes(pose: Pose) -> npt.NDArray[np.float64]:
    return pose.radius_px * np.array(pose.traits.vacuoles, dtype=np.float64).reshape(-1, 3)
