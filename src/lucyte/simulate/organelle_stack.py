"""One stack of world ``organelles``: cells grow their organelles, light is blurred and counted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage as ndi

from lucyte.simulate.organelle_cells import Canvas, CellForm, lay_cells
from lucyte.simulate.organelle_design import Levels, culture_levels
from lucyte.simulate.organelle_grow import Grown, grow
from lucyte.simulate.organelle_kernels import blur_lines, count_photons, deposit, fill_cell
from lucyte.simulate.organelle_settings import ORGANELLE_CHANNELS, OrganelleSettings
from lucyte.simulate.streams import stream

Counts = npt.NDArray[np.uint16]
Volume = npt.NDArray[np.float32]

THICK_UM = (0.16, 0.0, 0.1)
"""Spread of light across mitochondria, vesicles and tubules around the points that make them."""


@dataclass(frozen=True)
class OrganelleStack:
    """One z-stack of one culture of one line.

    Attributes
    ----------
    settings : OrganelleSettings
    seed : int
    line : str
        Its class.
    culture : int
        From 1, within the line.
    number : int
        From 1, within the culture.
    """

    settings: OrganelleSettings
    seed: int
    line: str
    culture: int
    number: int

    @property
    def group(self) -> str:
        """The culture, the independent unit."""
        return f"{self.line}_culture{self.culture:02d}"

    @property
    def name(self) -> str:
        """``line_A_culture01_stack1``."""
        return f"{self.group}_stack{self.number}"

    @cached_property
    def levels(self) -> Levels:
        """How this culture arranges its organelles."""
        return culture_levels(self.settings, self.line, self.culture, self.seed)

    @cached_property
    def canvas(self) -> Canvas:
        """Cells of the stack and of a border around it."""
        return lay_cells(self.settings, self._stream("cells"))

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """Cells Y X, seen from above."""
        return self._crop(self.canvas.labels)

    def render(self) -> tuple[Counts, pd.DataFrame]:
        """The stack, and what is true of the cells in it.

        Returns
        -------
        uint16 array Z C Y X
            Counts; channels as ``ORGANELLE_CHANNELS``.
        DataFrame
            One row per cell in view: ``label``, ``area_px``, what grew in it (see
            :class:`lucyte.simulate.organelle_grow.Grown`) and the light of each channel.
        """
        photons, rows = self._specimen()
        for channel, volume in enumerate(photons):
            self._spread(volume, channel)
        return self._count(photons), pd.DataFrame(rows)

    def _specimen(self) -> tuple[Volume, list[dict[str, float]]]:
        s, canvas = self.settings, self.canvas
        margin = min(canvas.border_px, math.ceil(4 * s.psf_um / s.pixel_size_um) + 4)
        start = canvas.border_px - margin
        side = s.size_px + 2 * margin
        photons = np.zeros((len(ORGANELLE_CHANNELS), s.planes, side, side), np.float32)
        size = np.array([s.z_step_um, s.pixel_size_um, s.pixel_size_um])
        corner = np.array([start, start], dtype=np.float64)
        origin = np.array([0.0, *(corner * s.pixel_size_um)])
        tile = _grain(self._stream("grain"))
        lamp = np.exp(s.lamp_sd * self._of_culture("lamp").standard_normal(4))
        seen = np.bincount(self.labels.ravel(), minlength=len(canvas.cells) + 1)
        area = np.bincount(canvas.labels.ravel(), minlength=len(canvas.cells) + 1)
        rows = []
        for cell in canvas.cells:
            if not self._near(cell, start, side):
                continue
            purpose = partial(self._stream, "cell", cell.name)
            grown = grow(s, self.levels, cell, canvas.labels, purpose)
            voxels = area[cell.name] * 0.7 * cell.body[8] / s.z_step_um
            light = np.array(s.photons) * lamp * cell.expression
            even = np.append(light[:3] * s.haze / 0.85, light[3])
            fill_cell(
                cell.body, cell.outline, canvas.labels, cell.name, corner, size, even, tile, photons
            )
            for channel, (points, weight) in enumerate(grown.light):
                each = weight * (light[channel] * (1 - s.haze) * voxels)
                deposit(points, each, origin, size, photons[channel])
            if seen[cell.name]:
                rows.append(self._row(cell, grown, light, int(seen[cell.name])))
        return photons, rows

    def _row(
        self, cell: CellForm, grown: Grown, light: npt.NDArray[np.float64], area: int
    ) -> dict[str, float]:
        named = {f"light_{c}": float(light[k]) for k, c in enumerate(ORGANELLE_CHANNELS)}
        return {"label": cell.name, "area_px": area, **grown.truth, **named}

    def _near(self, cell: CellForm, start: int, side: int) -> bool:
        at, reach = cell.body[:2] / self.settings.pixel_size_um, cell.outline.max()
        reach = reach / self.settings.pixel_size_um
        return bool((at + reach > start).all() and (at - reach < start + side).all())

    def _spread(self, volume: Volume, channel: int) -> None:
        s = self.settings
        thick = THICK_UM[channel] if channel < len(THICK_UM) else 0.0
        sigmas = (
            math.hypot(s.psf_z_um, thick) / s.z_step_um,
            math.hypot(s.psf_um, thick) / s.pixel_size_um,
            math.hypot(s.psf_um, thick) / s.pixel_size_um,
        )
        spare = np.empty_like(volume)
        for axis, sigma in enumerate(sigmas):
            blur_lines(_taps(sigma), volume, spare, axis)
            volume[:] = spare

    def _count(self, photons: Volume) -> Counts:
        s = self.settings
        margin = (photons.shape[-1] - s.size_px) // 2
        inner = slice(margin, margin + s.size_px)
        out = np.empty((s.planes, len(photons), s.size_px, s.size_px), np.uint16)
        for channel, name in enumerate(ORGANELLE_CHANNELS):
            light = photons[channel][:, inner, inner]
            if not s.noise:
                out[:, channel] = np.rint(light + (s.background + s.offset_counts))
                continue
            camera = self._stream("noise", name)
            add = (s.background, s.offset_counts, s.read_noise_counts)
            count_photons(camera, light, *add, out[:, channel])
        return out

    def _crop(self, canvas: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        inner = slice(self.canvas.border_px, self.canvas.border_px + self.settings.size_px)
        return canvas[inner, inner]

    def _stream(self, *purpose: str | int) -> np.random.Generator:
        return stream(self.seed, "organelles", self.name, *purpose)

    def _of_culture(self, purpose: str) -> np.random.Generator:
        return stream(self.seed, "organelles", self.group, purpose)


def _taps(sigma: float) -> Volume:
    """Gaussian weights from the middle outwards that add up to 1 on both sides together."""
    if sigma < 0.05:
        return np.ones(1, np.float32)
    taps = np.exp(-0.5 * (np.arange(math.ceil(3.5 * sigma) + 1) / sigma) ** 2)
    out: Volume = (taps / (2 * taps.sum() - taps[0])).astype(np.float32)
    return out


def _grain(rng: np.random.Generator) -> Volume:
    """Chromatin: noise of unit variance over a few px that repeats."""
    tile = ndi.gaussian_filter(rng.standard_normal((256, 256)), 3.0, mode="wrap")
    out: Volume = (tile / tile.std()).astype(np.float32)[None]
    return out
