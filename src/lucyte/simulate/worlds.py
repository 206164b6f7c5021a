"""The worlds on offer, and a plate of simulated fields with everything that is true of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.image import make_image
from lucyte.schema.objects import Labels
from lucyte.schema.plate import Field, Plate, well_sort_key
from lucyte.simulate.field import SimulatedField
from lucyte.simulate.layout import lay_out
from lucyte.simulate.settings import CHANNELS, WorldSettings, demo_settings, shortcut_settings
from lucyte.simulate.truth import FieldTruth, field_truth


class World(NamedTuple):
    """A row of the table of worlds."""

    name: str
    settle: Callable[[WorldSettings | None], WorldSettings]
    description: str


def _autophagy(settings: WorldSettings | None) -> WorldSettings:
    settings = settings or demo_settings()
    if settings.shortcut.kind != "none":
        raise UsageError(
            f"world 'autophagy' plants nothing, got shortcut {settings.shortcut.kind!r}; "
            "simulate world 'shortcut' instead."
        )
    return settings


def _shortcut(settings: WorldSettings | None) -> WorldSettings:
    settings = settings or shortcut_settings("tint")
    if settings.shortcut.kind == "none":
        raise UsageError(
            "world 'shortcut' needs something to plant: set shortcut.kind to tint, corner, stripe, "
            "gain or frequency (and shortcut.sham to plant nothing)."
        )
    return settings


def _lineage(settings: WorldSettings | None) -> WorldSettings:
    raise UsageError(
        "world 'lineage' is made of films, not of this plate's fields: call "
        "lucyte.simulate.lineage.simulate_lineage, or lucyte simulate lineage -o DIR."
    )


def _leigh(settings: WorldSettings | None) -> WorldSettings:
    raise UsageError(
        "world 'leigh' is a screen on several plates, not this plate's fields: call "
        "lucyte.simulate.leigh.simulate_leigh, or lucyte simulate leigh -o DIR."
    )


def _organelles(settings: WorldSettings | None) -> WorldSettings:
    raise UsageError(
        "world 'organelles' is made of z-stacks, not of this plate's fields: call "
        "lucyte.simulate.organelles.simulate_organelles, or lucyte simulate organelles -o DIR."
    )


WORLDS: tuple[World, ...] = (
    World(
        "autophagy",
        _autophagy,
        "mRFP-EGFP-Atg8a S2 cells, fed or starved; only autophagosomes and autolysosomes differ",
    ),
    World(
        "shortcut",
        _shortcut,
        "the same plate where tint, corner, stripe, gain or frequency tells the conditions apart",
    ),
    World(
        "lineage",
        _lineage,
        "films of cells that divide, die, enter and leave and switch between two states; sisters "
        "inherit",
    ),
    World(
        "leigh",
        _leigh,
        "a screen: diseased and healthy cells that differ in mitochondrial light, compounds at "
        "doses of which some rescue and some poison",
    ),
    World(
        "organelles",
        _organelles,
        "z-stacks of six cell lines that differ in shape and arrangement of organelles alone",
    ),
)


@dataclass(frozen=True)
class SimulatedSource:
    """Renders a field when it is opened; holds no pixels, travels between processes.

    Attributes
    ----------
    field : SimulatedField
    """

    field: SimulatedField

    @property
    def paths(self) -> tuple[str, ...]:
        """No files."""
        return ()

    def paths_at(self, time_index: int) -> tuple[str, ...]:
        """No files."""
        return ()

    def open(self) -> xr.DataArray:
        """The movie T C Y X, one dask block per frame."""
        from typing import Any

        import dask.array
        from dask.delayed import delayed

        da: Any = dask.array

        layout = self.field.settings.layout
        shape = (len(CHANNELS), layout.size_px, layout.size_px)
        render = delayed(self.field.observe, pure=False)
        frames = [
            da.from_delayed(render(frame), shape, dtype=np.uint16) for frame in range(layout.frames)
        ]
        first = layout.first_time_index
        return make_image(
            da.stack(frames),
            "TCYX",
            channels=CHANNELS,
            time_indices=range(first, first + layout.frames),
            interval_s=3600 * layout.interval_h,
            source="_".join(("simulated", *self.field.key)),
        )


class Twin(NamedTuple):
    """A cell as it is and as it would be in the other state.

    Attributes
    ----------
    crop, other : uint16 array C Y X
        Same noise, same optics, same surroundings.
    mask : bool array Y X
        The cell.
    """

    crop: npt.NDArray[np.uint16]
    other: npt.NDArray[np.uint16]
    mask: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SimulatedPlate:
    """A plate whose cells' causes are known.

    Attributes
    ----------
    world : str
    settings : WorldSettings
    seed : int
    sites : tuple of SimulatedField
        In the order of ``plate.fields``.
    """

    world: str
    settings: WorldSettings
    seed: int
    sites: tuple[SimulatedField, ...]

    @cached_property
    def plate(self) -> Plate:
        """The plate as any reader would return it."""
        return Plate(fields=tuple(_as_field(site) for site in self.sites), layout="simulated")

    def site(self, field_id: str) -> SimulatedField:
        """The simulated field of this name; refuses one that is not there."""
        names = [each.field_id for each in self.plate.fields]
        if field_id not in names:
            raise unknown("field", field_id, names)
        return self.sites[names.index(field_id)]

    def truth(self, field_id: str) -> FieldTruth:
        """Labels, lineage, spots and states of a field."""
        return field_truth(self.site(field_id))

    def twin(self, field_id: str, track_id: int, time_index: int, crop_px: int) -> Twin:
        """One cell again in the other state: the difference is what the state causes.

        Parameters
        ----------
        field_id : str
        track_id : int
        time_index : int
        crop_px : int
            Side of the crop. The cell is at its centre unless that would leave the field.

        Raises
        ------
        UsageError
            No such field, frame or cell, or a crop larger than the field.
        """
        site, frame = self.site(field_id), self._frame(time_index)
        origin = self._around(site, track_id, frame, crop_px)
        shape = (crop_px, crop_px)
        window = (slice(origin[0], origin[0] + crop_px), slice(origin[1], origin[1] + crop_px))
        return Twin(
            crop=site.observe(frame, origin, shape),
            other=site.observe(frame, origin, shape, {track_id: not site.starved}),
            mask=site.labels(frame)[window] == track_id,
        )

    def cause_map(self, field_id: str, time_index: int) -> npt.NDArray[np.float32]:
        """Expected counts in the field's state minus those if every cell were in the other.

        Returns
        -------
        float32 array C Y X
            Without noise and saturation; exactly 0 wherever the state causes nothing.
        """
        site, frame = self.site(field_id), self._frame(time_index)
        other = site.expected(frame, starved=not site.starved)
        return (site.expected(frame) - other) * np.float32(self.settings.optics.gain)

    def labels(self, field_id: str, time_index: int) -> Labels:
        """The label image of one frame."""
        return self.site(field_id).labels(self._frame(time_index))

    def _frame(self, time_index: int) -> int:
        layout = self.settings.layout
        times = range(layout.first_time_index, layout.first_time_index + layout.frames)
        if time_index not in times:
            raise unknown("time index", str(time_index), [str(each) for each in times])
        return times.index(time_index)

    def _around(
        self, site: SimulatedField, track_id: int, frame: int, crop_px: int
    ) -> tuple[int, int]:
        size = self.settings.layout.size_px
        if not 1 <= crop_px <= size:
            raise UsageError(f"crop_px {crop_px}: write 1 to {size}, the side of the field.")
        pose = site.pose(track_id, frame)
        top, left = (
            int(np.clip(round(at) - crop_px // 2, 0, size - crop_px))
            for at in (pose.y_px, pose.x_px)
        )
        return top, left


def simulate(world: str, settings: WorldSettings | None = None, seed: int = 0) -> SimulatedPlate:
    """Lay out a simulated plate; pixels are rendered when a field is opened.

    Parameters
    ----------
    world : str
        A name in ``WORLDS``.
    settings : WorldSettings, optional
        The demo plate by default.
    seed : int
        Same world, settings and seed, same pixels.

    Raises
    ------
    UsageError
        Unknown world, or settings that contradict it.
    """
    rows = {row.name: row for row in WORLDS}
    if world not in rows:
        raise unknown("world", world, rows)
    if seed < 0:
        raise UsageError(f"seed {seed}: write a whole number from 0.")
    settled = rows[world].settle(settings)
    sites = sorted(
        lay_out(settled, seed), key=lambda s: (s.plate, well_sort_key(s.well), int(s.site))
    )
    return SimulatedPlate(world=world, settings=settled, seed=seed, sites=tuple(sites))


def _as_field(site: SimulatedField) -> Field:
    layout = site.settings.layout
    first = layout.first_time_index
    return Field(
        plate=site.plate,
        well=site.well,
        site=site.site,
        source=SimulatedSource(site),
        channels=CHANNELS,
        time_indices=tuple(range(first, first + layout.frames)),
        shape_yx=(layout.size_px, layout.size_px),
        batch=site.batch,
        day=site.day,
        condition=site.condition,
        interval_s=3600 * layout.interval_h,
    )
