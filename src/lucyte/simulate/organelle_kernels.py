"""Inner loops of world ``organelles``, compiled: growth inside a cell, light on voxels, blur.

Lengths are um on the canvas; a point is (z, y, x). ``cell`` is a vector: centre y, x; nucleus
y, x, long and short radius, cosine and sine of its angle; height above the floor of the middle of
the cell, thickness of its edge, half the height of the nucleus, floor.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.simulate.compiled import compiled

Volume = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]
Points = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int32]

CLEAR_UM = 0.25
"""Organelles keep this far from nucleus and membrane."""


@compiled
def outline_at(outline: Vector, dy: float, dx: float) -> float:
    """Radius of a star-shaped outline in the direction (dy, dx), um."""
    n = len(outline)
    at = (math.atan2(dy, dx) / (2 * math.pi) + 0.5) * n
    low = int(at)
    part = at - low
    return float(outline[low % n] * (1 - part) + outline[(low + 1) % n] * part)


@compiled
def paint_cell(
    cell: Vector, outline: Vector, name: int, px: float, best: Volume, labels: Labels
) -> None:
    """Give a cell the px that are nearer its centre than any other's, in its own measure.

    ``best`` (1, Y, X) holds the relative distance so far, 1 where no cell is.
    """
    reach = outline.max()
    y0, y1 = max(0, int((cell[0] - reach) / px)), int((cell[0] + reach) / px) + 2
    x0, x1 = max(0, int((cell[1] - reach) / px)), int((cell[1] + reach) / px) + 2
    for i in range(y0, min(labels.shape[0], y1)):
        for j in range(x0, min(labels.shape[1], x1)):
            dy, dx = (i + 0.5) * px - cell[0], (j + 0.5) * px - cell[1]
            rho = math.sqrt(dy * dy + dx * dx) / outline_at(outline, dy, dx)
            if rho < best[0, i, j]:
                best[0, i, j] = rho
                labels[i, j] = name


@compiled
def nuclear(cell: Vector, z: float, y: float, x: float, wider: float) -> float:
    """Squared relative distance from the nucleus' centre; below 1 inside."""
    dy, dx = y - cell[2], x - cell[3]
    u = (cell[6] * dy + cell[7] * dx) / (cell[4] + wider)
    v = (cell[6] * dx - cell[7] * dy) / (cell[5] + wider)
    w = (z - cell[11] - cell[10]) / (cell[10] + wider)
    return float(u * u + v * v + w * w)


@compiled
def roof(cell: Vector, outline: Vector, y: float, x: float) -> float:
    """Height of the cell's upper side above the floor at a place; below 0 outside, um."""
    dy, dx = y - cell[0], x - cell[1]
    edge = outline_at(outline, dy, dx)
    rho = math.sqrt(dy * dy + dx * dx) / edge
    return float(cell[9] + (cell[8] - cell[9]) * (1 - rho * rho)) if rho < 1 else -1.0


@compiled
def in_cytoplasm(
    cell: Vector, outline: Vector, labels: Labels, name: int, px: float, p: Vector
) -> bool:
    """Whether a point lies in the cell, off its membrane, outside the nucleus."""
    i, j = int(p[1] / px), int(p[2] / px)
    if i < 0 or j < 0 or i >= labels.shape[0] or j >= labels.shape[1] or labels[i, j] != name:
        return False
    above = p[0] - cell[11]
    if above < CLEAR_UM or above > roof(cell, outline, p[1], p[2]) - CLEAR_UM:
        return False
    return bool(nuclear(cell, p[0], p[1], p[2], CLEAR_UM) > 1)


@compiled
def place(rng: Any, cell: Vector, outline: Vector, part: float, angle: float, p: Vector) -> None:
    """A point ``part`` of the way from the nucleus' rim (0) to the cell's edge (1); sets ``p``."""
    dy, dx = math.sin(angle), math.cos(angle)
    u = (cell[6] * dy + cell[7] * dx) / cell[4]
    v = (cell[6] * dx - cell[7] * dy) / cell[5]
    near = 1 / math.sqrt(u * u + v * v)
    # The nucleus sits near the middle, so its own rim and the outline are measured from it.
    far = near
    while far < 3 * outline[0] + 50:
        y, x = cell[2] + far * dy - cell[0], cell[3] + far * dx - cell[1]
        if y * y + x * x > outline_at(outline, y, x) ** 2:
            break
        far += 0.1
    r = near + part * (far - near)
    p[1], p[2] = cell[2] + r * dy, cell[3] + r * dx
    top = roof(cell, outline, p[1], p[2]) - CLEAR_UM
    p[0] = cell[11] + CLEAR_UM + rng.random() * max(0.0, top - CLEAR_UM)


