"""Measures of whole tracks and divisions: CT, TF, BC(i), CCA, CHOTA."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

from lucyte.stats.tracking_graph import LineageGraph, parents_of
from lucyte.stats.tracking_match import FrameMatch, IntArray

Partner = dict[int, int]


def one_to_one(match: FrameMatch) -> Partner:
    """Reference label to computed label, where the computed object covers no other."""
    names, counts = np.unique(match.pairs[:, 1], return_counts=True)
    single = set(names[counts == 1].tolist())
    return {int(r): int(c) for r, c in match.pairs if int(c) in single}


def complete_tracks(
    reference: LineageGraph, computed: LineageGraph, matches: Sequence[FrameMatch]
) -> float:
    """CT: F1 of tracks found whole, first to last frame; nan without reference tracks."""
    if not len(reference.tracks):
        return math.nan
    followed = _followed(reference, matches)
    spans = {int(row[0]): (int(row[1]), int(row[2])) for row in computed.tracks}
    complete = 0
    for label, begin, end, _ in reference.tracks:
        partners = {partner for _, partner in followed[int(label)]}
        if len(partners) == 1 and 0 not in partners:
            complete += spans[partners.pop()] == (int(begin), int(end))
    return 2 * complete / (len(reference.tracks) + len(computed.tracks))


def track_fractions(reference: LineageGraph, matches: Sequence[FrameMatch]) -> float:
    """TF: longest unbroken fraction of a reference track that one computed track follows.

    The mean over reference tracks that were found at all; nan where none was. The challenge's own
    program stops looking once a computed track follows some reference track whole, so that its
    value depends on the order of the labels; this one does not stop.
    """
    followed = _followed(reference, matches)
    fractions = []
    for label, begin, end, _ in reference.tracks:
        best = run = previous = 0
        before = -1
        for frame, partner in followed[int(label)]:
            same = partner > 0 and partner == previous and frame == before + 1
            run = run + 1 if same else int(partner > 0)
            best, previous, before = max(best, run), partner, frame
        if best:
            fractions.append(best / (end - begin + 1))
    return float(np.mean(fractions)) if fractions else math.nan


def branching(
    reference: IntArray, computed: IntArray, matches: Sequence[FrameMatch], tolerance: int
) -> tuple[int, int, int]:
    """Divisions found, found falsely, missed; each reference division is found at most once.

    A division is found where the mothers' last frames and the daughters' first frames differ by at
    most ``tolerance``, the mothers match in the last frame that both have, and the daughters match
    in the first frame that both have.
    """
    true_children, own_children = parents_of(reference), parents_of(computed)
    true = {mother: rows for mother, rows in true_children.items() if len(rows) > 1}
    own = {mother: rows for mother, rows in own_children.items() if len(rows) > 1}
    partners = [one_to_one(each) for each in matches]
    true_end = {int(row[0]): int(row[2]) for row in reference}
    own_end = {int(row[0]): int(row[2]) for row in computed}
    found: set[int] = set()
    for mother, daughters in own.items():
        for truth, true_daughters in true.items():
            late = abs(true_end[truth] - own_end[mother])
            if truth in found or late > tolerance or len(daughters) != len(true_daughters):
                continue
            common = min(true_end[truth], own_end[mother])
            if partners[common].get(truth) == mother and _same_daughters(
                true_daughters, daughters, partners, tolerance
            ):
                found.add(truth)
                break
    return len(found), len(own) - len(found), len(true) - len(found)


def cell_cycle_accuracy(reference: IntArray, computed: IntArray) -> float:
    """CCA: 1 minus the largest distance of the two distributions of cell cycle lengths.

    Lengths of tracks that begin and end with a division; nan where the reference has none, 0 where
    only the computed side has none.
    """
    true, own = _cycles(reference), _cycles(computed)
    if not len(true):
        return math.nan
    if not len(own):
        return 0.0
    grid = np.arange(max(true.max(), own.max()) + 1)
    below = [np.searchsorted(np.sort(each), grid, side="right") / len(each) for each in (true, own)]
    return float(1 - np.abs(below[0] - below[1]).max())


def chota(reference: LineageGraph, computed: LineageGraph, matches: Sequence[FrameMatch]) -> float:
    """CHOTA: detection and association at once, kin (ancestors, descendants) counting as one.

    nan without reference or computed objects on either side.
    """
    if not len(reference.label) or not len(computed.label):
        return math.nan if not len(reference.label) else 0.0
    rows, columns = reference.tracks[:, 0], computed.tracks[:, 0]
    pairs = np.concatenate([each.pairs for each in matches])
    shape = (len(rows), len(columns))
    place = (np.searchsorted(rows, pairs[:, 0]), np.searchsorted(columns, pairs[:, 1]))
    shared = sparse.csr_array((np.ones(len(pairs)), place), shape=shape)
    missed = _unmatched([each.reference for each in matches], matches, 0, rows)
    false = _unmatched([each.computed for each in matches], matches, 1, columns)
    kin_rows, kin_columns = _kin(reference.tracks), _kin(computed.tracks)
    total_rows = kin_rows @ (shared.sum(axis=1) + missed)
    total_columns = kin_columns @ (shared.sum(axis=0) + false)
    together = (kin_rows @ shared @ kin_columns.T).tocsr()
    cells = shared.tocoo()
    right = np.asarray(together[cells.row, cells.col]).ravel()
    score = cells.data * right / (total_rows[cells.row] + total_columns[cells.col] - right)
    return float(np.sqrt(score.sum() / (shared.sum() + missed.sum() + false.sum())))


def _followed(
    reference: LineageGraph, matches: Sequence[FrameMatch]
) -> dict[int, list[tuple[int, int]]]:
    """Per reference track: frames and the computed track that alone covers it, 0 for none."""
    followed: dict[int, list[tuple[int, int]]] = {int(row[0]): [] for row in reference.tracks}
    for frame, each in enumerate(matches):
        partners = one_to_one(each)
        for label in each.reference.tolist():
            followed[label].append((frame, partners.get(label, 0)))
    return followed


def _same_daughters(
    true: list[IntArray], own: list[IntArray], partners: list[Partner], tolerance: int
) -> bool:
    taken: set[int] = set()
    for label, begin, _, _ in true:
        for other, other_begin, _, _ in own:
            close = abs(int(begin) - int(other_begin)) <= tolerance
            common = max(int(begin), int(other_begin))
            if close and partners[common].get(int(label)) == int(other):
                taken.add(int(other))
                break
    return len(taken) == len(true)


def _cycles(tracks: IntArray) -> IntArray:
    dividing = [mother for mother, rows in parents_of(tracks).items() if len(rows) > 1]
    whole = np.isin(tracks[:, 0], dividing) & np.isin(tracks[:, 3], dividing)
    lengths: IntArray = tracks[whole, 2] - tracks[whole, 1]
    return lengths


def _unmatched(
    labels: list[IntArray], matches: Sequence[FrameMatch], side: int, names: IntArray
) -> npt.NDArray[np.float64]:
    lost = [
        np.setdiff1d(own, each.pairs[:, side]) for own, each in zip(labels, matches, strict=True)
    ]
    place = np.searchsorted(names, np.concatenate(lost)).astype(np.int64)
    return np.bincount(place, minlength=len(names)).astype(np.float64)


def _kin(tracks: IntArray) -> sparse.csr_array:
    """Rows: tracks; ones at the track itself, its ancestors and its descendants."""
    parent = {int(row[0]): int(row[3]) for row in tracks}
    place = {label: index for index, label in enumerate(parent)}
    rows, columns = [], []
    for label in parent:
        ancestor = label
        while ancestor:
            rows.append(place[label])
            columns.append(place[ancestor])
            ancestor = parent[ancestor]
    up = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(place),) * 2)
    return ((up + up.T) > 0).astype(np.float64).tocsr()
