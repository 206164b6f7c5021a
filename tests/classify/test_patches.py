"""Patches against their definition, scikit-image's threshold, and stacks that do not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from skimage.filters import threshold_otsu

from lucyte.classify.patch_attrition import attrition, attrition_note
from lucyte.classify.patch_grid import Blocks, grid, starts
from lucyte.classify.patch_otsu import Levels, otsu_level, stack_levels
from lucyte.classify.patch_rotation import turned_places, turned_plane, turned_shape
from lucyte.classify.patch_samples import attrition_curve, read_patches
from lucyte.classify.patch_stitching import stitch, weights_for_stitching
from lucyte.classify.patches import PatchSettings, at_side, cut_patches, score_patches
from lucyte.io.labelled import SampleOptions
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.image import make_image
from reference import patches as slow

NAMES = ("mito", "endo", "dna")


def stack(shape: tuple[int, ...] = (3, 4, 70, 90), seed: int = 0) -> np.ndarray[Any, Any]:
    """Bright squares on noise, more of them to the right."""
    rng = np.random.default_rng(seed)
    out = rng.normal(300, 20, shape)
    for c in range(shape[0]):
        for z in range(shape[1]):
            for _ in range(12):
                y, x = rng.integers(0, shape[2] - 8), int((shape[3] - 8) * rng.beta(3, 1))
                out[c, z, y : y + 8, x : x + 8] += 900
    return out.astype(np.uint16)


def image(pixels: np.ndarray[Any, Any]) -> Any:
    return make_image(pixels, "CZYX", channels=NAMES[: len(pixels)])


@given(st.lists(st.integers(0, 40), min_size=2, max_size=60), st.integers(0, 3))
def test_otsu_is_the_best_of_all_thresholds(values: list[int], seed: int) -> None:
    pixels = np.asarray(values, np.uint16) * (1 + 300 * seed)
    counts = np.bincount(pixels, minlength=65536)
    ours = otsu_level(Levels(counts, np.arange(65536)))
    assert ((pixels > ours) == (pixels > slow.otsu(pixels))).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.int32])
def test_thresholds_are_those_of_scikit_image(dtype: Any) -> None:
    pixels = stack()
    pixels = (pixels // 8).astype(dtype) if dtype == np.uint8 else pixels.astype(dtype)
    levels = stack_levels(image(pixels), "s", threads=2)
    for c, name in enumerate(NAMES):
        assert levels[name].counts.sum() == pixels[c].size
        ours = otsu_level(levels[name])
        if dtype == np.int32:  # scikit-image takes every level; here there are 256 bins
            assert abs(ours - threshold_otsu(pixels[c])) <= np.ptp(pixels[c]) / 256
        else:
            assert ours == pytest.approx(threshold_otsu(pixels[c]), rel=1e-6)


def test_the_brightest_of_all_planes_is_one_plane_to_cut() -> None:
    pixels = stack()
    cut = PatchSettings(30, min_foreground=0.0, planes="max", exclude=("dna",))
    got = score_patches(image(pixels), "s", cut)
    flat = pixels[:2].max(axis=1)
    assert got.thresholds["mito"] == pytest.approx(threshold_otsu(flat[0]), rel=1e-6)
    assert got.table["z"].unique().tolist() == [0] and len(got.table) == 2 * 3
    patches = cut_patches(image(pixels), got, cut)
    assert patches.shape == (6, 2, 30, 30) and patches.dtype == np.uint16
    assert np.array_equal(patches[4], flat[:, 30:60, 30:60])
    with pytest.raises(UsageError, match="unknown choice of planes 'mx', did you mean 'max'"):
        PatchSettings(planes="mx")  # type: ignore[arg-type]


def test_a_stack_of_one_value_has_no_foreground() -> None:
    got = score_patches(image(np.full((1, 2, 40, 40), 7, np.uint16)), "s", PatchSettings(20))
    assert got.thresholds == {"mito": 7.0}
    assert (got.table["foreground"] == 0).all() and not got.table["kept"].any()


@pytest.mark.parametrize("rule", ["mean", "any", "all"])
@pytest.mark.parametrize(("side", "overlap"), [(20, 0.0), (24, 0.5), (33, 0.3), (70, 0.0)])
def test_ratios_are_those_of_every_patch_by_itself(side: int, overlap: float, rule: Any) -> None:
    pixels = stack()
    due = slow.ratios(pixels, side, round(side * (1 - overlap)), rule)
    least = float(np.median(list(due.values()))) + 1e-9
    settings = PatchSettings(side, overlap, least, rule, threads=2)
    got = score_patches(image(pixels), "a.tif", settings)
    table = got.table
    places = list(zip(table["z"], table["y0_px"], table["x0_px"], strict=True))
    assert places == list(due)
    np.testing.assert_allclose(table["foreground"], list(due.values()), rtol=1e-12)
    assert (table["kept"] == (table["foreground"] >= least)).all()
    assert 0 < table["kept"].sum() < len(table), "test invalid: all kept or none"


def test_several_sizes_share_one_pass() -> None:
    pixels, settings = image(stack()), PatchSettings(20, 0.5)
    together = score_patches(pixels, "a", settings, (20, 30, 45, 500))
    for side in (20, 30, 45):
        alone = score_patches(pixels, "a", replace(settings, side_px=side))
        pd.testing.assert_frame_equal(at_side(together, side).table, alone.table)
    with pytest.raises(UsageError, match="unknown side of patches '500'"):
        at_side(together, 500)
    with pytest.raises(UsageError, match=r"of one size can be cut together, got \[20, 30, 45\]"):
        cut_patches(pixels, together, settings)


def test_cut_pixels_names_and_the_nucleus_left_out_by_name() -> None:
    pixels = stack()
    settings = PatchSettings(30, min_foreground=0.1, exclude=("dna",))
    got = score_patches(image(pixels), "b/a.tif", settings)
    assert got.channels == ("mito", "endo") and set(got.thresholds) == {"mito", "endo"}
    assert "foreground:dna" not in got.table
    cut = cut_patches(image(pixels), got, settings)
    assert cut.dtype == np.uint16 and len(cut) == len(got.kept) > 0
    for n, row in enumerate(got.kept.itertuples()):
        y, x = int(row.y0_px), int(row.x0_px)
        assert row.patch == f"b/a.tif#z{row.z:02d}y{y:04d}x{x:04d}"
        np.testing.assert_array_equal(cut[n], pixels[:2, row.z, y : y + 30, x : x + 30])


def test_a_lazy_stack_is_read_three_times_at_most_plane_by_plane() -> None:
    pixels, reads = stack(), []

    def plane(block_id: Any = None) -> Any:
        reads.append(tuple(block_id[:2]))
        return pixels[block_id[0], block_id[1]][None, None]

    chunks = ((1,) * 3, (1,) * 4, (70,), (90,))
    lazy = dask.array.map_blocks(
        plane, chunks=chunks, dtype=np.uint16, meta=np.empty((0,) * 4, np.uint16)
    )
    settings = PatchSettings(30, min_foreground=0.1)
    got = score_patches(image(lazy), "a", settings)
    assert len(reads) == 2 * 12
    cut = cut_patches(image(lazy), got, settings)
    assert len(reads) <= 3 * 12 and max(reads.count(each) for each in reads) <= 3
    pd.testing.assert_frame_equal(got.table, score_patches(image(pixels), "a", settings).table)
    np.testing.assert_array_equal(cut, cut_patches(image(pixels), got, settings))


def test_refusals_say_what_to_do() -> None:
    pixels = stack()
    with pytest.raises(UsageError, match=r"unknown channel 'dn', did you mean 'dna'\?"):
        score_patches(image(pixels), "a.tif", PatchSettings(20, exclude=("dn",)))
    with pytest.raises(UsageError, match=r"every channel \(mito, endo, dna\) is excluded"):
        score_patches(image(pixels), "a.tif", PatchSettings(20, exclude=NAMES))
    with pytest.raises(UsageError, match="no patch of 350 px fits into 70 x 90 px; choose a smal"):
        score_patches(image(pixels), "a.tif", PatchSettings())
    movie = make_image(np.zeros((2, 70, 90), np.uint16), "TYX")
    with pytest.raises(UsageError, match="has 2 time points; choose one with --select T=0"):
        score_patches(movie, "a.tif", PatchSettings(20))
    holes = stack().astype(np.float32)
    holes[1, 2, 3, 4] = np.nan
    with pytest.raises(InputError, match="channel endo has values that are not numbers in plane 2"):
        score_patches(image(holes), "a.tif", PatchSettings(20))
    with pytest.raises(UsageError, match=r"overlap is a share of the side, 0 to below 1"):
        PatchSettings(overlap=50)
    with pytest.raises(UsageError, match=r"min_foreground is a ratio, 0 to 1, got 15"):
        PatchSettings(min_foreground=15)
    with pytest.raises(UsageError, match="unknown rule for the foreground of channels 'every'"):
        PatchSettings(rule="every")  # type: ignore[arg-type]


def test_starts_leave_no_patch_outside() -> None:
    assert starts(1248, 350, 0).tolist() == [0, 350, 700]
    assert starts(100, 50, 0.5).tolist() == [0, 25, 50]
    assert starts(49, 50, 0.5).tolist() == []
    blocks = Blocks([grid((100, 100), 50, 0.5)])
    assert blocks.rows.tolist() == [0, 25, 50, 75, 100]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_quarter_turns_move_pixels_and_change_none(turns: int) -> None:
    plane = stack()[0, 0]
    np.testing.assert_array_equal(turned_plane(plane, 90.0 * turns), np.rot90(plane, turns))


def test_a_turn_keeps_only_patches_that_lie_inside() -> None:
    shape, side = (70, 90), 16
    for angle in (10.0, 45.0, -30.0, 170.0):
        big = turned_shape(shape, angle)
        got = turned_places(shape, side, 0.5, angle)
        everywhere = grid(big, side, 0.5)
        due = [
            (y, x)
            for y, x in zip(everywhere.y0_px.tolist(), everywhere.x0_px.tolist(), strict=True)
            if slow.inside_when_turned(shape, big, y, x, side, angle)
        ]
        assert list(zip(got.y0_px.tolist(), got.x0_px.tolist(), strict=True)) == due
        assert 0 < len(due) < len(everywhere.y0_px), "test invalid: nothing is left out"


def test_a_turned_ramp_is_the_ramp_of_the_turned_places() -> None:
    y, x = np.mgrid[:70, :90].astype(np.float64)
    angle = 30.0
    turned = turned_plane(2 * y + 3 * x, angle)
    big, c, s = turned.shape, np.cos(np.pi / 6), np.sin(np.pi / 6)
    places = turned_places((70, 90), 16, 0.5, angle)
    for y0, x0 in zip(places.y0_px, places.x0_px, strict=True):
        v = np.arange(y0, y0 + 16)[:, None] - (big[0] - 1) / 2
        u = np.arange(x0, x0 + 16)[None] - (big[1] - 1) / 2
        due = 2 * (c * v + s * u + 34.5) + 3 * (-s * v + c * u + 44.5)
        np.testing.assert_allclose(turned[y0 : y0 + 16, x0 : x0 + 16], due, atol=1e-3)


def test_turned_patches_are_named_by_their_angle() -> None:
    got = score_patches(image(stack()), "a.tif", PatchSettings(20, angle_deg=30))
    assert got.table["patch"].str.endswith("r030").all()
    flat = score_patches(image(stack()), "a.tif", PatchSettings(20))
    assert got.thresholds == flat.thresholds, "the threshold is the stack's, however it is turned"


@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.5, 0.75])
def test_stitching_gives_constants_back(overlap: float) -> None:
    places = grid((100, 130), 32, overlap)
    covered = np.zeros((100, 130), bool)
    for y, x in zip(places.y0_px, places.x0_px, strict=True):
        covered[y : y + 32, x : x + 32] = True
    got = stitch(np.full(len(places.y0_px), 3.7), places.y0_px, places.x0_px, (100, 130), 32)
    np.testing.assert_allclose(got[covered], 3.7, rtol=1e-12)
    assert np.isnan(got[~covered]).all()


def test_stitched_maps_of_one_field_are_that_field() -> None:
    field = np.random.default_rng(0).normal(size=(100, 128))
    places = grid(field.shape, 32, 0.5)
    maps = np.stack(
        [field[y : y + 32, x : x + 32] for y, x in zip(places.y0_px, places.x0_px, strict=True)]
    )
    got = stitch(maps, places.y0_px, places.x0_px, (100, 128))
    np.testing.assert_allclose(got[:96], field[:96], rtol=1e-9)
    with pytest.raises(UsageError, match="the patch at y 80, x 0 leaves the field"):
        stitch(maps[:1], [80], [0], (100, 128))
    with pytest.raises(UsageError, match="or side_px where values are single"):
        stitch(np.ones(1), [0], [0], (100, 128))


def test_half_overlapping_weights_add_up_to_one() -> None:
    weight = weights_for_stitching(64)
    line = weight.sum(axis=0) / weight.sum(axis=0).max()
    both = line[:32] + line[32:]
    assert np.ptp(both) < 3e-3, "the floor alone keeps it from one"
    assert weight.min() > 0


def test_attrition_counts_by_size_and_class() -> None:
    table = pd.DataFrame(
        {
            "stack": ["a", "a", "b", "b", "c", "c"],
            "side_px": [200] * 6,
            "kept": [True, True, True, False, False, False],
        }
    )
    got = attrition(table, {"a": "x", "b": "x", "c": "y"})
    assert got["class"].tolist() == ["x", "y", "all"]
    assert got["patches"].tolist() == [4, 2, 6] and got["kept"].tolist() == [3, 0, 3]
    assert got["stacks_lost"].tolist() == [0, 1, 1]
    assert got["kept_per_stack_least"].tolist() == [1, 0, 0]
    assert attrition_note(got) == (
        "3 of 6 patches of 200 px are dense enough (50%); fewest of class 'y' (0%), most of 'x' "
        "(75%); 1 of 3 stacks keep none."
    )
    with pytest.raises(UsageError, match="stack 'c' has no class"):
        attrition(table, {"a": "x", "b": "x"})


@pytest.fixture
def stacks(tmp_path: Path) -> Path:
    for k, name in enumerate(["a/1.tif", "a/2.tif", "b/1.tif", "b/2.tif"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        tifffile.imwrite(
            tmp_path / name,
            stack(seed=k).transpose(1, 0, 2, 3),
            imagej=True,
            metadata={"axes": "ZCYX", "Labels": list(NAMES) * 4},
        )
    return tmp_path


NAMED = SampleOptions(channels=NAMES)


def test_labelled_stacks_become_samples(stacks: Path) -> None:
    settings = PatchSettings(30, min_foreground=0.1, exclude=("dna",))
    told: list[tuple[int, int]] = []
    got = read_patches(stacks, settings, NAMED, lambda done, of: told.append((done, of)))
    samples = got.samples
    assert told[-1] == (8, 8) and samples.channels == ("mito", "endo")
    assert samples.unit == "stack" and samples.groups == samples.sources and samples.grouped
    assert set(samples.sources) == {"a/1.tif", "a/2.tif", "b/1.tif", "b/2.tif"}
    assert all(n.startswith(s + "#z") for n, s in zip(samples.names, samples.sources, strict=True))
    assert [s[0] for s in samples.sources] == list(samples.labels)
    assert len(samples) == got.patches["kept"].sum() == got.attrition.iloc[-1]["kept"]
    assert any("whether stacks are independent" in note for note in got.notes)
    direct = score_patches(image(stack(seed=2)), "b/1.tif", settings)
    mine = np.asarray(samples.sources) == "b/1.tif"
    np.testing.assert_array_equal(
        samples.images[mine], cut_patches(image(stack(seed=2)), direct, settings)
    )
    assert len(got.thresholds) == 8


def test_a_damaged_stack_is_named_and_left_out(stacks: Path) -> None:
    whole = (stacks / "a/2.tif").read_bytes()
    (stacks / "a/2.tif").write_bytes(whole[:2000])
    got = read_patches(stacks, PatchSettings(30, min_foreground=0.1), NAMED)
    assert len(got.left_out) == 1 and got.left_out[0].startswith("a/2.tif (")
    assert "1 stacks were left out: a/2.tif" in got.notes[-1]
    assert "a/2.tif" not in got.samples.sources


def test_a_stack_of_other_channels_is_named(stacks: Path) -> None:
    tifffile.imwrite(
        stacks / "b/3.tif",
        stack((2, 4, 70, 90)).transpose(1, 0, 2, 3),
        imagej=True,
        metadata={"axes": "ZCYX"},
    )
    with pytest.raises(
        InputError, match=r"b/3.tif: has channels C0, C1 where 4 others have mito, "
    ):
        read_patches(stacks, PatchSettings(30))


def test_no_dense_patch_is_said_with_the_densest(stacks: Path) -> None:
    with pytest.raises(UsageError, match=r"no patch of 30 px has a foreground of 0.99 \(the dens"):
        read_patches(stacks, PatchSettings(30, min_foreground=0.99), NAMED)


def test_the_curve_over_sizes(stacks: Path) -> None:
    got = attrition_curve(stacks, PatchSettings(30, min_foreground=0.15), NAMED, (20, 35, 70, 90))
    assert sorted(set(got["side_px"])) == [20, 35, 70], "90 px fit no stack"
    everything = got[got["class"] == "all"].set_index("side_px")
    assert everything["patches"].tolist() == [3 * 4 * 16, 2 * 2 * 16, 16]
