"""Z-stacks cut into patches: planes, one global threshold per stack, sparse patches dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from lucyte.classify.patch_grid import Blocks, Places, patch_name, step_px
from lucyte.classify.patch_kernels import count_above
from lucyte.classify.patch_otsu import otsu_level, plane_of, share, stack_levels
from lucyte.classify.patch_rotation import turned_places, turned_plane
from lucyte.schema.errors import UsageError, unknown

Rule = Literal["any", "all", "mean"]
Planes = Literal["each", "max"]


@dataclass(frozen=True)
class PatchSettings:
    """How stacks are cut.

    Attributes
    ----------
    side_px : int
    overlap : float
        Share of the side that neighbouring patches have in common, 0 to below 1. Not published.
    min_foreground : float
        Least foreground ratio of a patch that is kept. Not published.
    rule : {"mean", "any", "all"}
        How the ratios of the channels become the patch's: their mean, the greatest (one channel
        is enough) or the smallest (every channel must have it). Not published.
    exclude : tuple of str
        Channels that are left out by name, before anything is counted: the nucleus.
    channels : tuple of str
        Channels to take, in this order; empty for all that are not excluded.
    planes : {"each", "max"}
        Cut every plane, as published, or the brightest of all planes: fewer patches that show
        cells whole.
    angle_deg : float
        Turns whole planes before they are cut.
    threads : int
        As many planes are in memory at once; 0 for one per core.
    """

    side_px: int = 350
    overlap: float = 0.0
    min_foreground: float = 0.05
    rule: Rule = "mean"
    exclude: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    planes: Planes = "each"
    angle_deg: float = 0.0
    threads: int = 0

    def __post_init__(self) -> None:
        step_px(self.side_px, self.overlap)
        if not 0 <= self.min_foreground <= 1:
            raise UsageError(f"min_foreground is a ratio, 0 to 1, got {self.min_foreground:g}.")
        if self.rule not in get_args(Rule):
            raise unknown("rule for the foreground of channels", self.rule, get_args(Rule))
        if self.planes not in get_args(Planes):
            raise unknown("choice of planes", self.planes, get_args(Planes))


@dataclass(frozen=True)
class StackPatches:
    """Every patch of one stack, kept or not.

    Attributes
    ----------
    name : str
    channels : tuple of str
    thresholds : mapping of str to float
        Otsu's, one per channel over all planes; what lies above is foreground.
    table : DataFrame
        One row per patch: ``patch, stack, side_px, z, y0_px, x0_px, foreground,
        foreground:<channel> ..., kept``.
    """

    name: str
    channels: tuple[str, ...]
    thresholds: Mapping[str, float]
    table: pd.DataFrame

    @property
    def kept(self) -> pd.DataFrame:
        """The patches that are dense enough."""
        return self.table[self.table["kept"]].reset_index(drop=True)


def as_stack(image: xr.DataArray, name: str, settings: PatchSettings) -> xr.DataArray:
    """An image as a stack ``C Z Y X`` of the channels that are wanted, still lazy.

    Raises
    ------
    UsageError
        A time axis; a channel that is not there; no channel left.
    """
    if "T" in image.dims:
        raise UsageError(
            f"{name}: has {image.sizes['T']} time points; choose one with --select T=0."
        )
    if "C" not in image.dims:
        image = image.expand_dims(C=["C0"])
    if "Z" not in image.dims:
        image = image.expand_dims(Z=1)
    have = [str(each) for each in image["C"].values]
    for asked in (*settings.exclude, *settings.channels):
        if asked not in have:
            raise unknown("channel", asked, have, f"In {name}.")
    wanted = [each for each in settings.channels or have if each not in settings.exclude]
    if not wanted:
        raise UsageError(f"{name}: every channel ({', '.join(have)}) is excluded; leave one in.")
    image = image.transpose("C", "Z", "Y", "X")
    if wanted != have:
        image = image.isel(C=[have.index(each) for each in wanted])
    if settings.planes == "max" and image.sizes["Z"] > 1:
        image = image.max("Z", keep_attrs=True).expand_dims("Z", axis=1)
    return image


def score_patches(
    image: xr.DataArray, name: str, settings: PatchSettings, sides_px: Sequence[int] = ()
) -> StackPatches:
    """Threshold a stack and count the foreground of every patch, in two passes over the pixels.

    Overlapping patches and several sizes share one pass: each px is counted once.

    Parameters
    ----------
    image : DataArray
        Axes from ``C Z Y X``; lazily backed stacks stream plane by plane.
    name : str
        Stands before ``#`` in the patches' names.
    settings : PatchSettings
    sides_px : sequence of int
        Sizes to try together; the one of the settings where empty.

    Raises
    ------
    UsageError
        A time axis, unknown channels, a plane smaller than every patch.
    InputError
        Damaged planes, values that are not finite.
    """
    stack = as_stack(image, name, settings)
    shape = (stack.sizes["Y"], stack.sizes["X"])
    sides = tuple(sides_px) or (settings.side_px,)
    places = [turned_places(shape, each, settings.overlap, settings.angle_deg) for each in sides]
    blocks = Blocks(places)
    if not blocks.places:
        turned = f" turned by {settings.angle_deg:g} degrees" if settings.angle_deg else ""
        raise UsageError(
            f"{name}: no patch of {min(sides)} px fits into {shape[0]} x {shape[1]} px{turned}; "
            "choose a smaller side."
        )
    channels = tuple(str(each) for each in stack["C"].values)
    levels = stack_levels(stack, name, settings.threads)
    thresholds = {channel: otsu_level(each) for channel, each in levels.items()}
    counts = _counts(stack, list(thresholds.values()), blocks, settings)
    table = pd.concat(
        [_table(name, channels, each, counts[k], settings) for k, each in enumerate(blocks.places)],
        ignore_index=True,
    )
    return StackPatches(name, channels, thresholds, table)


def cut_patches(
    image: xr.DataArray,
    patches: StackPatches,
    settings: PatchSettings,
    out: npt.NDArray[Any] | None = None,
) -> npt.NDArray[Any]:
    """The pixels of the patches that are kept, in raw units, in the order of the table.

    Planes without a patch to keep are not read.

    Parameters
    ----------
    image : DataArray
    patches : StackPatches
        Of one size.
    settings : PatchSettings
    out : array N C Y X, optional
        Filled instead of a new one (a memory map).

    Raises
    ------
    UsageError
        Patches of several sizes.
    """
    kept = patches.kept
    sides = sorted(int(each) for each in patches.table["side_px"].unique())
    if len(sides) != 1:
        raise UsageError(f"patches of one size can be cut together, got {sides}.")
    side = sides[0]
    stack = as_stack(image, patches.name, settings)
    if out is None:
        out = np.empty((len(kept), stack.sizes["C"], side, side), stack.dtype)
    target: npt.NDArray[Any] = out
    places = {
        int(str(z)): list(zip(rows.index, rows["y0_px"], rows["x0_px"], strict=True))
        for z, rows in kept.groupby("z")
    }

    def cut(mine: list[tuple[int, int]]) -> None:
        for c, z in mine:
            plane = _plane(stack, c, z, settings)
            for n, y, x in places[z]:
                target[n, c] = plane[y : y + side, x : x + side]

    share(cut, [(c, z) for c in range(stack.sizes["C"]) for z in places], settings.threads)
    return target


def at_side(patches: StackPatches, side_px: int) -> StackPatches:
    """Only the patches of one size.

    Raises
    ------
    UsageError
        A size that was not asked for.
    """
    sizes = [str(each) for each in patches.table["side_px"].unique()]
    if str(side_px) not in sizes:
        raise unknown("side of patches", str(side_px), sizes)
    mine = patches.table[patches.table["side_px"] == side_px]
    return replace(patches, table=mine.reset_index(drop=True))


def _plane(stack: xr.DataArray, c: int, z: int, settings: PatchSettings) -> npt.NDArray[Any]:
    plane = plane_of(stack, c, z)
    return turned_plane(plane, settings.angle_deg) if settings.angle_deg else plane


def _counts(
    stack: xr.DataArray, thresholds: Sequence[float], blocks: Blocks, settings: PatchSettings
) -> list[npt.NDArray[np.int64]]:
    """Pixels above the threshold, per size an array ``Z N C``."""
    depth, width = stack.sizes["Z"], stack.sizes["C"]
    out = [np.zeros((depth, len(each.y0_px), width), np.int64) for each in blocks.places]

    def count(mine: list[tuple[int, int]]) -> None:
        for c, z in mine:
            plane = _plane(stack, c, z, settings)
            level = plane.dtype.type(thresholds[c])
            found = blocks.counts(count_above(plane, level, blocks.rows, blocks.columns))
            for k, each in enumerate(found):
                out[k][z, :, c] = each

    share(count, [(c, z) for c in range(width) for z in range(depth)], settings.threads)
    return out


def _table(
    name: str,
    channels: Sequence[str],
    places: Places,
    counts: npt.NDArray[np.int64],
    settings: PatchSettings,
) -> pd.DataFrame:
    depth, n, _ = counts.shape
    ratio = counts.reshape(depth * n, len(channels)) / places.side_px**2
    by_rule = {"mean": ratio.mean(axis=1), "any": ratio.max(axis=1), "all": ratio.min(axis=1)}
    foreground = by_rule[settings.rule]
    z = np.repeat(np.arange(depth), n)
    y, x = np.tile(places.y0_px, depth), np.tile(places.x0_px, depth)
    names = [
        patch_name(name, int(a), int(b), int(c), settings.angle_deg)
        for a, b, c in zip(z, y, x, strict=True)
    ]
    return pd.DataFrame(
        {
            "patch": names,
            "stack": name,
            "side_px": places.side_px,
            "z": z,
            "y0_px": y,
            "x0_px": x,
            "foreground": foreground,
            **{f"foreground:{each}": ratio[:, c] for c, each in enumerate(channels)},
            "kept": foreground >= settings.min_foreground,
        }
    )
