"""The life of one field of world ``lineage``: who is where, who comes from whom.

Nothing here knows the condition or the state: places, sizes and fates are those of any well.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lucyte.simulate.lineage_settings import LineageSettings
from lucyte.simulate.streams import stream

Place = npt.NDArray[np.float64]
APART = 0.95
"""Centres keep this fraction of the sum of their radii."""


@dataclass(frozen=True)
class LineagePose:
    """One cell in one frame.

    Attributes
    ----------
    number : int
        Counts from 0 in the field, those never seen included.
    frame : int
    y_px, x_px : float
        Centre in the image (the stage's offset taken off).
    mass : float
        What its light is proportional to; area in px of the cell at rest.
    rounding, dying : float
        0 at rest, 1 fully.
    turn : float
        Direction of its long axis, rad.
    """

    number: int
    frame: int
    y_px: float
    x_px: float
    mass: float
    rounding: float
    dying: float
    turn: float


@dataclass
class Body:
    """A cell while the film runs.

    Attributes
    ----------
    number, mother : int
        ``mother`` is -1 for none.
    at, velocity : array 2
        y, x in px on the specimen.
    mass : float
    birth_h, divides_h, dies_h : float
        Times; a founder's birth lies before the film.
    growth : float
        Of mass, per hour.
    seen : list of int
        Frames in which it was imaged.
    fate : str
    end_h : float
        When it divided, was gone or left; nan while it lives.
    """

    number: int
    mother: int
    at: Place
    velocity: Place
    mass: float
    birth_h: float
    divides_h: float
    dies_h: float
    growth: float
    turn: float
    seen: list[int] = field(default_factory=list)
    fate: str = "ends"
    end_h: float = np.nan

    @property
    def radius_px(self) -> float:
        """Of a disc of its mass."""
        return float(np.sqrt(self.mass / np.pi))


@dataclass(frozen=True)
class LineageLife:
    """All cells of one field.

    Attributes
    ----------
    bodies : tuple of Body
        By number, mothers before daughters.
    poses : mapping of frame to tuple of LineagePose
        Cells whose centre is in view, in frames that were taken.
    offsets : array (frames, 2)
        Where the stage stood, y and x in px.
    """

    bodies: tuple[Body, ...]
    poses: dict[int, tuple[LineagePose, ...]]
    offsets: npt.NDArray[np.float64]


def live_lineage(settings: LineageSettings, seed: int, key: tuple[int | str, ...]) -> LineageLife:
    """Simulate the cells of one field.

    Parameters
    ----------
    settings : LineageSettings
    seed : int
    key : tuple of int or str
        Identity of the field.
    """
    rng = stream(seed, "lineage", *key)
    offsets = _stage(settings, seed, key)
    margin = float(np.abs(offsets).max()) + 2 * settings.cell_px
    low, high = -margin, settings.size_px + margin
    number = max(1, rng.poisson(settings.cells * ((high - low) / settings.size_px) ** 2))
    bodies = [_founder(settings, rng, index, low, high) for index in range(number)]
    here = list(bodies)
    _part(here, 20)
    poses: dict[int, tuple[LineagePose, ...]] = {}
    imaged = set(settings.imaged)
    for frame in range(settings.frames):
        time_h = frame * settings.interval_h
        if frame:
            _move(here, settings, rng, low, high)
        here = _remove_dead(here, settings, time_h)
        if frame in imaged:
            here, poses[frame] = _look(here, settings, frame, offsets[frame])
        if frame + 1 < settings.frames:
            here = _divide(here, bodies, settings, rng, time_h)
    return LineageLife(tuple(bodies), poses, offsets)


def _stage(
    settings: LineageSettings, seed: int, key: tuple[int | str, ...]
) -> npt.NDArray[np.float64]:
    """Slow drift, and jumps that land somewhere near where the film began."""
    rng = stream(seed, "stage", *key)
    jumps = rng.random(settings.frames) < settings.jump_rate
    landed = rng.normal(0, settings.jump_px, (settings.frames, 2))
    offsets = np.zeros((settings.frames, 2))
    at = np.zeros(2)
    for frame in range(1, settings.frames):
        at = landed[frame] if jumps[frame] else at
        offsets[frame] = at + np.array(settings.drift_px) * frame
    return offsets


def _founder(
    settings: LineageSettings, rng: np.random.Generator, number: int, low: float, high: float
) -> Body:
    cell = _born(settings, rng, number, -1, rng.uniform(low, high, 2), 0.0, None)
    age = rng.uniform(0, 1) * (cell.divides_h - cell.birth_h)
    cell.mass *= np.exp(cell.growth * age)
    cell.birth_h, cell.divides_h = -age, cell.divides_h - age
    return cell


def _born(
    settings: LineageSettings,
    rng: np.random.Generator,
    number: int,
    mother: int,
    at: Place,
    time_h: float,
    mass: float | None,
) -> Body:
    """A new cell; a small one takes longer until it divides, so that sizes stay the same."""
    usual = np.pi * (settings.cell_px / 2) ** 2
    mass = usual * rng.lognormal(0, 0.1) if mass is None else mass
    growth = np.log(2) / settings.cycle_h
    doubling = float(np.clip(np.log(2 * usual / mass) / growth, 0.6 * settings.cycle_h, 1e9))
    wait = doubling * max(0.3, rng.normal(1, settings.cycle_cv))
    death = rng.exponential(1 / settings.death_per_h) if settings.death_per_h else np.inf
    return Body(
        number=number,
        mother=mother,
        at=np.asarray(at, dtype=np.float64),
        velocity=np.zeros(2),
        mass=mass,
        birth_h=time_h,
        divides_h=time_h + wait,
        dies_h=time_h + death,
        growth=growth,
        turn=rng.uniform(0, np.pi),
    )


def _move(
    cells: list[Body], settings: LineageSettings, rng: np.random.Generator, low: float, high: float
) -> None:
    """One persistent random step and growth each, then part those that overlap."""
    for each in cells:
        each.velocity = 0.6 * each.velocity + rng.normal(0, 0.8 * settings.step_px / np.sqrt(2), 2)
        each.at = each.at + each.velocity
        each.at = np.where(each.at < low, 2 * low - each.at, each.at)
        each.at = np.where(each.at > high, 2 * high - each.at, each.at)
        each.turn += rng.normal(0, 0.15)
        each.mass *= float(np.exp(each.growth * settings.interval_h))
    _part(cells, 4)


def _part(cells: list[Body], rounds: int) -> None:
    from scipy.spatial import cKDTree

    if len(cells) < 2:
        return
    at = np.array([each.at for each in cells])
    radii = np.array([each.radius_px for each in cells])
    for _ in range(rounds):
        pairs = cKDTree(at).query_pairs(2 * float(radii.max()), output_type="ndarray")
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


def _remove_dead(cells: list[Body], settings: LineageSettings, time_h: float) -> list[Body]:
    kept = []
    for each in cells:
        if time_h < each.dies_h + settings.dying_h:
            kept.append(each)
        else:
            each.fate, each.end_h = "dies", each.dies_h + settings.dying_h
    return kept


def _look(
    cells: list[Body], settings: LineageSettings, frame: int, offset: Place
) -> tuple[list[Body], tuple[LineagePose, ...]]:
    """Who is in view; who was and is no longer has left and does not come back."""
    kept, poses = [], []
    for each in cells:
        y, x = each.at - offset
        if 0 <= y < settings.size_px and 0 <= x < settings.size_px:
            each.seen.append(frame)
            poses.append(_pose(each, settings, frame, float(y), float(x)))
        elif each.seen:
            each.fate, each.end_h = "leaves", frame * settings.interval_h
            continue
        kept.append(each)
    return kept, tuple(poses)


def _pose(body: Body, settings: LineageSettings, frame: int, y: float, x: float) -> LineagePose:
    time_h = frame * settings.interval_h
    before = 1 - (body.divides_h - time_h) / settings.mitosis_h if settings.mitosis_h else 0.0
    after = 0.5 * (body.mother >= 0 and time_h - body.birth_h < 0.6 * settings.interval_h)
    gone = (time_h - body.dies_h) / settings.dying_h if settings.dying_h else 0.0
    rounding = min(1.0, 2 * max(before, 0.0)) if body.divides_h < body.dies_h else 0.0
    dying = float(np.clip(gone, 0, 1))
    return LineagePose(
        body.number, frame, y, x, body.mass, max(rounding, after, dying), dying, body.turn
    )


def _divide(
    cells: list[Body],
    bodies: list[Body],
    settings: LineageSettings,
    rng: np.random.Generator,
    time_h: float,
) -> list[Body]:
    """Those due before the next frame divide half way to it; daughters share the mass."""
    half_h = settings.interval_h / 2
    following = []
    for each in cells:
        due = each.divides_h <= time_h + settings.interval_h
        if not due or each.dies_h <= time_h + settings.interval_h:
            following.append(each)
            continue
        each.fate, each.end_h = "divides", time_h + half_h
        share = float(np.clip(rng.normal(0.5, settings.split_sd), 0.3, 0.7))
        axis = np.array([np.sin(each.turn), np.cos(each.turn)])
        for sign, part in ((-1, share), (1, 1 - share)):
            at = each.at + sign * 0.55 * each.radius_px * axis
            child = _born(
                settings, rng, len(bodies), each.number, at, time_h + half_h, each.mass * part
            )
            child.velocity = sign * 0.12 * each.radius_px * axis
            child.turn = each.turn + np.pi / 2
            bodies.append(child)
            following.append(child)
    return following