@compiled
def grow_tubes(
    rng: Any,
    cell: Vector,
    outline: Vector,
    labels: Labels,
    name: int,
    px: float,
    form: Vector,
    out: Points,
    owner: Labels,
) -> int:
    """Fill ``out`` with points of branched tubes and ``owner`` with their number; how many tubes.

    Parameters
    ----------
    form : array (3,)
        step, mean length of a tube with its branches, branches per um.
    out : array (n, 3)
        n steps in all: the same total length whatever the form.
    """
    step, mean, rate = form
    n, tube, tries = 0, 0, 0
    p, q = np.empty(3), np.empty(3)
    tips = np.empty((64, 6))
    while n < len(out) and tries < 100000:
        tries += 1
        place(rng, cell, outline, 0.02 + 0.9 * rng.random() ** 1.3, 2 * math.pi * rng.random(), p)
        if not in_cytoplasm(cell, outline, labels, name, px, p):
            continue
        left = mean * math.exp(0.35 * rng.standard_normal() - 0.06)
        angle = 2 * math.pi * rng.random()
        tips[0] = (p[0], p[1], p[2], angle, 0.25 * rng.standard_normal(), left)
        waiting, grown = 1, 0
        while waiting > 0 and n < len(out):
            waiting -= 1
            z, y, x, angle, tilt, left = tips[waiting]
            while left > 0 and n < len(out):
                found = False
                for again in range(16):
                    wide = 0.16 + 0.2 * again
                    a = angle + wide * rng.standard_normal()
                    t = 0.9 * tilt + (0.1 + 0.05 * again) * rng.standard_normal()
                    q[0] = z + step * math.sin(t)
                    q[1] = y + step * math.cos(t) * math.sin(a)
                    q[2] = x + step * math.cos(t) * math.cos(a)
                    if in_cytoplasm(cell, outline, labels, name, px, q):
                        found = True
                        break
                if not found:
                    break
                z, y, x, angle, tilt = q[0], q[1], q[2], a, t
                out[n] = q
                owner[n] = tube
                n += 1
                grown += 1
                left -= step
                if waiting < 63 and rate > 0 and rng.random() < rate * step and left > 4 * step:
                    side = 1.0 if rng.random() < 0.5 else -1.0
                    turn = side * (0.7 + 0.5 * rng.random())
                    tips[waiting] = (z, y, x, angle + turn, tilt, 0.5 * left)
                    waiting += 1
                    left *= 0.5
        tube += grown > 0
    return tube


@compiled
def touches(points: Points, p: Vector, reach: float) -> bool:
    """Whether any of the points lies within ``reach`` um of ``p``."""
    limit = reach * reach
    for i in range(len(points)):
        dy = points[i, 1] - p[1]
        if dy > reach or dy < -reach:
            continue
        dz, dx = points[i, 0] - p[0], points[i, 2] - p[2]
        if dz * dz + dy * dy + dx * dx <= limit:
            return True
    return False


@compiled
def place_vesicles(
    rng: Any,
    cell: Vector,
    outline: Vector,
    labels: Labels,
    name: int,
    px: float,
    parts: Vector,
    wanted: npt.NDArray[np.bool_],
    tubes: Points,
    reach: float,
    out: Points,
) -> int:
    """Place vesicles at given relative distances so that those ``wanted`` touch a tube.

    The distance is kept and the direction searched, so that contacts do not move the vesicles
    nearer to or farther from the nucleus.

    Returns
    -------
    int
        How many touch.
    """
    p = np.empty(3)
    touching = 0
    for k in range(len(parts)):
        best = 0
        for _ in range(200):
            place(rng, cell, outline, parts[k], 2 * math.pi * rng.random(), p)
            if not in_cytoplasm(cell, outline, labels, name, px, p):
                continue
            match = touches(tubes, p, reach) == wanted[k]
            if match or best == 0:
                out[k] = p
                best = 1
            if match:
                best = 2
                break
        if best == 0:
            out[k] = p
        touching += touches(tubes, out[k], reach)
    return touching


@compiled
def place_tubules(
    rng: Any,
    cell: Vector,
    outline: Vector,
    labels: Labels,
    name: int,
    px: float,
    middle: Vector,
    spread: float,
    out: Points,
) -> None:
    """Short straight tubules around a point; ``out`` (tubules times points, points rise along)."""
    at, way = np.empty(3), np.empty(3)
    flat = (0.35, 1.0, 1.0)
    for k in range(out.shape[0]):
        for again in range(60):
            wide = spread * (1 - again / 80)
            for axis in range(3):
                at[axis] = middle[axis] + wide * flat[axis] * rng.standard_normal()
            if in_cytoplasm(cell, outline, labels, name, px, at):
                break
        for axis in range(3):
            way[axis] = flat[axis] * rng.standard_normal()
        whole = math.sqrt((way * way).sum())
        length = 0.7 * math.exp(0.4 * rng.standard_normal())
        for m in range(out.shape[1]):
            part = m / (out.shape[1] - 1) - 0.5
            for axis in range(3):
                out[k, m, axis] = at[axis] + part * length * way[axis] / whole


