"""What grows in a cell: mitochondria, early endosomes and the recycling compartment, as points."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lucyte.simulate.organelle_cells import CellForm
from lucyte.simulate.organelle_design import Levels
from lucyte.simulate.organelle_kernels import grow_tubes, place, place_tubules, place_vesicles
from lucyte.simulate.organelle_settings import OrganelleSettings

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int32]

STEP_UM = 0.1
POINTS_PER_VESICLE = 48
POINTS_PER_TUBULE = 10
TUBULES_PER_UM2 = 0.22


@dataclass(frozen=True)
class Grown:
    """Organelles of one cell.

    Attributes
    ----------
    light : tuple of (points N 3, weight N)
        Per organelle channel: places (z, y, x, um) that shine, weights that add up to 1.
    truth : dict
        ``mitochondria_count``, ``mitochondria_length_um`` (mean per mitochondrion),
        ``endosomes_count``, ``endosomes_part`` (median relative distance, 0 nucleus to 1 edge),
        ``endosomes_touching`` (share that touches mitochondria), ``recycling_spread_um``.
    """

    light: tuple[tuple[Floats, Floats], ...]
    truth: dict[str, float]


def grow(
    settings: OrganelleSettings,
    levels: Levels,
    cell: CellForm,
    labels: Labels,
    purpose: Callable[[str], np.random.Generator],
) -> Grown:
    """Grow the organelles of one cell.

    Amounts (length of mitochondria, number and size of endosomes and tubules) are drawn without
    looking at the levels; the levels decide form and place alone. Each organelle has random numbers
    of its own (``purpose``), so that a level moves nothing but what it decides.
    """
    area = math.pi * float((cell.outline**2).mean())
    tubes, tube_truth = _mitochondria(settings, levels, cell, labels, purpose("m"), area)
    free = purpose("e")
    vesicles, vesicle_truth = _endosomes(settings, levels, cell, labels, free, area, tubes)
    tubules, spread = _recycling(settings, levels, cell, labels, purpose("r"), area)
    light = (
        (tubes, np.full(len(tubes), 1 / max(1, len(tubes)))),
        vesicles,
        (tubules, np.full(len(tubules), 1 / max(1, len(tubules)))),
    )
    return Grown(light, {**tube_truth, **vesicle_truth, "recycling_spread_um": spread})


def between(ends: tuple[float, float], level: float) -> float:
    """Geometric way from one number to another."""
    return math.exp((1 - level) * math.log(ends[0]) + level * math.log(ends[1]))


def _mitochondria(
    s: OrganelleSettings,
    levels: Levels,
    cell: CellForm,
    labels: Labels,
    rng: np.random.Generator,
    area: float,
) -> tuple[Floats, dict[str, float]]:
    level = levels.mitochondria
    rate = s.branches_per_um[0] + level * (s.branches_per_um[1] - s.branches_per_um[0])
    form = np.array([STEP_UM, between(s.fragment_um, level), rate])
    n = max(1, round(s.mitochondria_um * area / STEP_UM * math.exp(0.1 * rng.standard_normal())))
    points, owner = np.full((n, 3), -1e3), np.full(n, -1, np.int32)
    tubes = grow_tubes(
        rng, cell.body, cell.outline, labels, cell.name, s.pixel_size_um, form, points, owner
    )
    grown = points[owner >= 0]
    length = len(grown) * STEP_UM / max(1, tubes)
    return grown, {"mitochondria_count": float(tubes), "mitochondria_length_um": length}


def _endosomes(
    s: OrganelleSettings,
    levels: Levels,
    cell: CellForm,
    labels: Labels,
    rng: np.random.Generator,
    area: float,
    tubes: Floats,
) -> tuple[tuple[Floats, Floats], dict[str, float]]:
    n = max(1, int(rng.poisson(s.endosomes * area)))
    level = levels.early_endosomes
    a, b = s.endosomes_near
    low, high = between((a, b), level), between((b, a), level)
    parts = 0.03 + 0.9 * rng.beta(low, high, n)
    share = s.contact_share[0] + levels.contacts * (s.contact_share[1] - s.contact_share[0])
    centres = np.empty((n, 3))
    touching = place_vesicles(
        rng,
        cell.body,
        cell.outline,
        labels,
        cell.name,
        s.pixel_size_um,
        parts,
        rng.random(n) < share,
        tubes,
        s.contact_um,
        centres,
    )
    radius = s.endosome_um * np.exp(0.25 * rng.standard_normal(n))
    ball = rng.standard_normal((n, POINTS_PER_VESICLE, 3))
    ball /= np.linalg.norm(ball, axis=2, keepdims=True)
    ball *= rng.random((n, POINTS_PER_VESICLE, 1)) ** (1 / 3)
    points = (centres[:, None] + ball * radius[:, None, None]).reshape(-1, 3)
    weight = np.repeat(radius**2 / (radius**2).sum() / POINTS_PER_VESICLE, POINTS_PER_VESICLE)
    truth = {
        "endosomes_count": float(n),
        "endosomes_part": float(np.median(parts)),
        "endosomes_touching": touching / n,
    }
    return (points, weight), truth


def _recycling(
    s: OrganelleSettings,
    levels: Levels,
    cell: CellForm,
    labels: Labels,
    rng: np.random.Generator,
    area: float,
) -> tuple[Floats, float]:
    n = max(1, int(rng.poisson(TUBULES_PER_UM2 * area)))
    spread = between(s.recycling_um, levels.recycling)
    middle = np.empty(3)
    place(rng, cell.body, cell.outline, 0.3, 2 * math.pi * rng.random(), middle)
    tubules = np.empty((n, POINTS_PER_TUBULE, 3))
    place_tubules(
        rng,
        cell.body,
        cell.outline,
        labels,
        cell.name,
        s.pixel_size_um,
        middle,
        spread,
        tubules,
    )
    return tubules.reshape(-1, 3), spread
