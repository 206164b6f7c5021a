"""Link the objects of one movie into a lineage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from lucyte.schema.errors import UsageError
from lucyte.schema.image import Length
from lucyte.schema.plan import TrackSettings
from lucyte.schema.tracks import Edit, Tracks
from lucyte.track.candidates import Pairs, mutual, nearby
from lucyte.track.corrections import (
    Corrections,
    corrected_couples,
    corrected_gains,
    corrected_pairs,
    find_corrections,
    is_pinned,
    with_pinned,
)
from lucyte.track.costs import link_gains, near_border
from lucyte.track.detections import Detections, Floats, read_detections
from lucyte.track.divisions import (
    Couples,
    Divisions,
    no_divisions,
    possible_couples,
    possible_divisions,
)
from lucyte.track.drift import field_shifts
from lucyte.track.fates import died
from lucyte.track.lineage import build_tracks, no_tracks
from lucyte.track.overlap import LabelsAt, Overlap, shared_area
from lucyte.track.rates import observed_rates
from lucyte.track.scale import Rates, Scales, estimate
from lucyte.track.solve import best_for_both
from lucyte.track.windows import solve_in_windows, window_frames


def link(
    nodes: pd.DataFrame,
    settings: TrackSettings,
    *,
    labels: LabelsAt | None = None,
    pixel_size_um: float | None = None,
    shape_yx: tuple[int, int] | None = None,
    edits: Sequence[Edit] = (),
) -> Tracks:
    """The best lineage of one movie.

    Parameters
    ----------
    nodes : DataFrame
        Objects of one movie and one kind: ``object_id, time_index, label, centroid_y_px,
        centroid_x_px, area_px, x0_px, y0_px, x1_px, y1_px`` and optionally ``intensity_mean_*``.
        Times at which nothing was found count as elapsed, not as missed.
    settings : TrackSettings
    labels : callable, optional
        Time index to label image, for the overlap of masks; without it boxes overlap.
    pixel_size_um : float, optional
        For a ``max_distance`` in um.
    shape_yx : tuple of int, optional
        Height and width of the image in px, for objects that leave or enter.
    edits : sequence of Edit
        A person's corrections of this movie; the rest is the best lineage that agrees with them.

    Returns
    -------
    Tracks
        Its ``notes`` name the corrections that fit no object.

    Raises
    ------
    UsageError
        A table that cannot be tracked, a length whose unit is unknown here, corrections that
        contradict each other.

    References
    ----------
    Jaqaman et al. 2008, doi:10.1038/nmeth.1237;
    Magnusson et al. 2015, doi:10.1109/TMI.2014.2370951
    """
    found = read_detections(nodes, shape_yx)
    reach = _length_px("max_distance", settings.max_distance, found, pixel_size_um)
    step_px = _length_px("usual_step", settings.usual_step, found, pixel_size_um)
    said = find_corrections(found, edits, labels)
    if not len(found):
        return replace(no_tracks(), notes=said.notes)
    shifts = field_shifts(found)
    pairs = nearby(found, shifts, reach or np.inf, settings.max_gap + 1)
    if edits:
        pairs = corrected_pairs(found, pairs, shifts, said)
    shared = shared_area(found, pairs, shifts, labels)
    sure = mutual(pairs, len(found))
    scales = _with_step(estimate(found, pairs, shared, sure, Rates()), step_px)
    couples = possible_couples(found, pairs, shared, scales)
    if edits:
        couples = corrected_couples(pairs, couples, said, len(found))
    gains, divisions = _worth(found, pairs, shared, couples, scales, said, settings)
    rough = best_for_both(len(found), pairs, gains, divisions)
    rates = observed_rates(found, pairs, divisions, rough, near_border(found, scales))
    scales = _with_step(estimate(found, pairs, shared, rough.links, rates), step_px)
    gains, divisions = _worth(found, pairs, shared, couples, scales, said, settings)
    window = window_frames(found, settings.window)
    solution = solve_in_windows(found.frame, pairs, gains, divisions, window)
    border = near_border(found, scales)
    pinned = is_pinned(pairs, said)
    tracks = build_tracks(found, pairs, gains, divisions, solution, border, pinned)
    return replace(tracks, tracks=died(found, tracks, border), notes=said.notes)


def _worth(
    found: Detections,
    pairs: Pairs,
    shared: Overlap,
    couples: Couples,
    scales: Scales,
    said: Corrections,
    settings: TrackSettings,
) -> tuple[Floats, Divisions]:
    """Gain of every link and division, what a person said included."""
    gains = link_gains(found, pairs, shared, scales)
    divisions = no_divisions()
    if settings.divisions:
        divisions = possible_divisions(found, pairs, gains, couples, scales)
    if len(said.wanted):
        divisions = with_pinned(pairs, divisions, said, couples)
        gains = corrected_gains(pairs, gains, said)
    return gains, divisions


def _length_px(
    name: str, value: str, found: Detections, pixel_size_um: float | None
) -> float | None:
    """A length setting in px, None for auto."""
    if value == "auto":
        return None
    diameter = 2 * float(np.median(found.radius)) if len(found) else 1.0
    length = Length.parse(value).px(pixel_size_um, diameter)
    if length <= 0:
        raise UsageError(f"{name} must be above 0, got {value!r}.")
    return length


def _with_step(scales: Scales, step_px: float | None) -> Scales:
    return scales if step_px is None else replace(scales, step_px=step_px)
