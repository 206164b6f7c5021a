"""From the light of a specimen to the light on the camera, and to counts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lucyte.simulate.kernels import Stack, expose
from lucyte.simulate.settings import CHANNELS, OpticsSettings
from lucyte.simulate.streams import noise_key

Counts = npt.NDArray[np.uint16]
Origin = tuple[int, int]


def bleed_matrix(optics: OpticsSettings) -> npt.NDArray[np.float64]:
    """``seen = M @ emitted`` over EGFP, mRFP, TL, in photons."""
    matrix = np.eye(3)
    matrix[1, 0] = optics.bleed_egfp_to_mrfp
    matrix[0, 1] = optics.bleed_mrfp_to_egfp
    return matrix


_CENTRES = ((0.53, 0.46, 1.0), (0.48, 0.52, 0.85), (0.44, 0.55, 0.5))
"""Per channel: where the light is brightest (y, x as fractions of the field), share of the loss."""


def vignette(
    optics: OpticsSettings, size_px: int, origin: Origin, shape: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Fraction of the light that arrives, per channel, over a part of the field.

    ``1 - v * d^2`` with d the distance from a channel's own centre over the half diagonal.

    Returns
    -------
    float32 array (3, h, w)
    """
    return np.stack([_vignette(optics, k, size_px, origin, shape) for k in range(3)])


def darken(photons: Stack, optics: OpticsSettings, size_px: int, origin: Origin) -> None:
    """Multiply light by its ``vignette``; in place, a plane at a time."""
    for index, plane in enumerate(photons):
        plane *= _vignette(optics, index, size_px, origin, (plane.shape[0], plane.shape[1]))


def _vignette(
    optics: OpticsSettings, channel: int, size_px: int, origin: Origin, shape: tuple[int, int]
) -> npt.NDArray[np.float32]:
    half = 0.5 * size_px * np.sqrt(2.0)
    cy, cx, part = _CENTRES[channel]
    y = (np.arange(origin[0], origin[0] + shape[0]) - cy * size_px) / half
    x = (np.arange(origin[1], origin[1] + shape[1]) - cx * size_px) / half
    lost = part * optics.vignetting
    rows, columns = (1 - lost * y**2).astype(np.float32), (lost * x**2).astype(np.float32)
    return np.asarray(rows[:, None] - columns[None, :], dtype=np.float32)


def mix(photons: Stack, optics: OpticsSettings) -> None:
    """Bleed-through between the two fluorescence channels; in place."""
    matrix = bleed_matrix(optics).astype(np.float32)
    from_green = matrix[1, 0] * photons[0]
    photons[0] += matrix[0, 1] * photons[1]
    photons[1] += from_green


def shift_plane(plane: npt.NDArray[np.float32], shift: tuple[float, float]) -> Stack:
    """Move a plane by a fraction of px: ``out(p) = plane(p - shift)``, linear, edges repeat."""
    out = plane
    for axis, move in enumerate(shift):
        whole = int(np.floor(move))
        part = np.float32(move - whole)
        at = np.arange(plane.shape[axis])
        near = np.clip(at - whole, 0, plane.shape[axis] - 1)
        far = np.clip(at - whole - 1, 0, plane.shape[axis] - 1)
        out = (1 - part) * np.take(out, near, axis) + part * np.take(out, far, axis)
    return out


def count(
    photons: Stack, optics: OpticsSettings, seed: int, key: tuple[int | str, ...], origin: Origin
) -> Counts:
    """What the camera reports for expected photons; same key and place, same noise.

    Returns
    -------
    uint16 array (3, h, w)
    """
    out = np.empty(photons.shape, dtype=np.uint16)
    camera = np.array(
        [
            optics.gain,
            optics.offset_counts,
            optics.read_noise_counts,
            optics.full_counts,
            float(optics.noise),
        ]
    )
    for index, name in enumerate(CHANNELS):
        of_channel = noise_key(seed, "noise", *key, name)
        expose(
            np.ascontiguousarray(photons[index], dtype=np.float32),
            of_channel,
            np.array(origin, dtype=np.float64),
            camera,
            out[index],
        )
    return out
