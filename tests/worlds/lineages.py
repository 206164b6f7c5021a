"""Small movies with one difficulty each, and the lineage that is right.

Every world has a quiet crowd, so that what is usual in the movie can be learned from it, and a few
actors. Cells are discs; ``name`` of a detection is the cell's own, so that the truth can be read
off: ``edges`` are pairs of ``(cell, time)``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd

SHAPE = (400, 500)
Node = tuple[str, int]


@dataclass
class World:
    """Discs over time.

    Attributes
    ----------
    places : dict
        ``(cell, time)`` to ``(y, x, area)`` in px.
    kin : dict
        Daughter cell to mother cell.
    """

    places: dict[Node, tuple[float, float, float]] = field(default_factory=dict)
    kin: dict[str, str] = field(default_factory=dict)

    def put(self, cell: str, time: int, y: float, x: float, area: float = 700.0) -> None:
        """One disc."""
        self.places[cell, time] = (float(y), float(x), float(area))

    def remove(self, cell: str, *times: int) -> None:
        """What was not found."""
        for time in times:
            del self.places[cell, time]

    def edges(self) -> set[tuple[Node, Node]]:
        """The right lineage."""
        by_cell: dict[str, list[int]] = {}
        for cell, time in self.places:
            by_cell.setdefault(cell, []).append(time)
        edges = set()
        for cell, times in by_cell.items():
            times.sort()
            edges |= {((cell, a), (cell, b)) for a, b in pairwise(times)}
            if cell in self.kin:
                mother = self.kin[cell]
                edges.add(((mother, max(by_cell[mother])), (cell, times[0])))
        return edges

    def table(self, seed: int = 0) -> pd.DataFrame:
        """Objects as a run would measure them, labels drawn anew in every frame."""
        rng = np.random.default_rng(seed)
        rows = []
        for time in sorted({time for _, time in self.places}):
            cells = sorted(cell for cell, at in self.places if at == time)
            labels = rng.permutation(len(cells)) + 1
            for cell, label in zip(cells, labels.tolist(), strict=True):
                rows.append(self._row(cell, time, label))
        return pd.DataFrame(rows)

    def _row(self, cell: str, time: int, label: int) -> dict[str, object]:
        y, x, area = self.places[cell, time]
        radius = np.sqrt(area / np.pi)
        height, width = SHAPE
        return {
            "object_id": f"{cell}@{time}",
            "time_index": time,
            "label": label,
            "centroid_y_px": y,
            "centroid_x_px": x,
            "area_px": area,
            "x0_px": max(x - radius, 0),
            "y0_px": max(y - radius, 0),
            "x1_px": min(x + radius, width),
            "y1_px": min(y + radius, height),
        }

    def positions(self, time: int) -> dict[str, np.ndarray]:
        """Centres at one time."""
        return {c: np.array(p[:2]) for (c, t), p in self.places.items() if t == time}

    def nearest(self, cell: str, time: int, later: int) -> str:
        """Who is nearest in another frame to where the cell is now."""
        here = self.positions(time)[cell]
        there = self.positions(later)
        return min(sorted(there), key=lambda name: float(np.hypot(*(there[name] - here))))


def crowd(frames: int = 12, seed: int = 1, sigma: float = 1.5) -> World:
    """Twelve quiet cells on the left, at irregular places."""
    rng = np.random.default_rng(seed)
    world = World()
    for row in range(4):
        for column in range(3):
            yx = np.array([60.0 + 90 * row, 50.0 + 75 * column]) + rng.uniform(-12, 12, 2)
            size = rng.uniform(600, 800)
            for time in range(frames):
                yx = yx + rng.normal(0, sigma, 2)
                world.put(f"quiet{row}{column}", time, *yx, size * rng.lognormal(0, 0.02))
    return world


def crossover() -> World:
    """A small and a large cell walk past each other; midway each stands next to the other's."""
    world = crowd()
    for time in range(12):
        world.put("small", time, 200, 300 + 8 * time, 300)
        world.put("large", time, 206, 392 - 8 * time, 1200)
    return world


def division() -> World:
    """A cell of 1200 px becomes two of 600."""
    world = crowd()
    for time in range(6):
        world.put("mother", time, 200, 380, 1200)
    for time in range(6, 12):
        world.put("one", time, 200, 380 - 16 - time, 600)
        world.put("two", time, 200, 380 + 16 + time, 600)
    world.kin = {"one": "mother", "two": "mother"}
    return world


def division_late_daughter() -> World:
    """The second daughter is found one frame after the first."""
    world = division()
    world.remove("two", 6)
    return world


def visitor() -> World:
    """A cell of ordinary size enters beside another: no division, though two are where one was."""
    world = crowd()
    for time in range(12):
        world.put("resident", time, 200, 440, 700)
        if time >= 6:
            world.put("visitor", time, 200, 484, 690)
    return world


def gap() -> World:
    """A cell is missed in one frame."""
    world = crowd()
    for time in range(12):
        world.put("missed", time, 200, 380, 700)
    world.remove("missed", 5)
    return world


def drift(step: float = 50.0) -> World:
    """The field moves by more than a cell from frame to frame."""
    world = crowd(frames=5)
    for (cell, time), (y, x, area) in list(world.places.items()):
        world.put(cell, time, y, x + step * time, area)
    return world


def stage_jump() -> World:
    """The field jumps once, far."""
    world = crowd()
    for (cell, time), (y, x, area) in list(world.places.items()):
        if time >= 6:
            world.put(cell, time, y + 20, x + 190, area)
    return world


def border_leave() -> World:
    """One cell walks out of the image, another is lost in the middle."""
    world = crowd()
    for time in range(6):
        world.put("leaver", time, 200, 440 + 9 * time, 700)
        world.put("lost", time, 300, 370, 700)
    return world


def empty_frame() -> World:
    """Nothing at all was found at time 5."""
    world = crowd()
    for cell, time in list(world.places):
        if time == 5:
            world.remove(cell, time)
    return world


def long_pause() -> World:
    """The microscope stopped for four frames; cells moved on meanwhile."""
    world = crowd(frames=14, sigma=3.0)
    for cell, time in list(world.places):
        if 5 <= time < 9:
            world.remove(cell, time)
    return world


def one_pixel() -> World:
    """Objects of a single pixel."""
    world = crowd()
    for time in range(12):
        world.put("dot", time, 200, 380 + time, 1)
        world.put("other", time, 230, 380 - time, 1)
    return world


WORLDS = {
    world.__name__: world
    for world in (
        crowd,
        crossover,
        division,
        division_late_daughter,
        visitor,
        gap,
        drift,
        stage_jump,
        border_leave,
        empty_frame,
        long_pause,
        one_pixel,
    )
}
