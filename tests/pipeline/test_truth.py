"""Truth that has more frames than the run."""

from __future__ import annotations

import pandas as pd
import pytest

from lucyte.io.truth import CtcTruth
from lucyte.pipeline.truth import lineage_rows

FAMILY = [(1, 0, 3, 0), (2, 4, 9, 1), (3, 4, 6, 1), (4, 8, 9, 0)]
"""A mother over frames 0 to 3, her daughters, and a stranger from frame 8 on: L B E P."""


@pytest.mark.parametrize(
    ("times", "rows"),
    [
        (range(10), FAMILY),
        ((0, 1, 2), [(1, 0, 2, 0)]),
        ((3, 4, 5), [(1, 0, 0, 0), (2, 1, 2, 1), (3, 1, 2, 1)]),
        ((5, 6, 7, 8), [(2, 0, 3, 0), (3, 0, 1, 0), (4, 3, 3, 0)]),
        ((0, 2, 4), [(1, 0, 1, 0), (2, 2, 2, 1), (3, 2, 2, 1)]),
        ((10, 11), []),
    ],
    ids=["all", "before the division", "across it", "after it", "every other", "none"],
)
def test_a_lineage_seen_through_some_frames(
    times: range | tuple[int, ...], rows: list[tuple[int, ...]]
) -> None:
    tracks = pd.DataFrame(FAMILY, columns=["L", "B", "E", "P"])
    known = CtcTruth(tracks=tracks, markers={}, masks={})
    assert [tuple(row) for row in lineage_rows(known, list(times)).tolist()] == rows
