"""Tracks: the lineage of a movie."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

TRACK_COLUMNS = ("object_id", "time_index", "label", "track_id", "parent_track_id")


@dataclass(frozen=True)
class Tracks:
    """The lineage of the objects of one movie.

    Attributes
    ----------
    nodes : DataFrame
        ``object_id, time_index, label, track_id, parent_track_id, y_px, x_px``: one row per
        object of one kind. ``track_id`` counts from 1 in each movie; ``parent_track_id`` is 0 for
        none and constant along a track. A division ends the mother's track and starts two.
    edges : DataFrame
        ``source_id, target_id, cost, kind`` with kind ``link``, ``gap`` or ``division``.
    tracks : DataFrame
        ``track_id, start, end, parent_track_id, fate, length`` with fate ``divides``, ``dies``,
        ``leaves`` or ``ends``. start and end are time indices, both inclusive.
    """

    nodes: pd.DataFrame
    edges: pd.DataFrame
    tracks: pd.DataFrame
