"""Tracks: the lineage of a movie, and a person's corrections of it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

TRACK_COLUMNS = ("object_id", "time_index", "label", "track_id", "parent_track_id")
FATES = ("divides", "dies", "leaves", "ends")
ACTIONS = {"link": 2, "forbid": 2, "divide": 3, "end": 1, "start": 1}
"""What a correction can say, and of how many objects it speaks."""


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
        ``source_id, target_id, cost, kind, margin, edited``: kind ``link``, ``gap`` or
        ``division``; margin, in nats, by how much the choice beats its alternatives; edited,
        whether a person said so.
    tracks : DataFrame
        ``track_id, start, end, parent_track_id, fate, length, margin`` with a fate of ``FATES``.
        start and end are time indices, both inclusive; margin is that of the weakest edge, the
        one from the mother included (nan for a track without any).
    notes : tuple of str
        What could not be done as asked, one line each, such as a correction that fits no object.
    """

    nodes: pd.DataFrame
    edges: pd.DataFrame
    tracks: pd.DataFrame
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where an object is, so that it is found again under another number.

    Attributes
    ----------
    time_index : int or None
        None only where ``object_id`` tells.
    y_px, x_px : float or None
        Anywhere on the object.
    object_id : str or None
        Used where no place is given.
    """

    time_index: int | None = None
    y_px: float | None = None
    x_px: float | None = None
    object_id: str | None = None

    def __str__(self) -> str:
        if self.y_px is None or self.x_px is None:
            return f"object {self.object_id}"
        return f"frame {self.time_index}, y {self.y_px:g}, x {self.x_px:g} px"


@dataclass(frozen=True)
class Edit:
    """One correction.

    Attributes
    ----------
    line : int
        Of the file, counted from 1.
    action : str
        Of ``ACTIONS``: ``link`` a to b, ``forbid`` a to b, ``divide`` a into b and c, ``end``
        after a, ``start`` with a.
    places : tuple of Place
        a, b and c, as many as the action speaks of.
    field_id : str
        The movie; empty for a file about one movie only.
    """

    line: int
    action: str
    places: tuple[Place, ...]
    field_id: str = ""
