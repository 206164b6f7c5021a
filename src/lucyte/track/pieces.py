"""Is this a label image at all? In one, a number is one object and so lies in one piece.

In a picture a grey value lies in many places, or hardly any two neighbours are equal; in a mask of
foreground all objects are one number. Linking any of them would give a lineage of nothing.
"""

from __future__ import annotations

import numpy as np

from lucyte.schema.objects import Labels
from lucyte.track.detections import Ints

SCATTERED = 5
"""Pieces of the median label beyond which an image is no label image."""
SPECK = 0.1
"""A piece below this share of its label's area does not count as another."""
DENSE = 0.25
"""Share of an image that is not background from which its labels must be more than specks."""
SPECK_PX = 4.0
"""Mean px of a piece up to which labels are specks."""


def pieces_of(labels: Labels) -> tuple[Ints, Ints]:
    """Labels present, and in how many pieces each lies (touching corners join), specks left out.

    Parameters
    ----------
    labels : int array, Y X or Z Y X
        0 is background.

    Returns
    -------
    names, pieces : int64 array
    """
    names, area, _ = _pieces(labels)
    at, inverse = np.unique(names, return_inverse=True)
    whole = np.bincount(inverse, area)
    large = area >= SPECK * whole[inverse]
    return at.astype(np.int64), np.bincount(inverse[large], minlength=len(at)).astype(np.int64)


def why_no_labels(labels: Labels) -> str:
    """What shows that an image is a picture or a mask; empty for a label image."""
    names, area, covered = _pieces(labels)
    if not len(names):
        return ""
    values, counts = np.unique(names, return_counts=True)
    scattered = float(np.median(counts)) > SCATTERED
    specks = covered > DENSE and area.mean() <= SPECK_PX
    if not (scattered or specks):
        return ""
    if len(values) == 1:
        return f"holds one number ({values[0]}) in {counts[0]:,} separate places: a mask, no labels"
    return f"holds {len(values):,} numbers in {len(names):,} separate places: a picture, no labels"


def _pieces(labels: Labels) -> tuple[Ints, Ints, float]:
    """Label and area of every connected piece, and the share of the image that they cover."""
    from skimage.measure import label as connected

    parts = np.asarray(connected(labels, background=0))  # type: ignore[no-untyped-call]
    flat = parts.ravel()
    names = np.zeros(int(flat.max(initial=0)) + 1, np.int64)
    names[flat] = np.asarray(labels).ravel()
    area = np.bincount(flat, minlength=len(names))
    return names[1:], area[1:], float(area[1:].sum() / max(flat.size, 1))
