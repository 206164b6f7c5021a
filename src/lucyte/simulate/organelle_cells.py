"""Where the cells of a stack are and what form they have; the same draws for every line."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lucyte.simulate.organelle_kernels import paint_cell
from lucyte.simulate.organelle_settings import OrganelleSettings

Vector = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int32]

BINS = 96
FILLED = 0.8
"""Largest share of the depth of a stack that a cell fills."""


@dataclass(frozen=True)
class CellForm:
    """One cell.

    Attributes
    ----------
    name : int
        In the label image of the canvas.
    body : float array (12,)
        As :mod:`lucyte.simulate.organelle_kernels` says, um on the canvas.
    outline : float array (BINS,)
        Radius by direction, um.
    expression : float array (4,)
        Light of each channel over the usual.
    """

    name: int
    body: Vector
    outline: Vector
    expression: Vector


@dataclass(frozen=True)
class Canvas:
    """The cells of a stack and of a border around it, so that none ends at the stack's edge.

    Attributes
    ----------
    cells : tuple of CellForm
    labels : int32 array Y X
        Canvas, larger than the stack by ``border_px`` on every side.
    border_px : int
    """

    cells: tuple[CellForm, ...]
    labels: Labels
    border_px: int


def lay_cells(settings: OrganelleSettings, rng: np.random.Generator) -> Canvas:
    """Scatter cells that keep their distance, and draw the form of each."""
    px, radius = settings.pixel_size_um, settings.cell_um / 2
    border = math.ceil(1.3 * radius / px)
    side = settings.size_px + 2 * border
    centres = _scatter(side * px, 2 * radius * 0.8 / math.sqrt(settings.density), rng)
    cells = [_form(settings, at, name, rng) for name, at in enumerate(centres, start=1)]
    labels, best = np.zeros((side, side), np.int32), np.ones((1, side, side), np.float32)
    for each in cells:
        paint_cell(each.body, each.outline, each.name, px, best, labels)
    return Canvas(tuple(cells), labels, border)


def depth_um(settings: OrganelleSettings) -> tuple[float, float]:
    """Floor and height of the middle of a cell, um: in the middle of the stack, well inside."""
    whole = settings.planes * settings.z_step_um
    height = min(4.0, FILLED * whole)
    return 0.45 * (whole - height), height


def _scatter(side_um: float, apart_um: float, rng: np.random.Generator) -> Vector:
    """Random places at least so far apart; as many as 4,000 tries give, at least one."""
    tries = rng.uniform(0, side_um, (4000, 2))
    tries[0] = rng.uniform(0.3 * side_um, 0.7 * side_um, 2)
    open_ = np.ones(len(tries), dtype=np.bool_)
    found = []
    for k, at in enumerate(tries):
        if open_[k]:
            found.append(k)
            open_[((tries - at) ** 2).sum(axis=1) < apart_um**2] = False
    return tries[found]


def _form(settings: OrganelleSettings, at: Vector, name: int, rng: np.random.Generator) -> CellForm:
    radius = 0.5 * settings.cell_um * math.exp(0.06 * rng.standard_normal())
    angle = np.linspace(-math.pi, math.pi, BINS, endpoint=False)
    outline = np.ones(BINS)
    for waves, spread in ((2, 0.12), (3, 0.08), (4, 0.06), (6, 0.03)):
        outline += spread * rng.standard_normal() * np.cos(waves * angle + rng.uniform(0, 6.28))
    outline = radius * np.clip(outline, 0.65, 1.45)
    floor, height = depth_um(settings)
    turn = rng.uniform(0, math.pi)
    long = 0.46 * radius * math.exp(0.05 * rng.standard_normal())
    nucleus = at + 0.10 * radius * np.clip(rng.standard_normal(2), -1.5, 1.5)
    body = np.array(
        [
            *at,
            *nucleus,
            long,
            0.82 * long,
            math.cos(turn),
            math.sin(turn),
            height,
            0.35 * height,
            0.36 * height,
            floor,
        ]
    )
    expression = np.exp(settings.cell_sd * rng.standard_normal(4))
    return CellForm(name, body, outline, expression)
