"""The movie of one field: where cells are, how they move, touch, divide, die and leave.

Nothing here knows the condition: positions, outlines and fates are those of the twin, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.simulate.outline import draw_outline
from lucyte.simulate.settings import WorldSettings
from lucyte.simulate.streams import stream
from lucyte.simulate.traits import Traits, draw_traits, inherit

Positions = npt.NDArray[np.float64]
DYING_FRAMES = 2
APART = 0.96
"""Centres keep this fraction of the sum of their radii: cells touch and overlap a little."""


@dataclass(frozen=True)
class Pose:
    """One cell in one frame.

    Attributes
    ----------
    track_id : int
        Counts from 1 in the field; the cell's label in every frame.
    frame : int
        0 for the first frame.
    y_px, x_px : float
        Centre.
    radius_px : float
    rounding : float
        1 in the frame before a division, about 0.5 after it.
    dying : float
        0 alive, 1 in the last frame before it is gone.
    traits : Traits
    key : tuple of int or str
        Identity for random streams.
    """

    track_id: int
    frame: int
    y_px: float
    x_px: float
    radius_px: float
    rounding: float
    dying: float
    traits: Traits
    key: tuple[int | str, ...]

    @cached_property
    def outline(self) -> npt.NDArray[np.float64]:
        """Radius and ruffles by direction; see ``draw_outline``."""
        return draw_outline(self)


@dataclass(frozen=True)
class Life:
    """All cells of one field.

    Attributes
    ----------
    frames : tuple of tuple of Pose
        The cells of each frame in the order of their track numbers.
    tracks : DataFrame
        ``L, B, E, P`` as in the Cell Tracking Challenge (frames from 0), and ``fate``.
    divisions : DataFrame
        ``frame`` (the daughters' first), ``parent_id, child_1, child_2``.
    """

    frames: tuple[tuple[Pose, ...], ...]
    tracks: pd.DataFrame
    divisions: pd.DataFrame


@dataclass
class _Cell:
    number: int
    traits: Traits
    at: Positions
    velocity: Positions
    age: int
    born: bool
    divides_at: int
    dies_at: int


def live(settings: WorldSettings, seed: int, key: tuple[int | str, ...], density: float) -> Life:
    """Simulate the cells of one field.

    Parameters
    ----------
    settings : WorldSettings
    seed : int
    key : tuple of int or str
        Identity of the field.
    density : float
        Multiplies the expected number of cells.
    """
    layout, cell = settings.layout, settings.cell
    rng = stream(seed, "life", *key)
    size = float(layout.size_px)
    expected = layout.cells * density * (1 + cell.cell_px / size) ** 2
    number = max(1, round(expected * rng.normal(1, 0.08)))
    starts = _clustered(rng, number, size, cell.cell_px)
    cells = [_newborn(settings, seed, key, index, at, rng, 0) for index, at in enumerate(starts)]
    count = len(cells)
    frames: list[list[Pose]] = []
    tracks: dict[int, int] = {}
    parents: dict[int, int] = {}
    divisions: list[tuple[int, int, int, int]] = []
    for frame in range(layout.frames):
        _move(cells, rng if frame else None, cell.step * cell.cell_px, frame, size)
        cells = [
            each
            for each in cells
            if (each.number not in tracks or _inside(each.at, size))
            and frame < each.dies_at + DYING_FRAMES
        ]
        shown = [each for each in cells if _inside(each.at, size)]
        for each in shown:
            tracks.setdefault(each.number, len(tracks) + 1)
        last = frame + 1 == layout.frames
        mothers = [] if last else _mothers(shown, frame, size, 0.4 * cell.cell_px)
        frames.append(
            [_pose(e, frame, tracks[e.number], key, any(e is m for m in mothers)) for e in shown]
        )
        for mother in mothers:
            axis = rng.uniform(0, np.pi)
            step = 0.62 * mother.traits.radius_px * np.array([np.sin(axis), np.cos(axis)])
            for child_number, sign in ((count, -1), (count + 1, 1)):
                child = _newborn(settings, seed, key, child_number, mother.at, rng, frame + 1)
                child.traits = inherit(mother.traits, child.traits)
                child.at, child.velocity = mother.at + sign * step, sign * 0.2 * step
                child.age, child.born = -1, True
                parents[child_number] = mother.number
                cells.append(child)
            divisions.append((frame + 1, mother.number, count, count + 1))
            count += 2
        cells = [each for each in cells if not any(each is mother for mother in mothers)]
    return _tables(frames, tracks, parents, divisions)


def _move(
    cells: list[_Cell], rng: np.random.Generator | None, step_px: float, frame: int, size: float
) -> None:
    """One persistent random step each (none without ``rng``), then part those that overlap."""
    if rng is not None:
        for each in cells:
            each.velocity = 0.5 * each.velocity + rng.normal(0, step_px, 2)
            each.at = each.at + each.velocity * (0.3 if each.dies_at <= frame else 1.0)
            each.age += 1
    _part(cells, 12 if rng is None else 5)
    for each in cells:
        if each.born and each.age == 0:
            each.at = np.clip(each.at, 1.0, size - 2.0)


def _mothers(shown: list[_Cell], frame: int, size: float, margin: float) -> list[_Cell]:
    """Who divides after this frame: not at the border, not dying."""
    return [
        each
        for each in shown
        if each.divides_at == frame and each.dies_at > frame + 1 and _inside(each.at, size, margin)
    ]


def _newborn(
    settings: WorldSettings,
    seed: int,
    key: tuple[int | str, ...],
    number: int,
    at: Positions,
    rng: np.random.Generator,
    frame: int,
) -> _Cell:
    cell = settings.cell
    waits = rng.geometric(np.maximum([cell.division_rate, cell.death_rate], 1e-9)) - 1
    rates = (cell.division_rate, cell.death_rate)
    divides, dies = (
        frame + int(wait) if rate > 0 else 10**6 for wait, rate in zip(waits, rates, strict=True)
    )
    return _Cell(
        number=number,
        traits=draw_traits(cell, seed, *key, number),
        at=np.asarray(at, dtype=np.float64),
        velocity=np.zeros(2),
        age=100 if frame == 0 else 0,
        born=False,
        divides_at=divides + (2 if frame else 0),
        dies_at=dies + (1 if frame else 0),
    )


def _clustered(rng: np.random.Generator, number: int, size: float, cell_px: float) -> Positions:
    """More than half the cells anywhere, the rest beside one of those: fields are clumpy."""
    low, high = -0.5 * cell_px, size + 0.5 * cell_px
    at = rng.uniform(low, high, (number, 2))
    free = max(1, round(0.55 * number))
    near = at[rng.integers(0, free, number - free)] + rng.normal(0, cell_px, (number - free, 2))
    mirrored = np.where(near < low, 2 * low - near, np.where(near > high, 2 * high - near, near))
    at[free:] = np.clip(mirrored, low, high)
    return at


def _part(cells: list[_Cell], rounds: int) -> None:
    """Push cells apart until they touch and overlap a little; in place, in a fixed order."""
    from scipy.spatial import cKDTree

    if len(cells) < 2:
        return
    at = np.array([each.at for each in cells])
    radii = np.array([each.traits.radius_px for each in cells])
    for _ in range(rounds):
        pairs = cKDTree(at).query_pairs(1.7 * float(radii.max()), output_type="ndarray")
        pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
        first, second = pairs[:, 0], pairs[:, 1]
        away = at[second] - at[first]
        distance = np.maximum(np.hypot(away[:, 0], away[:, 1]), 1e-6)
        overlap = np.maximum(APART * (radii[first] + radii[second]) - distance, 0)
        push = 0.4 * (overlap / distance)[:, None] * away
        np.add.at(at, first, -push)
        np.add.at(at, second, push)
    for each, new in zip(cells, at, strict=True):
        each.at = new


def _inside(at: Positions, size: float, margin: float = 0.0) -> bool:
    return bool(np.all(at >= margin) and np.all(at < size - margin))


def _pose(
    cell: _Cell, frame: int, track_id: int, key: tuple[int | str, ...], divides: bool
) -> Pose:
    """The cell as it looks: rounded before and after a division, shrunk when dying."""
    dying = float(np.clip((frame - cell.dies_at + 1) / DYING_FRAMES, 0, 1))
    rounding = 1.0 if divides else (0.6 if cell.born and cell.age == 0 else 0.0)
    young = 1.0 + 0.06 * min(cell.age, 4) if cell.born else 1.0
    radius = cell.traits.radius_px * young * (1 - 0.18 * rounding) * (1 - 0.35 * dying)
    return Pose(
        track_id=track_id,
        frame=frame,
        y_px=float(cell.at[0]),
        x_px=float(cell.at[1]),
        radius_px=float(radius),
        rounding=max(rounding, dying),
        dying=dying,
        traits=cell.traits,
        key=(*key, cell.number),
    )


def _tables(
    frames: list[list[Pose]],
    tracks: dict[int, int],
    parents: dict[int, int],
    divisions: list[tuple[int, int, int, int]],
) -> Life:
    seen: dict[int, list[int]] = {number: [] for number in tracks.values()}
    dying: dict[int, float] = {}
    for poses in frames:
        for pose in poses:
            seen[pose.track_id].append(pose.frame)
            dying[pose.track_id] = pose.dying
    mothers = {tracks[mother] for _, mother, _, _ in divisions}
    last = len(frames) - 1
    rows = []
    for number, track_id in sorted(tracks.items(), key=lambda item: item[1]):
        end = seen[track_id][-1]
        fate = "divides" if track_id in mothers else "ends" if end == last else "leaves"
        fate = "dies" if dying[track_id] == 1.0 else fate
        mother = parents.get(number)
        rows.append(
            (track_id, seen[track_id][0], end, 0 if mother is None else tracks[mother], fate)
        )
    split = [(t, tracks[m], tracks[a], tracks[b]) for t, m, a, b in divisions]
    return Life(
        frames=tuple(tuple(sorted(poses, key=lambda pose: pose.track_id)) for poses in frames),
        tracks=pd.DataFrame(rows, columns=["L", "B", "E", "P", "fate"]),
        divisions=pd.DataFrame(split, columns=["frame", "parent_id", "child_1", "child_2"]),
    )
