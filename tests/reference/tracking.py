"""Slow, independent definitions: lineage corrections by sets, the best lineage by enumeration."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

Node = tuple[int, int]


def matched(reference: np.ndarray, computed: np.ndarray) -> dict[int, int]:
    """Reference label to the computed label that covers more than half of it, pixel by pixel."""
    partner = {}
    for r in sorted(set(reference.ravel().tolist()) - {0}):
        inside = computed[reference == r].tolist()
        for c in set(inside) - {0}:
            if inside.count(c) > len(inside) / 2:
                partner[r] = c
    return partner


def edges_of(tracks: Sequence[Sequence[int]], movie: Sequence[np.ndarray]) -> dict:
    """Edges of a lineage to their meaning."""
    present = [set(frame.ravel().tolist()) - {0} for frame in movie]
    edges = {}
    for label, begin, end, parent in tracks:
        for t in range(begin, end):
            if label in present[t] and label in present[t + 1]:
                edges[(t, label), (t + 1, label)] = "inside"
        if parent:
            (last,) = [row[2] for row in tracks if row[0] == parent]
            edges[(last, parent), (begin, label)] = "parent"
    return edges


def corrections(
    true_tracks: Sequence[Sequence[int]],
    own_tracks: Sequence[Sequence[int]],
    true_movie: Sequence[np.ndarray],
    own_movie: Sequence[np.ndarray],
) -> dict[str, int]:
    """The corrections of Matula et al. 2015, one object and one edge at a time."""
    covers: dict[Node, list[Node]] = {}
    count = dict.fromkeys(("ns", "fn", "fp", "ed", "ea", "ec"), 0)
    for t, (true, own) in enumerate(zip(true_movie, own_movie, strict=True)):
        partner = matched(true, own)
        for label in set(own.ravel().tolist()) - {0}:
            covers[t, label] = [(t, r) for r, c in partner.items() if c == label]
        count["fn"] += len(set(true.ravel().tolist()) - {0}) - len(partner)
    for covered in covers.values():
        count["fp"] += not covered
        count["ns"] += max(len(covered) - 1, 0)
    truth, own_edges = edges_of(true_tracks, true_movie), edges_of(own_tracks, own_movie)
    found = set()
    for (a, b), meaning in own_edges.items():
        if len(covers[a]) != 1 or len(covers[b]) != 1:
            continue
        edge = (covers[a][0], covers[b][0])
        if edge not in truth:
            count["ed"] += 1
            continue
        found.add(edge)
        count["ec"] += truth[edge] != meaning
    count["ea"] = len(set(truth) - found)
    return count


def best_lineage(
    links: Mapping[tuple[int, int], float], divisions: Mapping[tuple[int, int, int], float]
) -> float:
    """Largest total gain over every admissible set of links and divisions."""
    choices = [(gain, {("out", i), ("in", j)}, None, ()) for (i, j), gain in links.items()]
    for (i, j, k), gain in divisions.items():
        choices.append((gain, {("out", i), ("in", j), ("in", k)}, i, (j, k)))

    def best(place: int, taken: frozenset, mothers: frozenset, born: frozenset) -> float:
        if place == len(choices):
            return 0.0
        without = best(place + 1, taken, mothers, born)
        gain, needs, mother, daughters = choices[place]
        clash = mother in born or set(daughters) & mothers
        if needs & taken or clash:
            return without
        own = frozenset() if mother is None else frozenset([mother])
        after = best(place + 1, taken | needs, mothers | own, born | set(daughters))
        return max(without, gain + after)

    return best(0, frozenset(), frozenset(), frozenset())


def link_gain(
    distance: float, log_areas: tuple[float, float], density: float, scales: object, ends: float
) -> float:
    """Gain of a direct link without overlap: two Student distributions and two rates."""
    step, tail = scales.step_px, scales.tail  # type: ignore[attr-defined]
    where = stats.multivariate_t.logpdf([distance, 0.0], shape=np.eye(2) * step**2, df=tail)
    before, after = log_areas
    same = stats.t.logpdf(after - before, 3, scale=scales.change[0])  # type: ignore[attr-defined]
    other = stats.t.logpdf(after, 3, scales.centre[0], scales.spread[0])  # type: ignore[attr-defined]
    return float(where - math.log(density) + same - other - ends)
