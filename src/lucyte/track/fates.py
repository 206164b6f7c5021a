"""How a track ends: a death is claimed only where its last look says so.

A dying cell shrinks and condenses, so that it is brighter per pixel. Both must be seen, at least
``SHRINK`` and ``CONDENSE`` against the track's own past, well inside the image, and the track must
be long enough for there to be a past. Without intensities no death is claimed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lucyte.schema.tracks import Tracks
from lucyte.track.detections import Detections, Floats

SHRINK = 0.65
"""Area of a dying cell over its own usual area, at most."""
CONDENSE = 1.2
"""Mean intensity of a dying cell over its own usual one in the channel that rises most."""
PAST = 3
"""Objects of a track, beside the last two, that must tell what is usual."""
INSIDE = 0.1
"""Nearness to the border above which nothing is said of death."""


def died(found: Detections, tracks: Tracks, border: Floats) -> pd.DataFrame:
    """The table of tracks with fate ``dies`` where the evidence is strong.

    Parameters
    ----------
    found : Detections
        In the order of ``tracks.nodes``.
    tracks : Tracks
    border : float64 array
        Nearness of each object to the image's edge, 0 to 1.
    """
    table = tracks.tracks
    if not found.light.shape[1] or not len(table):
        return table
    light = found.light - _usual_of_frame(found)
    order = np.argsort(tracks.nodes["track_id"].to_numpy(), kind="stable")
    rows = np.split(order, np.cumsum(table["length"].to_numpy())[:-1])
    final = int(found.times[-1])
    fate = table["fate"].to_numpy(dtype=object).copy()
    for index, own in enumerate(rows):
        lost = fate[index] == "ends" and found.time[own[-1]] < final
        if not lost or len(own) < PAST + 2 or border[own[-1]] > INSIDE:
            continue
        shrunk, condensed = last_look(np.log(found.area[own]), light[own])
        if shrunk <= np.log(SHRINK) and condensed >= np.log(CONDENSE):
            fate[index] = "dies"
    return table.assign(fate=fate)


def last_look(area: Floats, light: Floats) -> tuple[float, float]:
    """Change of log area and of the log intensity that rises most, last object against the past.

    Parameters
    ----------
    area : float64 array
        Logarithms along one track.
    light : float64 array, n x channels
    """
    past = slice(max(0, len(area) - 12), -2)
    change = light[-1] - np.median(light[past], axis=0)
    return float(area[-1] - np.median(area[past])), float(change.max())


def _usual_of_frame(found: Detections) -> Floats:
    """Median log intensity of each object's frame: lamps and dyes fade for all alike."""
    medians = np.zeros((len(found.times), found.light.shape[1]))
    for frame in range(len(found.times)):
        medians[frame] = np.median(found.light[found.rows(frame)], axis=0)
    return medians[found.frame]
