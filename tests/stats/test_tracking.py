"""Tracking measures against a slow twin and against py-ctcmetrics."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucyte.schema.errors import UsageError
from lucyte.schema.tracks import Tracks
from lucyte.stats.tracking import FrameMatch, match_frame, tracking_scores
from lucyte.stats.tracking_graph import ctc_lineage
from reference.tracking import corrections, edges_of, matched

FRAMES, LANES, SIDE = 10, 6, 4
Movie = list[np.ndarray]


def draw(cells: dict[int, list[int]]) -> np.ndarray:
    """One square per lane; a label in several lanes covers the space between them too."""
    image = np.zeros((SIDE, LANES * (SIDE + 1)), np.int32)
    for label, lanes in cells.items():
        image[:, min(lanes) * (SIDE + 1) : max(lanes) * (SIDE + 1) + SIDE] = label
    return image


def true_lineage(rng: np.random.Generator) -> tuple[list[list[int]], list[dict[int, int]]]:
    """Tracks that divide and die in lanes; the lane of every label in every frame."""
    tracks = [[label, 0, -1, 0] for label in (1, 2, 3)]
    lane = {1: 0, 2: 2, 3: 4}
    frames = []
    for t in range(FRAMES):
        frames.append(dict(lane))
        for label in list(lane):
            free = lane[label] + 1
            if t < FRAMES - 1 and rng.random() < 0.15 and free not in lane.values():
                tracks[label - 1][2] = t
                place = lane.pop(label)
                for own in (place, min(free, LANES - 1)):
                    if own in lane.values():
                        continue
                    tracks.append([len(tracks) + 1, t + 1, -1, label])
                    lane[len(tracks)] = own
            elif t < FRAMES - 1 and rng.random() < 0.04 and len(lane) > 1:
                tracks[label - 1][2] = t
                del lane[label]
    for label in lane:
        tracks[label - 1][2] = FRAMES - 1
    return tracks, frames


def spoil(
    tracks: list[list[int]], frames: list[dict[int, int]], rng: np.random.Generator
) -> tuple[list[list[int]], Movie]:
    """A computed lineage: objects missed, merged and invented, tracks broken, parents lost."""
    names: dict[int, int] = {}
    rows: dict[int, list[int]] = {}
    movie = []
    parents = {row[0]: row[3] for row in tracks}
    last = {row[0]: row[2] for row in tracks}
    for t, lanes in enumerate(frames):
        own: dict[int, list[int]] = {}
        for label, lane in lanes.items():
            if rng.random() < 0.07:
                continue
            broken = rng.random() < 0.06
            if label not in names or broken or rows[names[label]][2] < t - 1:
                name = 50 - len(rows)
                mother = names.get(parents[label], 0)
                known = label in names and not broken
                kin = mother and rows[mother][2] == last[parents[label]] and label not in names
                parent = names[label] if known else mother if kin else 0
                if broken and label in names and rng.random() < 0.5:
                    parent = names[label]
                rows[name] = [name, t, t, parent]
                names[label] = name
            rows[names[label]][2] = t
            own[names[label]] = [lane]
        for a, b in zip(sorted(own), sorted(own)[1:], strict=False):
            adjacent = abs(own[a][0] - own[b][0]) == 1
            if adjacent and rng.random() < 0.3 and rows[b][1] < t and not _is_parent(rows, b):
                own[a] = own[a] + own.pop(b)
                rows[b][2] = t - 1
                break
        if rng.random() < 0.2 and LANES - 1 not in lanes.values():
            name = 50 - len(rows)
            rows[name] = [name, t, t, 0]
            own[name] = [LANES - 1]
        movie.append(draw(own))
    return [row for row in rows.values() if row[2] >= row[1]], movie


def _is_parent(rows: dict[int, list[int]], label: int) -> bool:
    return any(row[3] == label for row in rows.values())


def sequence(seed: int) -> tuple[list[list[int]], list[list[int]], Movie, Movie]:
    rng = np.random.default_rng(seed)
    tracks, frames = true_lineage(rng)
    true = [draw({label: [lane] for label, lane in lanes.items()}) for lanes in frames]
    own_tracks, own = spoil(tracks, frames, rng)
    # What was merged away may have lost its masks: keep rows that the masks bear out.
    present: dict[int, list[int]] = {}
    for t, image in enumerate(own):
        for label in set(image.ravel().tolist()) - {0}:
            present.setdefault(label, []).append(t)
    kept = {row[0]: row for row in own_tracks if row[0] in present}
    for label, row in kept.items():
        row[1], row[2] = min(present[label]), max(present[label])
    for row in kept.values():
        if row[3] not in kept or kept[row[3]][2] >= row[1]:
            row[3] = 0
    return tracks, list(kept.values()), true, own


def matches_of(true: Movie, own: Movie) -> list[FrameMatch]:
    return [match_frame(a, b) for a, b in zip(true, own, strict=True)]


def test_the_random_sequences_have_every_kind_of_error() -> None:
    total = dict.fromkeys(("ns", "fn", "fp", "ed", "ea", "ec"), 0)
    for seed in range(60):
        for name, count in corrections(*sequence(seed)).items():
            total[name] += count
    assert min(total.values()) > 0, total


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31))
def test_corrections_are_those_of_the_slow_twin(seed: int) -> None:
    tracks, own_tracks, true, own = sequence(seed)
    slow = corrections(tracks, own_tracks, true, own)
    scores = tracking_scores(tracks, own_tracks, matches_of(true, own))
    counts = scores.counts
    assert {name: getattr(counts, name) for name in slow} == slow
    edges = edges_of(tracks, true)
    objects = sum(len(np.unique(image)) - 1 for image in true)
    cost = 5 * slow["ns"] + 10 * slow["fn"] + slow["fp"]
    edge_cost = slow["ed"] + 1.5 * slow["ea"] + slow["ec"]
    whole = 10 * objects + 1.5 * len(edges)
    assert scores.values["TRA"] == pytest.approx(1 - min(cost + edge_cost, whole) / whole, abs=1e-9)
    linking = 1 - min(edge_cost, 1.5 * len(edges)) / (1.5 * len(edges))
    assert scores.values["LNK"] == pytest.approx(linking, abs=1e-9)


@pytest.mark.parametrize("seed", range(25))
def test_measures_are_those_of_py_ctcmetrics(seed: int) -> None:
    ctc = pytest.importorskip("ctc_metrics.metrics")
    from ctc_metrics.utils.representations import count_acyclic_graph_correction_operations as count

    tracks, own_tracks, true, own = sequence(seed)
    matches = matches_of(true, own)
    scores = tracking_scores(tracks, own_tracks, matches).values
    reference, computed = np.array(tracks), np.array(own_tracks)
    labels = [each.reference.tolist() for each in matches], [e.computed.tolist() for e in matches]
    mapped = [e.pairs[:, 0].tolist() for e in matches], [e.pairs[:, 1].tolist() for e in matches]
    edits = count(reference, computed, *labels, *mapped)
    assert scores["DET"] == pytest.approx(ctc.det(**edits), abs=1e-9)
    assert scores["LNK"] == pytest.approx(ctc.lnk(**edits), abs=1e-9)
    assert scores["TRA"] == pytest.approx(ctc.tra(**edits)[0], abs=1e-9)
    assert scores["CT"] == pytest.approx(ctc.ct(computed, reference, labels[0], *mapped), abs=1e-9)
    chota = ctc.chota(reference, computed, *labels, *mapped)["CHOTA"]
    assert scores["CHOTA"] == pytest.approx(chota, abs=1e-9)
    cca = ctc.cca(computed, reference)
    assert scores["CCA"] == pytest.approx(math.nan if cca is None else cca, abs=1e-9, nan_ok=True)
    for i in range(4):
        raw = ctc.raw_division_metrics(computed, reference, *mapped, i)
        bc = ctc.bc(*raw)
        expected = math.nan if bc is None else bc
        assert scores[f"BC({i})"] == pytest.approx(expected, abs=1e-9, nan_ok=True)
    # py-ctcmetrics stops at the first reference track that is followed whole; see the docstring.
    theirs = ctc.tf(reference, labels[0], *mapped)
    assert scores["TF"] >= theirs - 1e-9


def test_track_fractions_agree_where_no_track_is_followed_whole_and_leaves() -> None:
    ctc = pytest.importorskip("ctc_metrics.metrics")
    tracks = [[1, 0, 9, 0], [2, 0, 9, 0]]
    true = [draw({1: [0], 2: [3]}) for _ in range(10)]
    own = [draw({4: [0], 5: [3]} if t < 6 else {5: [0], 4: [3]}) for t in range(10)]
    matches = matches_of(true, own)
    own_tracks = [[4, 0, 9, 0], [5, 0, 9, 0]]
    labels = [each.reference.tolist() for each in matches]
    mapped = [e.pairs[:, 0].tolist() for e in matches], [e.pairs[:, 1].tolist() for e in matches]
    theirs = ctc.tf(np.array(tracks), labels, *mapped)
    assert theirs == pytest.approx(0.6), "premise: six of ten frames"
    ours = tracking_scores(tracks, own_tracks, matches).values["TF"]
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_perfect_tracking_scores_one() -> None:
    tracks, _, true, _ = sequence(1)
    assert any(row[3] for row in tracks), "premise: there are divisions"
    scores = tracking_scores(tracks, tracks, matches_of(true, true)).values
    assert all(value == 1 for value in scores.values() if not math.isnan(value))


def test_exactly_half_is_no_match() -> None:
    reference, computed = np.zeros((2, 4), int), np.zeros((2, 4), int)
    reference[:] = 1
    computed[:, :2], computed[:, 2:] = 5, 6
    assert match_frame(reference, computed).pairs.tolist() == []
    computed[0, 2] = 5
    assert match_frame(reference, computed).pairs.tolist() == [[1, 5]]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31))
def test_matches_are_those_of_the_slow_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(0, 4, (5, 6)).repeat(rng.integers(1, 3), axis=0) for _ in range(2))
    size = min(len(a), len(b))
    found = match_frame(a[:size], b[:size])
    expected = matched(a[:size], np.where(b[:size] == 0, 0, b[:size]))
    assert dict(found.pairs.tolist()) == {r: c for r, c in expected.items() if c}


def test_undefined_measures_say_why() -> None:
    still = [[1, 0, 0, 0]]
    scores = tracking_scores(still, still, matches_of([draw({1: [0]})], [draw({1: [0]})]))
    assert math.isnan(scores.values["LNK"])
    assert scores.reasons["LNK"] == "the reference has no edges"
    assert scores.reasons["BC(0)"] == "the reference has no divisions"
    assert scores.reasons["division_f1(0)"] == "neither side has divisions"
    assert scores.reasons["CCA"] == "no reference track begins and ends with a division"
    empty = tracking_scores([], [], matches_of([draw({})], [draw({})]))
    assert set(empty.reasons) == set(empty.values)
    assert empty.reasons["TRA"] == "the reference has no objects"


def test_false_division_without_true_ones_is_no_hit() -> None:
    tracks = [[1, 0, 3, 0], [2, 0, 3, 0]]
    own_tracks = [[1, 0, 1, 0], [3, 2, 3, 1], [2, 0, 1, 0], [4, 2, 3, 1]]
    true = [draw({1: [0], 2: [1]}) for _ in range(4)]
    own = true[:2] + [draw({3: [0], 4: [1]}) for _ in range(2)]
    scores = tracking_scores(tracks, own_tracks, matches_of(true, own))
    assert scores.values["division_f1(0)"] == 0
    assert math.isnan(scores.values["BC(0)"])


def test_late_division_counts_within_the_tolerance() -> None:
    tracks = [[1, 0, 3, 0], [2, 4, 9, 1], [3, 4, 9, 1]]
    own_tracks = [[1, 0, 5, 0], [2, 6, 9, 1], [3, 6, 9, 1]]
    true = [draw({1: [0]}) if t < 4 else draw({2: [0], 3: [1]}) for t in range(10)]
    own = [draw({1: [0]}) if t < 6 else draw({2: [0], 3: [1]}) for t in range(10)]
    scores = tracking_scores(tracks, own_tracks, matches_of(true, own)).values
    assert [scores[f"division_f1({i})"] for i in range(4)] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("tracks", "problem"),
    [
        ([[1, 0, 1]], "need four columns L B E P"),
        ([[1, 0, 1, 0], [1, 0, 1, 0]], "track 1 is listed twice"),
        ([[1, 1, 0, 0]], "track 1 ends at 0, before it begins at 1"),
        ([[1, 0, 1, 7]], "has parent 7, which is not listed"),
        ([[1, 0, 1, 2], [2, 0, 1, 0]], "a parent ends before its child begins"),
        ([[2, 0, 1, 0]], "label 1 in frame 0 is in no track"),
        ([[1, 0, 0, 0]], "its track lasts from 0 to 0"),
    ],
)
def test_contradictions_are_refused(tracks: list[list[int]], problem: str) -> None:
    true = [draw({1: [0]}), draw({1: [0]})]
    with pytest.raises(UsageError, match=problem):
        tracking_scores(tracks, [[1, 0, 1, 0]], matches_of(true, true))


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(
        UsageError, match=r"one shape, got reference \(2, 2\) and computed \(2, 3\)"
    ):
        match_frame(np.zeros((2, 2), int), np.zeros((2, 3), int))


def test_unknown_mask_is_named() -> None:
    found = match_frame(draw({1: [0], 2: [2]}), draw({1: [0], 2: [2]}))
    with pytest.raises(UsageError, match=r"labels \[2\] are in the image but in no track"):
        found.renamed(computed={1: 9})


def test_a_track_with_a_hole_becomes_two_in_the_form_of_the_challenge() -> None:
    times, track, parent = [0, 1, 3, 4, 5, 5], [1, 1, 1, 1, 2, 3], [0, 0, 0, 0, 1, 1]
    nodes = pd.DataFrame(
        {
            "object_id": list("abcdef"),
            "time_index": times,
            "label": [7, 3, 5, 5, 1, 2],
            "track_id": track,
            "parent_track_id": parent,
            "y_px": 0.0,
            "x_px": 0.0,
        }
    )
    lbep, names = ctc_lineage(Tracks(nodes, pd.DataFrame(), pd.DataFrame()))
    assert lbep.tolist() == [[1, 0, 1, 0], [2, 3, 4, 1], [3, 5, 5, 2], [4, 5, 5, 2]]
    assert names == [{7: 1}, {3: 1}, {}, {5: 2}, {5: 2}, {1: 3, 2: 4}]
    with pytest.raises(UsageError, match="tracks have objects at time 5"):
        ctc_lineage(Tracks(nodes, pd.DataFrame(), pd.DataFrame()), times=range(5))
