"""Spectra of pictures: blocks of frequencies, what they hold, what is left when some are taken.

Frequencies are in cycles per pixel, in the order of `numpy.fft.fft2`. Every mask is symmetric: a
frequency and its conjugate mirror stay or go together, so that a filtered picture is real.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]
Spectrum = npt.NDArray[np.complex128]
Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

FINEST = 1e-9
"""Share of the largest power below which power is rounding."""


def radius(height: int, width: int) -> Floats:
    """Distance of every frequency from 0, cycles per px, ``Y X``."""
    found: Floats = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    return found


def frequency_blocks(height: int, width: int, patch: int) -> Ints:
    """Number of the block of ``patch`` by ``patch`` frequencies that each frequency belongs to.

    Blocks are centred on frequency 0 and numbered from low to high frequency; a block and its
    mirror have one number, and the highest frequency of an even side, its own mirror, blocks of
    its own. Block 0 holds the mean.

    Parameters
    ----------
    height, width : int
        Of the picture, px.
    patch : int
        Frequencies along a side of a block.

    Returns
    -------
    int array Y X
        In the order of `numpy.fft.fft2`.

    References
    ----------
    Wang, Veldhuis, Brune and Strisciuglio 2023, doi 10.48550/arXiv.2307.09829.
    """
    if not 1 <= patch <= min(height, width):
        raise UsageError(f"blocks of {patch} frequencies: write 1 to {min(height, width)}.")

    def places(count: int) -> Ints:
        whole = np.round(np.fft.fftfreq(count) * count).astype(np.int64)
        found: Ints = np.sign(whole) * ((np.abs(whole) + patch // 2) // patch)
        return found

    many = max(height, width) + 1
    code = places(height)[:, None] * many + places(width)[None]
    other = mirrored(code)
    both = np.maximum(code, other) * 4 * many**2 + np.minimum(code, other)
    names, at = np.unique(both, return_inverse=True)
    at = at.reshape(both.shape)
    far = np.bincount(at.ravel(), radius(height, width).ravel()) / np.bincount(at.ravel())
    rank = np.empty(len(names), dtype=np.int64)
    rank[np.argsort(far, kind="stable")] = np.arange(len(names))
    found: Ints = rank[at]
    return found


def mirrored(spectrum: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The value at minus each frequency, over the last two axes."""
    found: npt.NDArray[Any] = np.roll(spectrum[..., ::-1, ::-1], 1, axis=(-2, -1))
    return found


def band(height: int, width: int, low: float, high: float) -> Mask:
    """Frequencies from ``low`` to below ``high`` cycles per px, ``Y X``."""
    far = radius(height, width)
    found: Mask = (far >= low) & (far < high)
    return found


def keep(images: npt.NDArray[Any], mask: Mask, level: npt.ArrayLike | None = None) -> Floats:
    """Pictures with these frequencies alone.

    Parameters
    ----------
    images : array ... Y X
        Raw units.
    mask : bool array Y X
        Symmetric: frequencies that stay.
    level : array broadcastable to ``...``, optional
        Mean that the pictures get instead of what frequency 0 leaves; a picture whose mean is
        taken away is like none that a model has seen.
    """
    if mask.shape != images.shape[-2:]:
        raise UsageError(f"the mask is {mask.shape}, the pictures {images.shape[-2:]}.")
    return keep_of(half_spectrum(images), mask, level)


def half_spectrum(images: npt.NDArray[Any]) -> Spectrum:
    """Fourier coefficients of pictures ``... Y X``, for `keep_of` with many masks.

    Of each pair of mirror frequencies one is left out: ``... Y (X // 2 + 1)``.
    """
    found: Spectrum = scipy.fft.rfft2(images.astype(np.float64))
    return found