@compiled
def count_photons(
    rng: Any, light: Volume, background: float, offset: float, read: float, out: Any
) -> None:
    """Shot and read noise in one draw: ``(sqrt(m + r^2 - 1/4) + z / 2)^2 - r^2``.

    Its mean is the light ``m`` and its variance ``m + r^2 - 1/8``; from some four photons on it
    is close to a Poisson count with read noise ``r`` (the square root makes shot noise even).
    """
    for k in range(light.shape[0]):
        for i in range(light.shape[1]):
            for j in range(light.shape[2]):
                root = math.sqrt(max(0.0, light[k, i, j] + background + read * read - 0.25))
                shot = root + 0.5 * rng.standard_normal()
                value = math.floor(offset + shot * shot - read * read + 0.5)
                out[k, i, j] = np.uint16(min(65535.0, max(0.0, value)))


@compiled
def deposit(points: Points, light: Vector, origin: Vector, size: Vector, out: Volume) -> None:
    """Share the light of points among the eight nearest voxels; what falls outside is lost."""
    planes, height, width = out.shape
    for k in range(len(points)):
        z = (points[k, 0] - origin[0]) / size[0] - 0.5
        y = (points[k, 1] - origin[1]) / size[1] - 0.5
        x = (points[k, 2] - origin[2]) / size[2] - 0.5
        zi, yi, xi = math.floor(z), math.floor(y), math.floor(x)
        for a in range(2):
            for b in range(2):
                for c in range(2):
                    i, j, m = int(zi) + a, int(yi) + b, int(xi) + c
                    if i < 0 or j < 0 or m < 0 or i >= planes or j >= height or m >= width:
                        continue
                    wz = z - zi if a else 1 - z + zi
                    wy = y - yi if b else 1 - y + yi
                    wx = x - xi if c else 1 - x + xi
                    out[i, j, m] += light[k] * wz * wy * wx


@compiled
def fill_cell(
    cell: Vector,
    outline: Vector,
    labels: Labels,
    name: int,
    corner: Vector,
    size: Vector,
    light: Vector,
    tile: Volume,
    out: Volume,
) -> None:
    """Add even light of the cytoplasm to every organelle channel and grainy light of the nucleus.

    Parameters
    ----------
    corner : array (2,)
        Row and column of the canvas where ``out`` begins, px.
    light : array (C,)
        Photons per voxel in the cell's body; the last channel's in its nucleus.
    tile : array (1, 256, 256)
        Grain of unit variance that repeats.
    out : array (C, Z, Y, X)
    """
    channels, planes, height, width = out.shape
    reach = outline.max()
    top, left = int(corner[0]), int(corner[1])
    y0 = max(0, int((cell[0] - reach) / size[1]) - top)
    y1 = min(height, int((cell[0] + reach) / size[1]) + 2 - top)
    x0 = max(0, int((cell[1] - reach) / size[2]) - left)
    x1 = min(width, int((cell[1] + reach) / size[2]) + 2 - left)
    for i in range(y0, y1):
        for j in range(x0, x1):
            if labels[i + top, j + left] != name:
                continue
            y, x = (i + top + 0.5) * size[1], (j + left + 0.5) * size[2]
            high = roof(cell, outline, y, x) + cell[11]
            for k in range(planes):
                z = (k + 0.5) * size[0]
                if z < cell[11] or z > high:
                    continue
                q = nuclear(cell, z, y, x, 0.0)
                if q >= 1:
                    for c in range(channels - 1):
                        out[c, k, i, j] += light[c]
                else:
                    for c in range(channels - 1):
                        out[c, k, i, j] += 0.4 * light[c]
                    grain = tile[0, (i + top + 3 * k) % 256, (j + left + k) % 256]
                    out[channels - 1, k, i, j] += light[channels - 1] * max(0.1, 1 + 0.25 * grain)


@compiled
def blur_lines(taps: Volume, volume: Volume, out: Volume, axis: int) -> None:
    """Weighted sum along an axis with symmetric taps (the first is the middle); zero outside."""
    planes, height, width = volume.shape
    n = len(taps)
    for k in range(planes):
        for i in range(height):
            for j in range(width):
                out[k, i, j] = taps[0] * volume[k, i, j]
            for t in range(1, n):
                w = taps[t]
                if axis == 2:
                    for j in range(t, width):
                        out[k, i, j] += w * volume[k, i, j - t]
                    for j in range(width - t):
                        out[k, i, j] += w * volume[k, i, j + t]
                elif axis == 1:
                    if i >= t:
                        for j in range(width):
                            out[k, i, j] += w * volume[k, i - t, j]
                    if i + t < height:
                        for j in range(width):
                            out[k, i, j] += w * volume[k, i + t, j]
                else:
                    if k >= t:
                        for j in range(width):
                            out[k, i, j] += w * volume[k - t, i, j]
                    if k + t < planes:
                        for j in range(width):
                            out[k, i, j] += w * volume[k + t, i, j]
