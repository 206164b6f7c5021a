"""World ``lineage``: films of cells that divide and switch between states, all of it known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.schema.errors import UsageError
from lucyte.simulate.layout import well_names
from lucyte.simulate.lineage_life import LineageLife, LineagePose, live_lineage
from lucyte.simulate.lineage_render import Drawn, draw, draw_traits, expose, label_image, light
from lucyte.simulate.lineage_settings import LineageSettings, Rates
from lucyte.simulate.lineage_states import StatePath, state_paths, well_rates
from lucyte.simulate.streams import stream


@dataclass(frozen=True)
class LineageTruth:
    """What is true of one film; holds no pixels.

    Attributes
    ----------
    tracks : DataFrame
        ``L, B, E, P`` (label, first and last time index in which it was imaged, parent or 0),
        ``fate`` (``divides, dies, leaves, ends``), ``birth_h`` (nan: before the film) and
        ``end_h`` (nan: after it).
    divisions : DataFrame
        ``time_h, parent_id, child_1, child_2``; 0 for one that was never imaged.
    states : DataFrame
        Per cell and imaged frame: ``time_index, time_s, exposures`` (frames taken before),
        ``track_id, parent_track_id, state, phase`` (``alive, mitotic, dying``), ``y_px, x_px,
        area_px``.
    switches : DataFrame
        ``track_id, time_h, state`` (the new one): every change of state during a track's life,
        also between frames.
    """

    tracks: pd.DataFrame
    divisions: pd.DataFrame
    states: pd.DataFrame
    switches: pd.DataFrame


@dataclass(frozen=True)
class LineageField:
    """One film: one site of one well; its cells are worked out when first asked for.

    Attributes
    ----------
    settings : LineageSettings
    seed : int
    plate, well, site, condition : str
    """

    settings: LineageSettings
    seed: int
    plate: str
    well: str
    site: str
    condition: str

    @property
    def field_id(self) -> str:
        """As a reader of the images names it."""
        return f"{self.plate}_{self.well}_s{self.site}"

    @property
    def key(self) -> tuple[str, str, str]:
        """Names the random streams of this film."""
        return (self.plate, self.well, self.site)

    @cached_property
    def rates(self) -> Rates:
        """The switching rates of this well."""
        return well_rates(self.settings, self.seed, self.condition, self.well)

    @cached_property
    def life(self) -> LineageLife:
        """Places, sizes, fates."""
        return live_lineage(self.settings, self.seed, self.key)

    @cached_property
    def paths(self) -> tuple[StatePath, ...]:
        """States of all cells through their lives."""
        before = self.settings.rates(self.settings.conditions[0])
        return state_paths(self.settings, self.seed, self.key, self.life.bodies, self.rates, before)

    @cached_property
    def track_ids(self) -> dict[int, int]:
        """Track numbers from 1, in the order in which cells were first imaged."""
        seen = [body for body in self.life.bodies if body.seen]
        seen.sort(key=lambda body: (body.seen[0], body.number))
        return {body.number: index for index, body in enumerate(seen, start=1)}

    def labels(self, time_index: int) -> npt.NDArray[np.int32]:
        """Label image Y X of an imaged frame; a cell's label is its track number."""
        poses, drawn = self._drawn(time_index)
        numbers = [self.track_ids[pose.number] for pose in poses]
        centres = [(int(pose.y_px), int(pose.x_px)) for pose in poses]
        return label_image(drawn, numbers, centres, self.settings.size_px)

    def image(self, time_index: int) -> npt.NDArray[np.uint16]:
        """Counts C Y X of an imaged frame, channels as in ``LINEAGE_CHANNELS``."""
        poses, drawn = self._drawn(time_index)
        levels = np.array([self._levels(pose) for pose in poses]).reshape(-1, 2)
        photons = light(drawn, [pose.mass for pose in poses], levels, self.settings)
        noise = stream(self.seed, "camera", *self.key, time_index)
        exposures = self.settings.imaged.index(time_index)
        return expose(photons, self.settings, exposures, noise)

    def truth(self) -> LineageTruth:
        """Lineage, states and switches."""
        return LineageTruth(self._tracks(), self._divisions(), self._states(), self._switches())

    def _drawn(self, time_index: int) -> tuple[tuple[LineagePose, ...], list[Drawn]]:
        if time_index not in self.life.poses:
            raise UsageError(
                f"time index {time_index} was not imaged; there are "
                f"{', '.join(map(str, self.settings.imaged))}."
            )
        poses = self.life.poses[time_index]
        size = self.settings.size_px
        traits = [draw_traits(self.seed, self.key, pose.number) for pose in poses]
        return poses, [draw(p, t, size) for p, t in zip(poses, traits, strict=True)]

    def _levels(self, pose: LineagePose) -> tuple[float, float]:
        """Reporter and body light per mass; families keep theirs, states set the reporter's."""
        founder = pose.number
        while self.life.bodies[founder].mother >= 0:
            founder = self.life.bodies[founder].mother
        own = stream(self.seed, "expression", *self.key, founder).normal(size=2)
        level = np.exp(self.settings.expression_sd * own)
        on = self.paths[pose.number].at(pose.frame * self.settings.interval_h)
        return float(level[0]) * (self.settings.contrast if on else 1.0), float(level[1])

    def _tracks(self) -> pd.DataFrame:
        rows = []
        for number, track_id in self.track_ids.items():
            body = self.life.bodies[number]
            parent = self.track_ids.get(body.mother, 0)
            birth = body.birth_h if body.mother >= 0 else np.nan
            rows.append(
                (track_id, body.seen[0], body.seen[-1], parent, body.fate, birth, body.end_h)
            )
        return pd.DataFrame(rows, columns=["L", "B", "E", "P", "fate", "birth_h", "end_h"])

    def _divisions(self) -> pd.DataFrame:
        daughters: dict[int, list[int]] = {}
        for body in self.life.bodies:
            if body.mother in self.track_ids:
                daughters.setdefault(body.mother, []).append(body.number)
        rows = [
            (
                self.life.bodies[mother].end_h,
                self.track_ids[mother],
                *(self.track_ids.get(each, 0) for each in pair),
            )
            for mother, pair in daughters.items()
        ]
        return pd.DataFrame(rows, columns=["time_h", "parent_id", "child_1", "child_2"])

    def _states(self) -> pd.DataFrame:
        settings, rows = self.settings, []
        for exposures, frame in enumerate(settings.imaged):
            time_h = frame * settings.interval_h
            for pose in self.life.poses[frame]:
                body = self.life.bodies[pose.number]
                mitotic = pose.rounding > 0 and time_h + settings.mitosis_h >= body.divides_h
                phase = "dying" if pose.dying else "mitotic" if mitotic else "alive"
                rows.append(
                    {
                        "time_index": frame,
                        "time_s": 3600.0 * time_h,
                        "exposures": exposures,
                        "track_id": self.track_ids[pose.number],
                        "parent_track_id": self.track_ids.get(body.mother, 0),
                        "state": settings.states[self.paths[pose.number].at(time_h)],
                        "phase": phase,
                        "y_px": pose.y_px,
                        "x_px": pose.x_px,
                        "area_px": pose.mass,
                    }
                )
        return pd.DataFrame(rows)

    def _switches(self) -> pd.DataFrame:
        rows = []
        for number, track_id in self.track_ids.items():
            path = self.paths[number]
            for count, time_h in enumerate(path.switches_h, start=1):
                rows.append((track_id, time_h, self.settings.states[(path.first + count) % 2]))
        return pd.DataFrame(rows, columns=["track_id", "time_h", "state"])


