"""One mask per object to one label image, and what is odd about a label image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.schema.objects import Labels

MOST_LINES = 8
HUGE = 2**20
"""Labels above this are renumbered on the way to boxes, which a list per number would not bear."""


@dataclass(frozen=True)
class Piece:
    """The mask of one object, cut to its box.

    Attributes
    ----------
    y0, x0 : int
        Its first row and column in the image.
    mask : bool array, Y X
    """

    y0: int
    x0: int
    mask: npt.NDArray[np.bool_]

    @property
    def area(self) -> int:
        """Pixels of the object."""
        return int(np.count_nonzero(self.mask))

    @property
    def box(self) -> tuple[int, int, int, int]:
        """``x0, y0, x1, y1`` in px, half-open."""
        height, width = self.mask.shape
        return (self.x0, self.y0, self.x0 + width, self.y0 + height)


def piece_of(mask: npt.NDArray[np.bool_], y0: int = 0, x0: int = 0) -> Piece | None:
    """Cut a mask whose first pixel is ``y0, x0`` of the image to its box; None where empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    top, left = int(rows[0]), int(columns[0])
    cut = mask[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
    return Piece(y0 + top, x0 + left, cut.copy())


@dataclass(frozen=True)
class Painted:
    """Masks as a label image.

    Attributes
    ----------
    labels : int32 array, Y X
        Piece i as i + 1; where pieces overlap the smaller one is on top.
    overlaps : tuple of (label, label, px)
        Pairs that meet, each once.
    """

    labels: Labels
    overlaps: tuple[tuple[int, int, int], ...]


def paint(pieces: Sequence[Piece], shape_yx: tuple[int, int]) -> Painted:
    """Paint pieces, the largest first, into an image of this height and width (px)."""
    labels = np.zeros(shape_yx, dtype=np.int32)
    areas = np.array([piece.area for piece in pieces], dtype=np.int64)
    overlaps = []
    for index in np.argsort(-areas, kind="stable"):
        piece, label = pieces[index], int(index) + 1
        x0, y0, x1, y1 = piece.box
        window = labels[y0:y1, x0:x1]
        under, counts = np.unique(window[piece.mask], return_counts=True)
        for other, count in zip(under, counts, strict=True):
            if other:
                low, high = sorted((int(other), label))
                overlaps.append((low, high, int(count)))
        window[piece.mask] = label
    return Painted(labels, tuple(sorted(overlaps)))


def overlap_problems(overlaps: Sequence[tuple[int, int, int]]) -> list[str]:
    """Pairs of masks that overlap, one line each."""
    lines = [f"masks {a} and {b} overlap by {px} px" for a, b, px in overlaps]
    return shortened(lines, "pairs of masks overlap")


def present(labels: Labels) -> npt.NDArray[np.int64]:
    """The labels that occur, rising, without 0."""
    highest = int(labels.max(initial=0))
    if highest <= HUGE:
        found = np.flatnonzero(np.bincount(labels.ravel(), minlength=1))
    else:
        found = np.unique(labels)
    return found[found > 0].astype(np.int64)


def boxes_of(labels: Labels) -> npt.NDArray[np.float32]:
    """Boxes (``x0 y0 x1 y1``, px, half-open) of the rising labels, n x 4."""
    from scipy import ndimage

    if labels.max(initial=0) > HUGE:
        labels = np.searchsorted(np.unique(np.append(0, labels)), labels).astype(np.int32)
    slices = [found for found in ndimage.find_objects(labels) if found is not None]
    boxes = [(x.start, y.start, x.stop, y.stop) for y, x in slices]
    return np.array(boxes, dtype=np.float32).reshape(-1, 4)


def label_problems(labels: Labels) -> list[str]:
    """Labels that lie in several parts (8-connected) or have holes, one line each."""
    return shortened(_parts(labels), "labels lie in several parts") + shortened(
        _holes(labels), "labels have holes"
    )


def shortened(lines: list[str], what: str) -> list[str]:
    """The first lines, and one that counts the rest."""
    more = len(lines) - MOST_LINES
    return lines[:MOST_LINES] + ([f"{more} more {what}"] if more > 0 else [])


def components(image: npt.NDArray[Any], connectivity: int = 2) -> Labels:
    """Connected parts of equal value (Y X), numbered from 1; 0 stays 0.

    Parameters
    ----------
    image : integer or bool array, Y X
    connectivity : {1, 2}
        Whether neighbours share a side (1), or a corner too (2).
    """
    measure: Any = import_module("skimage.measure")  # untyped
    found: Labels = measure.label(image, connectivity=connectivity, background=0)
    return found.astype(np.int32)


def parts(labels: Labels) -> dict[int, int]:
    """In how many 8-connected parts each label lies."""
    found_parts = components(labels)
    owner = np.zeros(int(found_parts.max(initial=0)) + 1, dtype=np.int64)
    owner[found_parts.ravel()] = labels.ravel()
    found, counts = np.unique(owner[1:], return_counts=True)
    return {int(key): int(count) for key, count in zip(found, counts, strict=True)}


def _parts(labels: Labels) -> list[str]:
    return [f"label {k} lies in {count} parts" for k, count in parts(labels).items() if count > 1]


def _holes(labels: Labels) -> list[str]:
    """Background (4-connected) that meets one label and neither another nor the border."""
    ground = components(labels == 0, connectivity=1)
    sides = [(ground[:-1], labels[1:]), (ground[1:], labels[:-1])]
    sides += [(ground[:, :-1], labels[:, 1:]), (ground[:, 1:], labels[:, :-1])]
    meeting = [np.column_stack([g[m], k[m]]) for g, k in sides for m in [(g > 0) & (k > 0)]]
    pairs = np.unique(np.concatenate(meeting), axis=0)
    edge = np.unique(np.concatenate([ground[0], ground[-1], ground[:, 0], ground[:, -1]]))
    first, counts = np.unique(pairs[:, 0], return_counts=True)
    closed = np.setdiff1d(first[counts == 1], edge)
    sizes = np.bincount(ground.ravel(), minlength=1)
    holes: dict[int, list[int]] = {}
    for component, key in pairs[np.isin(pairs[:, 0], closed)]:
        holes.setdefault(int(key), []).append(int(sizes[component]))
    return [
        f"label {key} has a hole of {found[0]} px"
        if len(found) == 1
        else f"label {key} has {len(found)} holes ({sum(found)} px)"
        for key, found in sorted(holes.items())
    ]
