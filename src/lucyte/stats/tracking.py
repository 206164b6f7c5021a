"""How right is a lineage: the Cell Tracking Challenge's measures, edge and division F1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError
from lucyte.stats.tracking_biology import (
    branching,
    cell_cycle_accuracy,
    chota,
    complete_tracks,
    track_fractions,
)
from lucyte.stats.tracking_graph import LineageGraph, lineage_graph, sides
from lucyte.stats.tracking_match import FrameMatch, IntArray, match_frame

__all__ = ["AogmCounts", "TrackingScores", "aogm_counts", "match_frame", "tracking_scores"]

SPLIT, MISSED, FALSE, REDUNDANT_EDGE, MISSING_EDGE, WRONG_EDGE = 5.0, 10.0, 1.0, 1.0, 1.5, 1.0


@dataclass(frozen=True)
class AogmCounts:
    """The corrections that turn the computed lineage into the reference.

    Attributes
    ----------
    ns, fn, fp : int
        Computed objects to split, objects to add, objects to delete.
    ed, ea, ec : int
        Edges to delete, to add, to change in meaning (inside a track, or parent to child).
    vertices, edges : int
        Of the reference.
    computed_edges : int
        Of the computed lineage, whatever their ends.
    common_edges : int
        Edges found on both sides, whatever their meaning.
    """

    ns: int
    fn: int
    fp: int
    ed: int
    ea: int
    ec: int
    vertices: int
    edges: int
    computed_edges: int
    common_edges: int

    @property
    def nodes_cost(self) -> float:
        """Weighted corrections of objects."""
        return SPLIT * self.ns + MISSED * self.fn + FALSE * self.fp

    @property
    def edges_cost(self) -> float:
        """Weighted corrections of edges."""
        return REDUNDANT_EDGE * self.ed + MISSING_EDGE * self.ea + WRONG_EDGE * self.ec

    @property
    def det(self) -> float:
        """Detection, 1 is perfect; nan without reference objects."""
        return _normalised(self.nodes_cost, MISSED * self.vertices)

    @property
    def lnk(self) -> float:
        """Linking, 1 is perfect; nan without reference edges."""
        return _normalised(self.edges_cost, MISSING_EDGE * self.edges)

    @property
    def tra(self) -> float:
        """Tracking, 1 is perfect; nan without reference objects."""
        scratch = MISSED * self.vertices + MISSING_EDGE * self.edges
        return _normalised(self.nodes_cost + self.edges_cost, scratch)

    @property
    def edge_f1(self) -> float:
        """F1 of edges; nan where neither side has any."""
        both = self.edges + self.computed_edges
        return 2 * self.common_edges / both if both else math.nan


@dataclass(frozen=True)
class TrackingScores:
    """The measures of one sequence; all but the counts run from 0 to 1, and more is better.

    Attributes
    ----------
    values : mapping of str to float
        ``DET``, ``LNK``, ``TRA``, ``CT``, ``TF``, ``CCA``, ``CHOTA``, ``BC(i)``, ``edge_f1``,
        ``division_f1(i)``; nan where undefined.
    reasons : mapping of str to str
        Why a value is nan.
    counts : AogmCounts
    """

    values: Mapping[str, float]
    reasons: Mapping[str, str]
    counts: AogmCounts


def aogm_counts(
    reference: LineageGraph, computed: LineageGraph, matches: Sequence[FrameMatch]
) -> AogmCounts:
    """Count corrections: objects by matches, edges between objects that match one to one.

    References
    ----------
    Matula et al. 2015, doi:10.1371/journal.pone.0144959
    """
    frames = np.repeat(np.arange(len(matches)), [len(each.pairs) for each in matches])
    pairs = np.concatenate([np.zeros((0, 2), np.int64), *(each.pairs for each in matches)])
    matched = np.column_stack(
        [reference.find(frames, pairs[:, 0]), computed.find(frames, pairs[:, 1])]
    )
    covers = np.bincount(matched[:, 1], minlength=len(computed.frame))
    image = np.full(len(computed.frame), -1, dtype=np.int64)
    alone = covers[matched[:, 1]] == 1
    image[matched[alone, 1]] = matched[alone, 0]

    ends = image[computed.edges]
    comparable = (ends >= 0).all(axis=1)
    mapped = _edge_code(ends[comparable], reference)
    meaning = computed.is_parent_link[comparable]
    truth = _edge_code(reference.edges, reference)
    order = np.argsort(truth)
    place = np.searchsorted(truth[order], mapped)
    place = np.minimum(place, max(len(truth) - 1, 0))
    common = truth[order][place] == mapped if len(truth) else np.zeros(len(mapped), bool)
    wrong = reference.is_parent_link[order][place[common]] != meaning[common]
    return AogmCounts(
        ns=int(np.maximum(covers - 1, 0).sum()),
        fn=len(reference.frame) - len(matched),
        fp=int((covers == 0).sum()),
        ed=int((~common).sum()),
        ea=len(truth) - int(common.sum()),
        ec=int(wrong.sum()),
        vertices=len(reference.frame),
        edges=len(truth),
        computed_edges=len(computed.edges),
        common_edges=int(common.sum()),
    )


def tracking_scores(
    reference_tracks: npt.ArrayLike,
    computed_tracks: npt.ArrayLike,
    matches: Sequence[FrameMatch],
    *,
    tolerances: Sequence[int] = (0, 1, 2, 3),
) -> TrackingScores:
    """Score one sequence.

    Parameters
    ----------
    reference_tracks, computed_tracks : array_like, n x 4
        ``L B E P`` of the Cell Tracking Challenge; frames count from 0.
    matches : sequence of FrameMatch
        One per frame; labels are the tracks' (see ``FrameMatch.renamed``).
    tolerances : sequence of int
        Frames by which a division may be early or late.

    Raises
    ------
    UsageError
        Tables that contradict themselves or the masks; a negative tolerance.

    References
    ----------
    Matula et al. 2015, doi:10.1371/journal.pone.0144959;
    Ulman et al. 2017, doi:10.1038/nmeth.4473;
    Kaiser et al. 2024, doi:10.48550/arXiv.2408.11571 (CHOTA)
    """
    if any(each < 0 for each in tolerances):
        raise UsageError(f"tolerances are frames, 0 or more, got {list(tolerances)}.")
    reference_labels, computed_labels = sides(matches)
    reference = lineage_graph(reference_tracks, reference_labels, "reference tracks")
    computed = lineage_graph(computed_tracks, computed_labels, "computed tracks")
    counts = aogm_counts(reference, computed, matches)
    values = {
        "DET": counts.det,
        "LNK": counts.lnk,
        "TRA": counts.tra,
        "CT": complete_tracks(reference, computed, matches),
        "TF": track_fractions(reference, matches),
        "CCA": cell_cycle_accuracy(reference.tracks, computed.tracks),
        "CHOTA": chota(reference, computed, matches),
        "edge_f1": counts.edge_f1,
    }
    for tolerance in tolerances:
        hits, false, missed = branching(reference.tracks, computed.tracks, matches, tolerance)
        f1 = 2 * hits / (2 * hits + false + missed) if hits + false + missed else math.nan
        values[f"BC({tolerance})"] = f1 if hits + missed else math.nan
        values[f"division_f1({tolerance})"] = f1
    reasons = {name: _reason(name) for name, value in values.items() if math.isnan(value)}
    return TrackingScores(values, reasons, counts)


def _reason(name: str) -> str:
    known = {
        "LNK": "the reference has no edges",
        "edge_f1": "neither side has edges",
        "CCA": "no reference track begins and ends with a division",
        "TF": "no reference track was found at all",
    }
    if name.startswith("BC"):
        return "the reference has no divisions"
    if name.startswith("division"):
        return "neither side has divisions"
    return known.get(name, "the reference has no objects")


def _normalised(cost: float, scratch: float) -> float:
    return 1.0 - min(cost, scratch) / scratch if scratch else math.nan


def _edge_code(edges: IntArray, graph: LineageGraph) -> IntArray:
    return edges[:, 0] * np.int64(max(len(graph.frame), 1)) + edges[:, 1]
