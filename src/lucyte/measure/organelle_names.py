"""Names of organelle columns: per organelle, and summed up per parent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

Row = tuple[str, str, Literal["channel", "pair"], Literal["relatives"], str, bool]

SHAPE = {
    "size_px": "size (px in a plane, cubic px in a stack) of {0}",
    "long_axis_px": "length of {0}",
    "elongation": "length over width of {0}",
    "roundness": "circularity or sphericity of {0}",
    "solidity": "share of the hull that {0} fill",
    "skeleton_length_px": "length of the centre lines of {0}",
    "branches_count": "branches of {0}",
    "ends_count": "free ends of {0}",
    "junctions_count": "branching points of {0}",
}
"""Columns of one organelle's shape, with words."""
PLACE = {
    "nucleus_distance_px": "distance of {0} to the nucleus",
    "edge_distance_px": "distance of {0} to the cell's edge",
    "place": "place of {0} between nucleus (0) and edge (1)",
    "neighbour1_distance_px": "distance of {0} to the nearest of their kind",
    "neighbour3_distance_px": "distance of {0} to the third nearest of their kind",
    "neighbour5_distance_px": "distance of {0} to the fifth nearest of their kind",
    "neighbour9_distance_px": "distance of {0} to the ninth nearest of their kind",
}
"""Columns of one organelle's place, with words."""
STATISTICS = {
    "median": "median",
    "mad": "spread (median absolute deviation)",
    "q10": "low end (10 %)",
    "q90": "high end (90 %)",
}
"""How organelles of a parent are summed up, with words."""
WHOLE = {
    "organelle_count": "number of {0}",
    "organelle_size_total_px": "size of all {0} together",
    "organelle_fraction": "share of the {object} that {0} fill",
    "organelle_branching_per_px": "branching points per length of {0}",
    "organelle_polarity": "offset of the centre of {0} from that of the {object}, over its radius",
    "organelle_inner_share": "share of {0} in the inner third between nucleus and edge",
    "organelle_outer_share": "share of {0} in the outer third between nucleus and edge",
}
"""Columns of a parent and a kind."""
PAIRS = {
    "organelle_distance_median_px": "median distance of {0} to the nearest of {1}",
    "organelle_touching": "share of {0} that touch {1}",
    "organelle_overlap": "share of {0} (mean over organelles) that lies in {1}",
}
"""Columns of a parent and two kinds."""


def summed(feature: str, statistic: str) -> str:
    """``size_px`` and ``median`` give ``organelle_size_median_px``: the unit comes last."""
    for unit in ("_px", "_count"):
        if feature.endswith(unit):
            return f"organelle_{feature.removesuffix(unit)}_{statistic}{unit}"
    return f"organelle_{feature}_{statistic}"


def organelle_rows() -> Iterator[Row]:
    """Columns of a parent as rows of :data:`lucyte.measure.columns.FEATURES`; {0} is a kind."""
    for feature, words in {**SHAPE, **PLACE}.items():
        for statistic, said in STATISTICS.items():
            yield _row(summed(feature, statistic), "channel", f"{said}: {words}")
    for name, words in WHOLE.items():
        yield _row(name, "channel", words)
    for name, words in PAIRS.items():
        yield _row(name, "pair", words)


def _row(name: str, over: Literal["channel", "pair"], words: str) -> Row:
    always = name in ("organelle_count", "organelle_size_total_px", "organelle_fraction")
    return name, "organelles", over, "relatives", words, always
