"""The perturbations on offer, as rows of a table, and what applies one at a dose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.explain.perturbation.scene import Scene
from lucyte.schema.errors import UsageError, unknown

Floats = npt.NDArray[np.float64]
HERE = "lucyte.explain.perturbation"
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Kind:
    """One row: what is changed, and what a dose is.

    Attributes
    ----------
    name : str
    what : str
        In words: "removing spots".
    dose : str
        What a level counts.
    levels : tuple of float
        Asked about where none are given; the first is no change.
    most : float
        Largest level that means something.
    channels : int
        How many channels must be named; 0 for any number, none being all of light.
    module, function : str
        ``function(scene, channels, level, k, rng) -> float array C Y X`` of crop k.
    """

    name: str
    what: str
    dose: str
    levels: tuple[float, ...]
    most: float
    channels: int
    module: str
    function: str


PERTURBATIONS: tuple[Kind, ...] = (
    Kind(
        "remove_spots",
        "removing spots",
        "share of the cell's spots taken away, the light around them in their place",
        SHARES,
        1.0,
        0,
        f"{HERE}.spots",
        "remove_spots",
    ),
    Kind(
        "move_spots",
        "moving spots",
        "share of the cell's spots moved to other places of the same cell",
        SHARES,
        1.0,
        0,
        f"{HERE}.spots",
        "move_spots",
    ),
    Kind(
        "add_spots",
        "adding spots",
        "spots added, taken from this cell or, where it has none, from others",
        (0.0, 1.0, 2.0, 4.0, 8.0),
        200.0,
        0,
        f"{HERE}.spots",
        "add_spots",
    ),
    Kind(
        "dim_channel",
        "dimming a channel",
        "share of the light above the crop's dark level taken away",
        SHARES,
        1.0,
        1,
        f"{HERE}.whole",
        "dim_channel",
    ),
    Kind(
        "swap_channels",
        "swapping two channels",
        "1: each shows the other's picture at its own level and contrast",
        (0.0, 1.0),
        1.0,
        2,
        f"{HERE}.whole",
        "swap_channels",
    ),
    Kind(
        "exchange_background",
        "exchanging the background",
        "share of the px outside the cell, the farthest first, from a cell of another unit",
        SHARES,
        1.0,
        0,
        f"{HERE}.whole",
        "exchange_background",
    ),
)


@dataclass(frozen=True)
class Perturbation:
    """One perturbation of named channels.

    Attributes
    ----------
    kind : str
        A row of `PERTURBATIONS`.
    channels : tuple of str
        What it changes; all channels of light where empty.
    """

    kind: str
    channels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        row = self.row
        if row.channels and len(self.channels) != row.channels:
            raise UsageError(
                f"{row.what} takes {row.channels} named channel{'s' * (row.channels > 1)}, "
                f"got {', '.join(self.channels) or 'none'}."
            )

    @property
    def row(self) -> Kind:
        """What the table says of it."""
        rows = {row.name: row for row in PERTURBATIONS}
        if self.kind not in rows:
            raise unknown("perturbation", self.kind, rows)
        return rows[self.kind]

    @property
    def words(self) -> str:
        """For a sentence: "removing spots (mRFP)"."""
        return self.row.what + (f" ({', '.join(self.channels)})" if self.channels else "")

    def checked(self, scene: Scene, levels: tuple[float, ...] | None) -> tuple[float, ...]:
        """The levels to ask about; refuses what the row does not allow.

        Raises
        ------
        UsageError
            A channel that is not light here, or levels that do not rise from 0.
        """
        row = self.row
        for name in self.channels:
            if name not in scene.light:
                raise unknown("channel of light", name, scene.light)
        asked = row.levels if levels is None else tuple(float(each) for each in levels)
        rising = len(asked) >= 2 and asked[0] == 0 and bool((np.diff(asked) > 0).all())
        if not rising or asked[-1] > row.most:
            raise UsageError(
                f"levels of {row.name} rise from 0 to at most {row.most:g} ({row.dose}); "
                f"got {', '.join(f'{each:g}' for each in asked) or 'none'}."
            )
        return asked


def perturb(
    scene: Scene, perturbation: Perturbation, level: float, seed: int = 0
) -> npt.NDArray[Any]:
    """The scene's crops with one thing changed, in their own type.

    What a higher level changes includes what a lower one changed: spots go in one order, chance is
    the cell's own.

    Parameters
    ----------
    scene : Scene
    perturbation : Perturbation
    level : float
        0 changes nothing.
    seed : int
    """
    out = np.array(scene.crops)
    if not level:
        return out
    row = perturbation.row
    function: Callable[..., Floats] = getattr(import_module(row.module), row.function)
    at = scene.at(perturbation.channels)
    for k in range(len(scene)):
        changed = function(scene, at, level, k, np.random.default_rng([seed, k]))
        out[k] = _in_type(changed, out.dtype)
    return out


def _in_type(light: Floats, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    if not np.issubdtype(kind, np.integer):
        return light.astype(kind)
    limits = np.iinfo(kind)
    return np.clip(np.round(light), limits.min, limits.max).astype(kind)