def keep_of(spectrum: Spectrum, mask: Mask, level: npt.ArrayLike | None = None) -> Floats:
    """`keep`, from a spectrum that is at hand.

    Parameters
    ----------
    spectrum : complex array ... Y (X // 2 + 1)
        From `half_spectrum`.
    mask, level
        See `keep`.
    """
    height, width = mask.shape
    if spectrum.shape[-2:] != (height, width // 2 + 1):
        raise UsageError(
            f"the mask is {mask.shape}, the spectrum {spectrum.shape[-2:]}, of other pictures."
        )
    found: Floats = scipy.fft.irfft2(spectrum * mask[:, : width // 2 + 1], s=mask.shape)
    if level is None:
        return found
    found += (np.asarray(level) - found.mean(axis=(-2, -1)))[..., None, None]
    return found


def exchange_amplitude(images: npt.NDArray[Any], donors: npt.NDArray[Any], mask: Mask) -> Floats:
    """Pictures whose amplitude at these frequencies is the donors'; the phase stays their own.

    Parameters
    ----------
    images, donors : array ... Y X
    mask : bool array Y X
        Symmetric.

    References
    ----------
    Oppenheim and Lim 1981, doi 10.1109/PROC.1981.12022 (what phase and amplitude hold).
    """
    own = np.fft.fft2(images.astype(np.float64))
    other = np.abs(np.fft.fft2(donors.astype(np.float64)))
    size = np.abs(own)
    turned = np.divide(own, size, out=np.ones_like(own), where=size > 0)
    found: Floats = np.fft.ifft2(np.where(mask, other * turned, own)).real
    return found


def log_power(images: npt.NDArray[Any]) -> Floats:
    """Natural logarithm of the power spectrum of pictures without their mean, ``... Y X``.

    A Hann window keeps the edges of the picture from standing as a cross in the spectrum; each
    frequency then spreads over its direct neighbours.
    """
    x = images.astype(np.float64)
    window = np.hanning(x.shape[-2] + 2)[1:-1, None] * np.hanning(x.shape[-1] + 2)[None, 1:-1]
    x = x - (x * window).sum(axis=(-2, -1), keepdims=True) / window.sum()
    power = np.abs(np.fft.fft2(x * window)) ** 2
    floor = FINEST * power.max(axis=(-2, -1), keepdims=True)
    found: Floats = np.log(power + np.maximum(floor, np.finfo(np.float64).tiny))
    return found


def line_excess(spectrum: Floats, lowest: float) -> Floats:
    """How far each frequency stands out from all others at the same distance from 0.

    ``spectrum`` minus the median of its ring (one frequency step wide, interpolated between
    rings). Texture without a preferred direction, however fine or coarse, leaves 0 on average; a
    periodic pattern leaves a narrow peak.

    Parameters
    ----------
    spectrum : float array ... Y X
        Log power.
    lowest : float
        Cycles per px below which nothing is judged (0 there): rings hold too few frequencies.
    """
    far = radius(*spectrum.shape[-2:]).ravel()
    _, ring = np.unique(np.round(far * min(spectrum.shape[-2:])), return_inverse=True)
    middle = np.bincount(ring, far) / np.bincount(ring)
    flat = spectrum.reshape(*spectrum.shape[:-2], -1)
    medians = np.stack(
        [np.median(flat[..., ring == k], axis=-1) for k in range(len(middle))], axis=-1
    )
    # A ring is as wide as a step, over which steep texture falls; between rings it is a line.
    weight = np.stack([np.interp(far, middle, row) for row in np.eye(len(middle))], axis=0)
    excess: Floats = np.where(far >= lowest, flat - medians @ weight, 0.0)
    return excess.reshape(spectrum.shape)


def half_plane(height: int, width: int) -> Mask:
    """One of each pair of mirror frequencies, frequency 0 left out, ``Y X``."""
    code = np.arange(height * width).reshape(height, width)
    found: Mask = code <= mirrored(code)
    found[0, 0] = False
    return found


def matched_blocks(
    chosen: npt.NDArray[Any], blocks: Ints, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """As many blocks drawn at random, at the same distances from 0 as the chosen ones.

    What a random draw of equal size alone would not control for: most light of any picture is at
    low frequencies. Blocks are ranked by distance and cut in rings of one block's width; as many
    are drawn from each ring as were chosen there.
    """
    far = np.bincount(blocks.ravel(), radius(*blocks.shape).ravel()) / np.bincount(blocks.ravel())
    side = np.sqrt(np.bincount(blocks.ravel()).max() / 2) / min(blocks.shape)
    ring = np.round(far / max(side, 1e-12)).astype(np.int64)
    drawn = []
    for number in np.unique(ring[chosen]):
        count = int((ring[chosen] == number).sum())
        drawn.append(rng.choice(np.flatnonzero(ring == number), count, replace=False))
    found: npt.NDArray[np.int64] = np.concatenate(drawn)
    return found


def compare_amplitudes(amplitudes: Mapping[str, Floats]) -> dict[str, Ints]:
    """In how many other classes each frequency is weaker, less in how many it is stronger (ADCS).

    Parameters
    ----------
    amplitudes : mapping of class to float array ... Y X
        Mean of the absolute Fourier coefficients over the pictures of the class.

    Returns
    -------
    mapping of class to int array ... Y X
        From minus to plus (number of classes - 1).

    References
    ----------
    Wang, Veldhuis, Brune and Strisciuglio 2023, doi 10.48550/arXiv.2307.09829.
    """
    return {
        name: np.sum(
            [np.sign(own - other) for key, other in amplitudes.items() if key != name], axis=0
        ).astype(np.int64)
        for name, own in amplitudes.items()
    }
