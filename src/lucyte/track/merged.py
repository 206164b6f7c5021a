"""Objects that are two cells for a few frames: two go in, two come out.

Frame by frame, who lies in whom: an object of a neighbouring frame lies in another where that holds
at least half of it. A run begins with an object that holds two of the frame before, goes on while
one object holds one, and ends with one that holds two of the next frame. Such a run is a merged
pair where its area is about that of both, and both were apart for two frames before or after.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from lucyte.schema.objects import Labels
from lucyte.track.detections import Detections, Ints
from lucyte.track.overlap import LabelsAt

LONGEST = 3
"""Frames in which a pair may be one object."""
INSIDE = 0.5
"""Share of an object that must lie in the merged one."""
TOGETHER = 0.7, 1.4
"""Area of the merged object over that of both, at least and at most."""


@dataclass(frozen=True)
class MergedRun:
    """A pair that is one object for some frames.

    Attributes
    ----------
    merged : tuple of int
        Indices of the objects that are two, by time.
    before, after : tuple of int
        Indices of the pair in the frames around, in the same order of cells.
    """

    merged: tuple[int, ...]
    before: tuple[int, int]
    after: tuple[int, int]


def merged_runs(found: Detections, labels: LabelsAt) -> list[MergedRun]:
    """All merged pairs of a movie, in order of time.

    Parameters
    ----------
    labels : callable
        Time index to label image, Y X.
    """
    earlier, later = _who_lies_in_whom(found, labels)
    runs = []
    for first in sorted(earlier):
        if len(earlier[first]) != 2:
            continue
        run = [first]
        while len(run) < LONGEST and len(later[run[-1]]) == 1:
            (following,) = later[run[-1]]
            if earlier[following] != [run[-1]]:
                break
            run.append(following)
        if len(later[run[-1]]) == 2:
            runs.append(_paired(found, run, earlier[first], later[run[-1]]))
    return [
        each
        for each in runs
        if _is_pair(found, each)
        and (_are_apart(each.before, earlier) or _are_apart(each.after, later))
    ]


def _who_lies_in_whom(
    found: Detections, labels: LabelsAt
) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Of each object, the objects of the frame before, and of the next, that lie in it."""
    earlier: dict[int, list[int]] = defaultdict(list)
    later: dict[int, list[int]] = defaultdict(list)
    names = [_index_of(found, frame) for frame in range(len(found.times))]
    held = np.asarray(labels(int(found.times[0])))
    for frame in range(1, len(found.times)):
        image = np.asarray(labels(int(found.times[frame])))
        if image.shape == held.shape:
            for a, b, px in _common(held, image):
                one, two = names[frame - 1].get(a), names[frame].get(b)
                if one is None or two is None:
                    continue
                if px >= INSIDE * found.area[one]:
                    earlier[two].append(one)
                if px >= INSIDE * found.area[two]:
                    later[one].append(two)
        held = image
    return earlier, later


def _common(a: Labels, b: Labels) -> list[tuple[int, int, int]]:
    both = (a > 0) & (b > 0)
    pairs, counts = np.unique(np.stack([a[both], b[both]]), axis=1, return_counts=True)
    return [(int(x), int(y), int(n)) for (x, y), n in zip(pairs.T, counts, strict=True)]


def _index_of(found: Detections, frame: int) -> dict[int, int]:
    rows = found.rows(frame)
    return dict(zip(found.label[rows].tolist(), range(rows.start, rows.stop), strict=True))


def _paired(found: Detections, run: list[int], before: list[int], after: list[int]) -> MergedRun:
    a, b = before
    c, d = after
    straight = np.hypot(*(found.yx[[a, b]] - found.yx[[c, d]]).T).sum()
    crossed = np.hypot(*(found.yx[[a, b]] - found.yx[[d, c]]).T).sum()
    pair = (c, d) if straight <= crossed else (d, c)
    return MergedRun(tuple(run), (a, b), pair)


def _is_pair(found: Detections, run: MergedRun) -> bool:
    """Whether areas say that both are in the one."""
    around = found.area[list(run.before)].sum() / 2 + found.area[list(run.after)].sum() / 2
    share: Ints = found.area[list(run.merged)] / around
    return bool((share >= TOGETHER[0]).all() and (share <= TOGETHER[1]).all())


def _are_apart(pair: tuple[int, int], beyond: dict[int, list[int]]) -> bool:
    """Whether both cells are seen apart in one more frame: two in one frame may be chance."""
    one, two = (beyond[each] for each in pair)
    return len(one) == 1 and len(two) == 1 and one != two
