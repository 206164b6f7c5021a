"""A world for linkers: cells that wander, divide, die, leave and are sometimes missed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial import cKDTree

Edges = set[tuple[str, str]]
SPACING_PX = 55.0
DIVIDING, DYING, MISSING = 0.004, 0.002, 0.005
SETTLING = 20


@dataclass
class Kin:
    """A mother's last detection and those of her daughters that were seen."""

    mother: str
    daughters: list[str] = field(default_factory=list)


@dataclass
class Wanderer:
    """One cell.

    Attributes
    ----------
    yx : float array 2
        Place, px.
    area : float
        Area in px.
    last : str or None
        The last detection of it.
    kin : Kin or None
        Where it comes from a division.
    """

    yx: npt.NDArray[np.float64]
    area: float
    last: str | None = None
    kin: Kin | None = None

    @property
    def radius_px(self) -> float:
        """Of a disc of its area."""
        return float(np.sqrt(self.area / np.pi))


@dataclass
class Movie:
    """Detections and what became of them.

    Attributes
    ----------
    rows : list of dict
        What a run would have measured.
    edges : set of pairs of object_id
        True links, over missed frames too, and from a mother to her daughters.
    divisions : mapping of mother to her two daughters
        Those of which both were seen.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    edges: Edges = field(default_factory=set)
    divisions: dict[str, frozenset[str]] = field(default_factory=dict)

    def table(self) -> pd.DataFrame:
        """The detections in the order in which a run would measure them."""
        return pd.DataFrame(self.rows)


def wandering_cells(cells: int, frames: int, seed: int, step_px: float = 6.0) -> Movie:
    """Cells on a field at a fixed density: about ``cells`` in each of ``frames`` frames."""
    rng = np.random.default_rng(seed)
    side = SPACING_PX * np.sqrt(cells)
    movie = Movie()
    alive = [_cell(rng, rng.uniform(0, side, 2)) for _ in range(cells)]
    for _ in range(SETTLING):
        _push_apart(alive)
    for frame in range(frames):
        order = rng.permutation(len(alive))
        for label, index in enumerate(order, start=1):
            if rng.random() >= MISSING:
                _record(movie, alive[index], _detect(alive[index], frame, label, side, rng))
        alive = _next(alive, step_px, side, rng)
        while len(alive) < cells:
            edge = rng.permutation([rng.uniform(0, side), rng.choice([0.0, side])])
            alive.append(_cell(rng, edge))
        _push_apart(alive)
    return movie


def grade(movie: Movie, edges: Edges) -> tuple[float, float]:
    """F1 of edges, and F1 of whole divisions (a mother with both her daughters)."""
    children: dict[str, set[str]] = {}
    for source, target in edges:
        children.setdefault(source, set()).add(target)
    own = {(mother, frozenset(each)) for mother, each in children.items() if len(each) > 1}
    return _f1(edges, movie.edges), _f1(own, set(movie.divisions.items()))


def _f1(found: set[Any], true: set[Any]) -> float:
    return 2 * len(found & true) / max(len(found) + len(true), 1)


def _cell(rng: np.random.Generator, place: npt.NDArray[np.float64]) -> Wanderer:
    return Wanderer(place, float(rng.lognormal(np.log(700), 0.25)))


def _push_apart(alive: list[Wanderer]) -> None:
    """Move cells that lie on each other half a step away from each other."""
    places = np.array([cell.yx for cell in alive])
    radius = np.array([cell.radius_px for cell in alive])
    pairs = cKDTree(places).query_pairs(2 * radius.max(), output_type="ndarray")
    apart = places[pairs[:, 0]] - places[pairs[:, 1]]
    distance = np.maximum(np.hypot(*apart.T), 1e-3)
    push = np.clip(radius[pairs].sum(axis=1) - distance, 0, None) / distance / 2
    np.add.at(places, pairs[:, 0], push[:, None] * apart)
    np.add.at(places, pairs[:, 1], -push[:, None] * apart)
    for cell, place in zip(alive, places, strict=True):
        cell.yx = place


def _detect(
    cell: Wanderer, frame: int, label: int, side: float, rng: np.random.Generator
) -> dict[str, Any]:
    area = cell.area * rng.lognormal(0, 0.06)
    (y, x), radius = cell.yx, np.sqrt(area / np.pi)
    x0, y0, x1, y1 = np.clip([x - radius, y - radius, x + radius, y + radius], 0, side)
    place = {"centroid_y_px": y, "centroid_x_px": x, "area_px": area}
    box = {"x0_px": x0, "y0_px": y0, "x1_px": x1, "y1_px": y1}
    name = f"movie/t{frame:03d}/cell/{label}"
    return {"object_id": name, "time_index": frame, "label": label} | place | box


def _record(movie: Movie, cell: Wanderer, row: dict[str, Any]) -> None:
    name = str(row["object_id"])
    movie.rows.append(row)
    if cell.last is not None:
        movie.edges.add((cell.last, name))
    elif cell.kin is not None:
        cell.kin.daughters.append(name)
        movie.edges.add((cell.kin.mother, name))
        if len(cell.kin.daughters) == 2:
            movie.divisions[cell.kin.mother] = frozenset(cell.kin.daughters)
    cell.last = name


def _next(
    alive: Iterable[Wanderer], step_px: float, side: float, rng: np.random.Generator
) -> list[Wanderer]:
    following: list[Wanderer] = []
    for cell in alive:
        fate = rng.random()
        moved = cell.yx + rng.standard_t(5, 2) * step_px / np.sqrt(2)
        if not (moved >= 0).all() or not (moved <= side).all() or fate < DYING:
            continue
        if fate < DYING + DIVIDING and cell.last is not None:
            following += _daughters(cell, cell.last, moved, rng)
        else:
            growth = rng.lognormal(0.004, 0.02)
            following.append(replace(cell, yx=moved, area=cell.area * growth))
    return following


def _daughters(
    cell: Wanderer, last: str, place: npt.NDArray[np.float64], rng: np.random.Generator
) -> list[Wanderer]:
    angle, kin = rng.uniform(0, 2 * np.pi), Kin(last)
    apart = cell.radius_px * rng.uniform(0.7, 1.0)
    axis = apart * np.array([np.sin(angle), np.cos(angle)])
    half = cell.area * rng.uniform(0.45, 0.55) * np.array([1, -1]) + [0, cell.area]
    pair = zip((place + axis, place - axis), half, strict=True)
    return [Wanderer(yx, float(area), kin=kin) for yx, area in pair]