@dataclass(frozen=True)
class LineageWorld:
    """A plate of films.

    Attributes
    ----------
    settings : LineageSettings
    seed : int
    fields : tuple of LineageField
    """

    settings: LineageSettings
    seed: int
    fields: tuple[LineageField, ...]

    def rates(self) -> pd.DataFrame:
        """``level`` (condition or well), ``condition, well, on_per_h, off_per_h, share_on``."""
        rows: list[dict[str, object]] = []
        for condition in self.settings.conditions:
            rows.append(_rate_row("condition", condition, "", self.settings.rates(condition)))
        for each in self.fields:
            rows.append(_rate_row("well", each.condition, each.well, each.rates))
        return pd.DataFrame(rows)

    def states(self) -> pd.DataFrame:
        """The true states of every cell and frame as an objects table with tracks.

        Returns
        -------
        DataFrame
            As ``LineageTruth.states``, with ``object_id, field_id, plate, well, site,
            condition``.
        """
        parts = []
        for each in self.fields:
            table = each.truth().states
            names = [
                f"{each.field_id}/t{time:03d}/cell/{track}"
                for time, track in zip(table["time_index"], table["track_id"], strict=True)
            ]
            table.insert(0, "object_id", names)
            for place, name in enumerate(("field_id", "plate", "well", "site", "condition"), 1):
                table.insert(place, name, getattr(each, name))
            parts.append(table)
        return pd.concat(parts, ignore_index=True)


def _rate_row(level: str, condition: str, well: str, rates: Rates) -> dict[str, object]:
    return {
        "level": level,
        "condition": condition,
        "well": well,
        **rates._asdict(),
        "share_on": rates.share_on,
    }


def simulate_lineage(settings: LineageSettings | None = None, seed: int = 0) -> LineageWorld:
    """Lay out world ``lineage``; films are worked out and rendered when asked for.

    Parameters
    ----------
    settings : LineageSettings, optional
    seed : int
        Same settings and seed, same pixels.

    Raises
    ------
    UsageError
        A negative seed, more wells than a plate has, or no frame that is imaged.
    """
    settings = settings or LineageSettings()
    if seed < 0:
        raise UsageError(f"seed {seed}: write a whole number from 0.")
    if not settings.imaged:
        raise UsageError(f"gaps {settings.gaps} leave none of {settings.frames} frames imaged.")
    return LineageWorld(settings, seed, tuple(_fields(settings, seed)))


def _fields(settings: LineageSettings, seed: int) -> Iterator[LineageField]:
    for index, condition in enumerate(settings.conditions):
        for well in well_names(index, settings.wells_per_condition):
            yield LineageField(settings, seed, f"{settings.date}-ST", well, "1", condition)
