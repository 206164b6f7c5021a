"""Organelle features: drawn organelles of known form and place, and the slow definitions."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.measure.columns import describe, model_features, parse
from lucyte.measure.organelle_shape import organelle_shapes
from lucyte.measure.organelle_skeleton import skeletonise
from lucyte.measure.organelle_table import measure_organelles
from lucyte.schema.errors import UsageError
from reference import organelles as slow


def random_labels(shape: tuple[int, ...], number: int, seed: int) -> np.ndarray:
    """Short random walks that may touch; several labels."""
    rng = np.random.default_rng(seed)
    out = np.zeros(shape, np.int32)
    for name in range(1, number + 1):
        at = rng.integers(1, np.array(shape) - 1)
        for _ in range(14):
            out[tuple(at)] = name
            at = np.clip(at + rng.integers(-1, 2, len(shape)), 0, np.array(shape) - 1)
    return out


@pytest.mark.parametrize("shape", [(24, 24), (6, 14, 14)])
def test_skeleton_graph_is_the_slow_definition(shape: tuple[int, ...]) -> None:
    labels = random_labels(shape, 7, len(shape))
    step = 3.0 if len(shape) == 3 else None
    found = organelle_shapes(labels, step).set_index("label")
    thin = skeletonise(labels)
    steps = (3.0, 1.0, 1.0)[-len(shape) :]
    for name in np.unique(labels[labels > 0]):
        counts = slow.graph_counts(slow.voxels(np.where(thin, labels, 0), name), steps)
        row = found.loc[name]
        assert row["skeleton_length_px"] == pytest.approx(counts[0])
        assert (row["ends_count"], row["junctions_count"], row["branches_count"]) == counts[1:]


def test_drawn_forms() -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[5, 3:23] = 1  # a rod
    labels[15, 3:22] = 2  # a tee
    labels[15:25, 12] = 2
    labels[30, 5:15] = labels[37, 5:15] = 3  # a ring
    labels[30:38, 5] = labels[30:38, 14] = 3
    y, x = np.ogrid[:40, :40]
    labels[(y - 30) ** 2 + (x - 30) ** 2 <= 36] = 4  # a disc
    table = organelle_shapes(labels).set_index("label")
    assert table["branches_count"].tolist()[:3] == [1, 3, 1]
    assert table["ends_count"].tolist()[:3] == [2, 3, 0]
    assert table["junctions_count"].tolist()[:3] == [0, 1, 0]
    assert table.loc[1, "skeleton_length_px"] == 19
    assert table.loc[1, "elongation"] == pytest.approx(20)
    assert table.loc[4, "elongation"] == pytest.approx(1)
    assert table.loc[4, "size_px"] == 113
    assert table.loc[4, "solidity"] > 0.85 > table.loc[2, "solidity"]


def test_a_ball_of_far_planes_is_round_and_a_rod_long() -> None:
    z, y, x = np.ogrid[:14, :40, :40]
    labels = np.zeros((14, 40, 40), np.int32)
    labels[((z - 7) * 2) ** 2 + (y - 14) ** 2 + (x - 14) ** 2 <= 100] = 1
    labels[7, 30, 5:35] = 2
    table = organelle_shapes(labels, 2.0).set_index("label")
    assert table.loc[1, "size_px"] == pytest.approx(4 / 3 * np.pi * 1000, rel=0.03)
    assert table.loc[1, "elongation"] == pytest.approx(1, abs=0.02)
    assert table.loc[1, "long_axis_px"] == pytest.approx(20, rel=0.05)
    assert table.loc[1, "roundness"] == pytest.approx(1, abs=0.06)
    surface = slow.faces(labels, 2, (2.0, 1.0, 1.0)) / 1.5
    expected = np.pi ** (1 / 3) * (6 * 60.0) ** (2 / 3) / surface
    assert table.loc[2, "roundness"] == pytest.approx(expected)
    assert table.loc[2, "solidity"] == pytest.approx(1)
    assert table.loc[2, "elongation"] == pytest.approx(15)  # 30 px long, 2 px deep


@pytest.mark.parametrize("flat", [True, False])
def test_distances_are_the_slow_definition(flat: bool) -> None:
    shape = (20, 24) if flat else (4, 16, 18)
    step, steps = (None, (1.0, 1.0)) if flat else (2.5, (2.5, 1.0, 1.0))
    first, second = random_labels(shape, 6, 3), random_labels(shape, 5, 4)
    cells = np.ones(shape, np.int32)
    cells[..., shape[-1] // 2 :] = 2
    first[..., shape[-1] // 2], second[..., shape[-1] // 2] = 0, 0
    nuclei = np.zeros(shape, np.int32)
    nuclei[..., 6:9, 3:6] = 1
    each, _ = measure_organelles({"a": first, "b": second}, cells, nuclei, step)
    rows = each[each["kind"] == "a"].set_index("label")
    parents = rows["parent_label"].to_dict()
    for name, row in rows.iterrows():
        reach = slow.least_distance(first, name, second > 0, cells, steps)
        assert row["other_distance_px_b"] == pytest.approx(reach, nan_ok=True)
        reach = slow.least_distance(first, name, nuclei > 0, cells, steps)
        assert row["nucleus_distance_px"] == pytest.approx(reach, nan_ok=True)
        shared = ((first == name) & (second > 0)).sum() / (first == name).sum()
        assert row["overlap_b"] == pytest.approx(shared)
        for k in (1, 3):
            reach = slow.neighbour_distance(first, name, parents, k, steps)
            assert row[f"neighbour{k}_distance_px"] == pytest.approx(reach, nan_ok=True)
    assert rows["other_distance_px_b"].notna().any(), "test invalid: nothing to compare"


def cell_with_dots() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A round cell with a round nucleus, dots around it, a tube at one side of the edge."""
    y, x = np.ogrid[:101, :101]
    radius = np.hypot(y - 50, x - 50)
    cell, nucleus = (radius <= 45).astype(np.int32), (radius <= 15).astype(np.int32)
    dots, tubes = np.zeros((2, 101, 101), np.int32)
    for k, angle in enumerate(np.linspace(0, 2 * np.pi, 8, endpoint=False), start=1):
        dots[round(50 + 19 * np.sin(angle)), round(50 + 19 * np.cos(angle))] = k
    tubes[45:56, 92] = 1
    return cell, nucleus, dots, tubes


