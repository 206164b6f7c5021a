"""Link the objects of one movie into a lineage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from lucyte.schema.errors import UsageError
from lucyte.schema.image import Length
from lucyte.schema.plan import TrackSettings
from lucyte.schema.tracks import Tracks
from lucyte.track.candidates import mutual, nearby
from lucyte.track.costs import link_gains, near_border
from lucyte.track.detections import Detections, read_detections
from lucyte.track.divisions import no_divisions, possible_couples, possible_divisions
from lucyte.track.drift import field_shifts
from lucyte.track.lineage import build_tracks, no_tracks
from lucyte.track.overlap import LabelsAt, shared_area
from lucyte.track.rates import observed_rates
from lucyte.track.scale import Rates, Scales, estimate
from lucyte.track.solve import best_for_both, solve


def link(
    nodes: pd.DataFrame,
    settings: TrackSettings,
    *,
    labels: LabelsAt | None = None,
    pixel_size_um: float | None = None,
    shape_yx: tuple[int, int] | None = None,
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

    Returns
    -------
    Tracks

    Raises
    ------
    UsageError
        A table that cannot be tracked, or a length whose unit is unknown here.

    References
    ----------
    Jaqaman et al. 2008, doi:10.1038/nmeth.1237;
    Magnusson et al. 2015, doi:10.1109/TMI.2014.2370951
    """
    found = read_detections(nodes, shape_yx)
    reach = _length_px("max_distance", settings.max_distance, found, pixel_size_um)
    step_px = _length_px("usual_step", settings.usual_step, found, pixel_size_um)
    if not len(found):
        return no_tracks()
    shifts = field_shifts(found)
    pairs = nearby(found, shifts, reach or np.inf, settings.max_gap + 1)
    shared = shared_area(found, pairs, shifts, labels)
    sure = mutual(pairs, len(found))
    scales = _with_step(estimate(found, pairs, shared, sure, Rates()), step_px)
    couples = possible_couples(found, pairs, shared, scales)
    for choose in (best_for_both, solve):
        gains = link_gains(found, pairs, shared, scales)
        divisions = no_divisions()
        if settings.divisions:
            divisions = possible_divisions(found, pairs, gains, couples, scales)
        solution = choose(len(found), pairs, gains, divisions)
        if choose is not solve:
            rates = observed_rates(found, pairs, divisions, solution, near_border(found, scales))
            learned = estimate(found, pairs, shared, solution.links, rates)
            scales = _with_step(learned, step_px)
    return build_tracks(found, pairs, gains, divisions, solution, near_border(found, scales))


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
