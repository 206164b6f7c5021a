"""Inner loops, compiled: outline to cytoplasm and transmitted light, spots, camera noise."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from lucyte.simulate.compiled import compiled

Plane = npt.NDArray[np.float32]
Stack = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]


@compiled
def turn_of(dy: float, dx: float) -> float:
    """Direction as a number from 0 to 1 that rises with the angle (the diamond's perimeter)."""
    whole = abs(dy) + abs(dx)
    if whole == 0:
        return 0.5
    part = dy / whole
    if dx >= 0:
        return 0.25 * (2 + part)
    return 0.25 * (4 - part) if dy >= 0 else -0.25 * part


@compiled
def paint_body(
    centre: Vector, outline: Vector, body: Vector, holes: Vector, tile: Plane, out: Stack
) -> None:
    """Fill ``out`` (4, h, w): distance rho, cytoplasm, halo, transmitted relief.

    Parameters
    ----------
    centre : array (2,)
        y and x of the cell's centre in the box, px.
    outline : array (2, n)
        Radius in px and ruffles (-1 to 1) at n directions (``turn_of`` times n).
    body : array (9,)
        spread, nucleus y, x, radius, light (px), texture y, x, dying, width of the rim in px.
    holes : array (k, 3)
        y, x, radius of vacuoles relative to the centre, px.
    tile : array (256, 256)
        Noise of unit variance that repeats.
    """
    spread, ny, nx, nr, light, ty, tx, dying, rim = body
    bins = outline.shape[1]
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            dy, dx = i - centre[0], j - centre[1]
            r = math.sqrt(dy * dy + dx * dx)
            at = turn_of(dy, dx) * bins
            low = int(at)
            part = at - low
            edge = outline[0, low % bins] * (1 - part) + outline[0, (low + 1) % bins] * part
            rho = r / edge
            out[0, i, j] = rho
            gap = r - edge
            grain = tile[(i + int(ty)) % 256, (j + int(tx)) % 256]
            cyto, relief = 0.0, 0.0
            if rho < 1:
                dome = math.sqrt(1 - rho * rho)
                lamella = min(1.0, -gap / (4 * rim)) * (
                    0.22 + 0.78 * math.exp(-((rho / 0.48) ** 2))
                )
                if rho > 0.4:
                    lamella *= 1 + 0.5 * (rho - 0.4) * outline[1, low % bins]
                cyto = (1 - spread) * dome + spread * lamella
                cyto *= max(0.0, 1 + 0.13 * grain)
                relief = 0.028 * grain * (1 + 3 * dying)
                away = math.sqrt((dy - ny) ** 2 + (dx - nx) ** 2) - nr
                if away < -5 * rim:
                    cyto *= light
                elif away < 5 * rim:
                    inside = 1 / (1 + math.exp(2 * away / rim))
                    cyto *= 1 + (light - 1) * inside + 0.1 * math.exp(-((away / (1.2 * rim)) ** 2))
                    relief += 0.10 * math.exp(-((away / rim) ** 2))
                    relief -= 0.07 * math.exp(-(((away - 1.6 * rim) / rim) ** 2))
                for k in range(holes.shape[0]):
                    far = math.sqrt((dy - holes[k, 0]) ** 2 + (dx - holes[k, 1]) ** 2)
                    deep = far - holes[k, 2]
                    if deep < 4 * rim:
                        cyto *= 1 - 0.8 / (1 + math.exp(max(-30.0, 3 * deep / rim)))
                        relief -= 0.22 * math.exp(-((deep / rim) ** 2))
                        relief += 0.10 * math.exp(-((far / (0.6 * holes[k, 2])) ** 2))
                if dying > 0:
                    lumps = max(0.0, grain) ** 2
                    cyto *= 1 - 0.7 * dying + 0.9 * dying * lumps
            if -6 * rim < gap < 7 * rim:
                firm = 0.8 - 0.65 * spread + 2.2 * dying
                relief -= firm * 0.26 * math.exp(-((gap / rim) ** 2))
                relief += firm * 0.20 * math.exp(-(((gap + 2.2 * rim) / rim) ** 2))
                relief += firm * 0.09 * math.exp(-(((gap - 2.4 * rim) / (1.4 * rim)) ** 2))
            out[1, i, j] = cyto
            out[2, i, j] = 1.0 if gap <= 0 else math.exp(-gap / (6 * rim))
            out[3, i, j] = relief


@compiled
def add_spots(
    centre: Vector, spots: Vector, light: Stack, relief: Plane, rho: Plane, rim: float
) -> None:
    """Add spots to the light (2, h, w: EGFP, mRFP) and the transmitted relief of a cell.

    Parameters
    ----------
    centre : array (2,)
    spots : array (n, 6)
        y, x, radius (px, from the centre), photons, kind (0 autophagosome: both channels;
        1 autolysosome: mRFP, and the cytoplasm's EGFP goes dark; 2 decoy), form.
    """
    height, width = relief.shape
    for k in range(spots.shape[0]):
        y, x, radius = centre[0] + spots[k, 0], centre[1] + spots[k, 1], spots[k, 2]
        kind, form, photons = int(spots[k, 4]), int(spots[k, 5]), spots[k, 3]
        ring = kind == 2 and form == 0
        reach = int(radius + 3 * rim) + 2
        for i in range(max(0, int(y) - reach), min(height, int(y) + reach + 1)):
            for j in range(max(0, int(x) - reach), min(width, int(x) + reach + 1)):
                if rho[i, j] >= 1:
                    continue
                far = math.sqrt((i - y) ** 2 + (j - x) ** 2)
                disc = min(1.0, max(0.0, radius + 0.5 - far)) * min(1.0, radius + 0.3)
                glow = disc
                if ring:
                    wall = max(0.7, 0.28 * radius)
                    glow = math.exp(-(((far - 0.8 * radius) / wall) ** 2)) * min(1.0, radius + 0.3)
                if kind == 0:
                    light[0, i, j] += 0.85 * photons * glow
                    light[1, i, j] += photons * glow
                elif kind == 1:
                    light[0, i, j] *= 1 - 0.8 * disc
                    light[1, i, j] += photons * glow
                elif ring:
                    light[0, i, j] = light[0, i, j] * (1 - 0.5 * disc) + photons * glow
                    light[1, i, j] = light[1, i, j] * (1 - 0.5 * disc) + 0.8 * photons * glow
                else:
                    light[0, i, j] += photons * glow
                if radius > 2 * rim:
                    relief[i, j] -= 0.12 * math.exp(-(((far - radius) / rim) ** 2))
                    relief[i, j] += 0.05 * disc


@compiled
def _mix(word: np.uint64) -> np.uint64:
    """SplitMix64's finaliser: neighbouring counters become independent words."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@compiled
def _uniform(word: np.uint64) -> float:
    """The upper 53 bits as a number inside 0 to 1."""
    return (float(word >> np.uint64(11)) + 0.5) / 9007199254740992.0


@compiled
def normal_quantile(u: float) -> float:
    """Inverse of the normal distribution (Acklam's rational approximation, error 1e-9)."""
    if u < 0.02425 or u > 0.97575:
        tail = math.sqrt(-2 * math.log(u if u < 0.5 else 1 - u))
        top = (-7.784894002430293e-03 * tail - 3.223964580411365e-01) * tail
        top = ((top - 2.400758277161838) * tail - 2.549732539343734) * tail + 4.374664141464968
        top = top * tail + 2.938163982698783
        low = (7.784695709041462e-03 * tail + 3.224671290700398e-01) * tail
        low = ((low + 2.445134137142996) * tail + 3.754408661907416) * tail + 1.0
        return top / low if u < 0.5 else -top / low
    q = u - 0.5
    r = q * q
    top = (-3.969683028665376e01 * r + 2.209460984245205e02) * r - 2.759285104469687e02
    top = ((top * r + 1.383577518672690e02) * r - 3.066479806614716e01) * r + 2.506628277459239
    low = (-5.447609879822406e01 * r + 1.615858368580409e02) * r - 1.556989798598866e02
    low = ((low * r + 6.680131188771972e01) * r - 1.328068155288572e01) * r + 1.0
    return q * top / low


@compiled
def poisson_quantile(u: float, mean: float) -> float:
    """The photons counted at probability u: exact below a mean of 12, Cornish-Fisher above."""
    if mean <= 0:
        return 0.0
    if mean < 12:
        probability = math.exp(-mean)
        total, count = probability, 0
        while total < u and count < 100:
            count += 1
            probability *= mean / count
            total += probability
        return float(count)
    z = normal_quantile(u)
    root = math.sqrt(mean)
    exact = mean + root * z + (z * z - 1) / 6 + (z - z * z * z) / (72 * root)
    return max(0.0, math.floor(exact + 0.5))


@compiled
def expose(
    photons: Plane, key: np.uint64, origin: Vector, camera: Vector, out: npt.NDArray[np.uint16]
) -> None:
    """Count photons: shot noise, read noise, offset, saturation.

    The noise at a pixel of the field depends on ``key`` and the pixel's place in the field only,
    so any part of a field and any twin see the same noise.

    Parameters
    ----------
    photons : array (h, w)
        Expected photons.
    key : uint64
    origin : array (2,)
        Place of the first pixel in the field.
    camera : array (5,)
        gain (counts per photon), offset, read noise, full scale (counts), noise (0 or 1).
    out : uint16 array (h, w)
    """
    gain, offset, read, full, noisy = camera
    for i in range(photons.shape[0]):
        row = np.uint64(int(origin[0]) + i)
        for j in range(photons.shape[1]):
            counts = float(photons[i, j])
            read_counts = 0.0
            if noisy > 0:
                place = (row << np.uint64(32)) | np.uint64(int(origin[1]) + j)
                word = _mix(key ^ _mix(place + np.uint64(0x9E3779B97F4A7C15)))
                counts = poisson_quantile(_uniform(word), counts)
                if read > 0:
                    again = _mix(word + np.uint64(0x9E3779B97F4A7C15))
                    read_counts = read * normal_quantile(_uniform(again))
            value = math.floor(offset + gain * counts + read_counts + 0.5)
            out[i, j] = np.uint16(min(full, max(0.0, value)))


@compiled
def paint_labels(
    centre: Vector, outline: Vector, label: int, best: Plane, labels: npt.NDArray[np.int32]
) -> None:
    """Give a cell the pixels that are nearer its centre than any other's, in its own measure."""
    bins = outline.shape[1]
    reach = outline[0].max()
    for i in range(
        max(0, int(centre[0] - reach)), min(labels.shape[0], int(centre[0] + reach) + 2)
    ):
        for j in range(
            max(0, int(centre[1] - reach)), min(labels.shape[1], int(centre[1] + reach) + 2)
        ):
            dy, dx = i - centre[0], j - centre[1]
            at = turn_of(dy, dx) * bins
            low = int(at)
            part = at - low
            edge = outline[0, low % bins] * (1 - part) + outline[0, (low + 1) % bins] * part
            rho = math.sqrt(dy * dy + dx * dx) / edge
            if rho < best[i, j]:
                best[i, j] = rho
                labels[i, j] = label