def test_parent_columns_say_where_organelles_lie() -> None:
    cell, nucleus, dots, tubes = cell_with_dots()
    _, whole = measure_organelles({"dots": dots, "tubes": tubes}, cell, nucleus, None, 0.5)
    row = whole.iloc[0]
    assert row["organelle_count_dots"] == 8 and row["organelle_count_tubes"] == 1
    assert row["organelle_nucleus_distance_median_px_dots"] == pytest.approx(4, abs=0.6)
    assert row["organelle_nucleus_distance_median_um_dots"] == pytest.approx(2, abs=0.3)
    assert row["organelle_inner_share_dots"] == 1 and row["organelle_outer_share_tubes"] == 1
    assert row["organelle_polarity_dots"] < 0.02
    assert row["organelle_polarity_tubes"] == pytest.approx(42 / 45, abs=0.02)
    assert row["organelle_elongation_median_tubes"] == pytest.approx(11)
    assert row["organelle_size_total_um2_tubes"] == 11 * 0.25
    assert row["organelle_touching_dots_to_tubes"] == 0
    assert row["organelle_fraction_tubes"] == pytest.approx(11 / cell.sum())


def test_touching_and_overlap() -> None:
    a, b = np.zeros((2, 20, 20), np.int32)
    a[2, 2], a[10, 10], a[15, 2] = 1, 2, 3
    b[3, 3], b[10, 10] = 1, 2  # diagonal to the first, on the second, far from the third
    _, whole = measure_organelles({"a": a, "b": b})
    row = whole.iloc[0]
    assert row["organelle_touching_a_to_b"] == pytest.approx(2 / 3)
    assert row["organelle_overlap_a_to_b"] == pytest.approx(1 / 3)
    assert row["organelle_distance_median_px_a_to_b"] == pytest.approx(2**0.5)
    assert not [name for name in whole if "edge" in name or "nucleus" in name]
    assert not [name for name in whole if "_um" in name]


def test_parents_without_organelles_keep_a_row() -> None:
    cells = np.ones((10, 10), np.int32)
    cells[:, 5:] = 2
    dots = np.zeros((10, 10), np.int32)
    dots[2, 2] = 7
    each, whole = measure_organelles({"dots": dots}, cells)
    assert each[["label", "parent_label"]].to_numpy().tolist() == [[7, 1]]
    assert whole["label"].tolist() == [1, 2]
    assert whole["organelle_count_dots"].tolist() == [1, 0]
    assert np.isnan(whole["organelle_size_median_px_dots"][1])


def test_every_parent_column_is_known_to_the_grammar() -> None:
    cell, nucleus, dots, tubes = cell_with_dots()
    _, whole = measure_organelles({"dots": dots, "tubes": tubes}, cell, nucleus)
    columns = [name for name in whole if name != "label"]
    assert [name for name in columns if parse(name) is None] == []
    assert set(model_features(columns, from_crop=False)) == set(columns)
    assert model_features(columns) == []
    assert describe("organelle_touching_dots_to_tubes") == "share of dots that touch tubes"
    assert describe("organelle_fraction_dots") == "share of the cell that dots fill"


def test_refusals_name_what_to_do() -> None:
    flat, stack = np.zeros((5, 5), np.int32), np.zeros((3, 5, 5), np.int32)
    with pytest.raises(UsageError, match="a stack needs the distance of its planes"):
        organelle_shapes(stack)
    with pytest.raises(UsageError, match="got no organelles"):
        measure_organelles({})
    with pytest.raises(UsageError, match=r"b: labels are \(4, 5\), others \(5, 5\)"):
        measure_organelles({"a": flat, "b": flat[:4]})
    with pytest.raises(UsageError, match=r"parents: labels are \(4, 5\), the organelles \(5, 5\)"):
        measure_organelles({"a": flat}, flat[:4])
    each, whole = measure_organelles({"a": flat})
    assert len(each) == 0 and whole["organelle_count_a"].tolist() == [0]
