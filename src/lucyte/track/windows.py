"""Long movies: solved window by window, each seeing beyond what it decides.

A window decides its frames but the last ``OVERLAP``, which it only looks at; the next window
begins there and finds the places taken that were decided before. So windows agree at the seams,
nothing is chosen twice, and memory is that of one window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lucyte.track.candidates import Pairs
from lucyte.track.costs import Bools
from lucyte.track.detections import Detections, Floats, Ints
from lucyte.track.divisions import Divisions
from lucyte.track.solve import Solution, solve

OVERLAP = 10
"""Frames that a window sees beyond those that it decides."""
WHOLE = 300_000
"""Objects up to which a movie is solved as a whole."""
AT_ONCE = 100_000
"""Objects in a window, about, where it is not."""


@dataclass
class _Taken:
    """Places that earlier windows took."""

    exits: Bools
    entrances: Bools
    born: Bools


def window_frames(found: Detections, window: int | Literal["auto"]) -> int:
    """Frames to decide at once.

    Parameters
    ----------
    window : int or "auto"
        Of ``TrackSettings``.
    """
    frames = len(found.times)
    if window != "auto":
        return max(1, window)
    if len(found) <= WHOLE:
        return frames
    return max(OVERLAP, round(AT_ONCE * frames / len(found)))


def solve_in_windows(
    frame: Ints, pairs: Pairs, gains: Floats, divisions: Divisions, window: int
) -> Solution:
    """Choose links and divisions window by window.

    Parameters
    ----------
    frame : int64 array
        Frame of each object, rising.
    pairs : Pairs
        Sorted by source.
    gains : float64 array
        Of the pairs in nats.
    window : int
        Frames to decide at once; as many as there are, or more: the whole movie.

    Returns
    -------
    Solution
        Without a proof (``bound`` is infinite) where there are several windows.
    """
    frames = int(frame[-1]) + 1 if len(frame) else 0
    if window >= frames:
        return solve(len(frame), pairs, gains, divisions)
    taken = _Taken(*(np.zeros(len(frame), bool) for _ in range(3)))
    parts = []
    for start in range(0, frames, window):
        left, right = np.searchsorted(frame[pairs.source], [start, start + window + OVERLAP])
        inside = np.arange(left, right)
        free = ~taken.exits[pairs.source[inside]] & ~taken.entrances[pairs.target[inside]]
        part = _one(frame, pairs, gains, divisions, inside[free], taken)
        parts.append(_decided(part, frame, pairs, divisions, start + window, taken))
    return Solution(
        links=np.concatenate([each.links for each in parts]),
        divisions=np.concatenate([each.divisions for each in parts]),
        link_margin=np.concatenate([each.link_margin for each in parts]),
        division_margin=np.concatenate([each.division_margin for each in parts]),
        gain=_gain(parts, gains, divisions),
        bound=np.inf,
        fractional=sum(each.fractional for each in parts),
    )


def _one(
    frame: Ints, pairs: Pairs, gains: Floats, divisions: Divisions, inside: Ints, taken: _Taken
) -> Solution:
    """The best choice among some candidates, as indices of all."""
    local = pairs.take(inside)
    lowest = int(local.source.min(initial=len(frame)))
    count = max(int(local.target.max(initial=lowest)) - lowest + 1, 0)
    moved = Pairs(
        local.source - lowest, local.target - lowest, local.step, local.skipped, local.elapsed
    )
    present = np.zeros(len(pairs), bool)
    present[inside] = True
    mother = pairs.source[divisions.first]
    usable = present[divisions.first] & present[divisions.second] & ~taken.born[mother]
    chosen = np.flatnonzero(usable)
    part = Divisions(
        np.searchsorted(inside, divisions.first[chosen]),
        np.searchsorted(inside, divisions.second[chosen]),
        divisions.gain[chosen],
    )
    found = solve(count, moved, gains[inside], part)
    return Solution(
        inside[found.links],
        chosen[found.divisions],
        found.link_margin,
        found.division_margin,
        found.gain,
        found.bound,
        found.fractional,
    )


def _decided(
    part: Solution, frame: Ints, pairs: Pairs, divisions: Divisions, end: int, taken: _Taken
) -> Solution:
    """What a window decides: choices whose source lies before ``end``; marks their places."""
    link = frame[pairs.source[part.links]] < end
    split = frame[pairs.source[divisions.first[part.divisions]]] < end
    links, chosen = part.links[link], part.divisions[split]
    one, two = divisions.first[chosen], divisions.second[chosen]
    taken.exits[pairs.source[np.concatenate([links, one])]] = True
    taken.entrances[pairs.target[np.concatenate([links, one, two])]] = True
    taken.born[pairs.target[np.concatenate([one, two])]] = True
    return Solution(
        links,
        chosen,
        part.link_margin[link],
        part.division_margin[split],
        part.gain,
        part.bound,
        part.fractional,
    )


def _gain(parts: list[Solution], gains: Floats, divisions: Divisions) -> float:
    links = sum(float(gains[each.links].sum()) for each in parts)
    return links + sum(float(divisions.gain[each.divisions].sum()) for each in parts)
