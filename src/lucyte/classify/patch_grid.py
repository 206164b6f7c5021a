"""Where patches lie in a plane, and how pixels are counted once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError

Ints = npt.NDArray[np.int64]


def step_px(side_px: int, overlap: float) -> int:
    """Distance between neighbouring patches, at least 1 px."""
    if side_px < 8:
        raise UsageError(f"a patch is 8 px or more on a side, got {side_px}.")
    if not 0 <= overlap < 1:
        raise UsageError(
            f"overlap is a share of the side, 0 to below 1 (0.5 for half), got {overlap:g}."
        )
    return max(1, round(side_px * (1 - overlap)))


def starts(length: int, side_px: int, overlap: float) -> Ints:
    """First px of every patch along an axis; none leaves the image.

    What remains at the far end and does not fill a patch is left out.
    """
    return np.arange(0, max(length - side_px, -1) + 1, step_px(side_px, overlap), dtype=np.int64)


@dataclass(frozen=True)
class Places:
    """Patches of one size in a plane.

    Attributes
    ----------
    side_px : int
    y0_px, x0_px : int64 arrays N
    """

    side_px: int
    y0_px: Ints
    x0_px: Ints


def grid(shape_yx: Sequence[int], side_px: int, overlap: float) -> Places:
    """The patches of a plane, row by row; none where the plane is smaller than a patch."""
    ys, xs = (starts(int(n), side_px, overlap) for n in shape_yx)
    y, x = np.meshgrid(ys, xs, indexing="ij")
    return Places(side_px, y.ravel(), x.ravel())


class Blocks:
    """The plane cut at every border of every patch, so that each px is counted once.

    A patch is a rectangle of whole blocks; its count comes from sums over the blocks, whatever
    the overlap and however many sizes are asked for together.
    """

    def __init__(self, places: Sequence[Places]) -> None:
        self.places = tuple(each for each in places if len(each.y0_px))
        self.rows = _borders([(each.y0_px, each.side_px) for each in self.places])
        self.columns = _borders([(each.x0_px, each.side_px) for each in self.places])

    def counts(self, blocks: Ints) -> list[Ints]:
        """Pixels per patch, one array per entry of ``places``, from pixels per block."""
        total = np.zeros((blocks.shape[0] + 1, blocks.shape[1] + 1), np.int64)
        total[1:, 1:] = blocks.cumsum(0).cumsum(1)
        out = []
        for each in self.places:
            top, bottom = (
                np.searchsorted(self.rows, each.y0_px + add) for add in (0, each.side_px)
            )
            left, right = (
                np.searchsorted(self.columns, each.x0_px + add) for add in (0, each.side_px)
            )
            out.append(
                total[bottom, right] - total[top, right] - total[bottom, left] + total[top, left]
            )
        return out


def patch_name(stack: str, z: int, y0_px: int, x0_px: int, angle_deg: float = 0.0) -> str:
    """``stack.tif#z03y0350x0700``; ``r030`` follows where the image was turned."""
    turned = f"r{angle_deg:03g}" if angle_deg else ""
    return f"{stack}#z{z:02d}y{y0_px:04d}x{x0_px:04d}{turned}"


def _borders(spans: Sequence[tuple[Ints, int]]) -> Ints:
    ends = [np.concatenate([start, start + side]) for start, side in spans]
    return np.unique(np.concatenate(ends)) if ends else np.zeros(1, np.int64)
