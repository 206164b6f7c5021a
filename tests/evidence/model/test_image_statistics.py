"""Planted statistics are caught by data and by models, shams are not, whole crops stay open."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import ndimage as ndi

from lucyte.evidence.model.image_numbers import (
    _cut_off,
    directions,
    focus,
    outline_sharpness,
    outside_families,
    ranked,
    whole_families,
)
from lucyte.evidence.model.image_statistics import (
    _noise,
    exchanges_of,
    rescaled,
    statistics_permit,
    statistics_relies,
)
from lucyte.evidence.model.inputs import free_level
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.evidence.model.subject import Subject
from lucyte.schema.crops import CropSet
from lucyte.schema.finding import Finding
from worlds.crops import (
    LinearModel,
    PictureLearner,
    border_red,
    inside_less_border,
    world,
)

HOW = ChallengeSettings(folds=3)


def cells(seed: int = 0, wells: int = 5, **settings: float) -> CropSet:
    return world(seed, wells=wells, cells=8, places=0, well_noise=0.1, **settings).of_kind("cell")  # type: ignore[arg-type]


def starved_times(crops: CropSet, factor: float) -> CropSet:
    lamp = np.where(np.asarray(crops.labels) == "starved", factor, 1.0)
    return replace(crops, crops=(crops.crops * lamp[:, None, None, None]).astype(np.float32))


@cache
def permitted(kind: str) -> tuple[Finding, Finding]:
    crops = {
        "sham": lambda: cells(signal=0),
        "honest": cells,
        "tint": lambda: cells(tint=20),
        "gain": lambda: starved_times(cells(signal=0), 1.3),
    }[kind]()
    first, second = statistics_permit(Subject(crops), HOW)
    return first, second


@pytest.mark.parametrize(("kind", "family"), [("tint", "tint"), ("gain", "mean")])
def test_planted_light_is_caught_and_named(kind: str, family: str) -> None:
    outside, _ = permitted(kind)
    assert outside.name == "statistics.data_permit"
    assert outside.verdict == "fail", outside.why
    told = {row["input"]: row for row in outside.details["inputs"]}
    assert told[family]["auroc"] > 0.95
    assert told[family]["verdict"] == "fail"
    assert told["sharpness"]["verdict"] != "fail"
    assert "a model can be right from how the picture was taken" in outside.why
    assert outside.n == 10


@pytest.mark.parametrize("kind", ["sham", "honest"])
def test_nothing_planted_is_not_called_a_shortcut(kind: str) -> None:
    outside, whole = permitted(kind)
    assert outside.verdict != "fail", outside.why
    assert whole.verdict != "fail"


def test_whole_crops_leave_open_whether_it_is_biology() -> None:
    _, whole = permitted("honest")
    assert whole.statistic > 0.95, "the premise: cells are brighter when starved"
    assert whole.verdict == "inconclusive"
    assert "the cells themselves may cause it" in whole.why


def test_clipping_is_told_among_statistics_of_whole_crops() -> None:
    crops = cells()
    ceilings = np.quantile(crops.crops, 0.97, axis=(0, 2, 3)).astype(np.float32)
    clipped = replace(crops, crops=np.minimum(crops.crops, ceilings[:, None, None]))
    told = {each.name: each.values for each in whole_families(clipped)}["clipping"]
    for c, ceiling in enumerate(ceilings):
        expected = [float((picture[c] == ceiling).mean()) for picture in clipped.crops]
        assert told[:, len(ceilings) + c] == pytest.approx(expected)
        assert max(expected) > 0.02, "the premise: px lie at the ceiling"
    assert statistics_permit(Subject(clipped), HOW)[1].verdict != "fail", "it may be biology"


def test_light_cut_off_in_one_class_is_caught_and_the_cameras_limit_is_not() -> None:
    crops = cells(signal=0)
    ceiling = np.quantile(crops.crops, 0.97, axis=(0, 2, 3)).astype(np.float32)[:, None, None]
    starved = np.asarray(crops.labels) == "starved"
    cut = np.where(starved[:, None, None, None], np.minimum(crops.crops, ceiling), crops.crops)
    subject = Subject(replace(crops, crops=cut))
    told = {each.name: each.values for each in outside_families(subject, 3)}["cut off"]
    one = int(np.flatnonzero(starved)[0])
    _, counts = np.unique(cut[one, 0], return_counts=True)
    assert counts[-1] > 5, "the premise: light piles up at the ceiling"
    assert told[one, 0] == pytest.approx(np.log(counts[-1] / counts[-2]))
    rows = statistics_permit(subject, HOW)[0].details["inputs"]
    assert {r["input"]: r["verdict"] for r in rows}["cut off"] == "fail"

    limited = np.minimum(crops.crops, ceiling)
    at_limit = limited[:, 0].max(axis=(1, 2)) == ceiling[0, 0, 0]
    assert at_limit.any(), "the premise: the camera's limit is reached"
    assert not _cut_off(limited)[at_limit, 0].any(), "its own limit says nothing of a class"


def test_a_mark_stands_out_in_every_channel_and_a_bright_spot_in_one() -> None:
    crops = cells(signal=0)
    free = ~crops.masks[0]
    y, x = np.argwhere(free[2:-2, 2:-2])[0] + 2
    told = []
    for channels in ([0], list(range(len(crops.channels)))):
        light = crops.crops.copy()
        light[0, channels, y, x] += 1000
        families = outside_families(Subject(replace(crops, crops=light)), 0)
        told.append({each.name: each.values for each in families}["marks"][0, 0])
    assert told[1] > 10 * told[0]


def test_file_sizes_and_neighbours_are_statistics_too() -> None:
    crops = cells(signal=0)
    starved = np.asarray(crops.labels) == "starved"
    rng = np.random.default_rng(0)
    subject = Subject(crops, file_bytes=1000.0 + 200 * starved + rng.normal(0, 20, len(crops)))
    families = {each.name: each for each in outside_families(subject, 3)}
    assert {"mean", "tint", "spread", "sharpness", "outline", "file size"} <= set(families)
    assert "density" not in families, "no crop shows a neighbour, so it cannot vary"
    outside = statistics_permit(subject, HOW)[0]
    assert outside.verdict == "fail"
    assert {r["input"]: r["verdict"] for r in outside.details["inputs"]}["file size"] == "fail"


def test_an_outline_out_of_focus_is_less_sharp_however_bright() -> None:
    from scipy.ndimage import gaussian_filter

    crops = cells(signal=0)
    blurred = replace(crops, crops=gaussian_filter(crops.crops, (0, 0, 1.5, 1.5)))
    bright = starved_times(crops, 2.0)
    plain = np.nanmean(outline_sharpness(crops))
    assert np.nanmean(outline_sharpness(blurred)) < 0.8 * plain
    assert np.nanmean(outline_sharpness(bright)) == pytest.approx(plain, rel=0.02)


def test_focus_is_asked_about_though_one_channel_shows_no_outline() -> None:
    crops = cells(signal=0)
    flat = np.random.default_rng(0).normal(1500, 30, (len(crops), 1, 24, 24))
    three = replace(
        crops,
        crops=np.concatenate([crops.crops, flat], axis=1).astype(np.float32),
        channels=(*crops.channels, "TL"),
    )
    assert np.isnan(outline_sharpness(three)[:, 2]).all(), "the premise"
    families = {each.name for each in outside_families(Subject(three), 3)}
    assert "outline" in families


def textured(blur_of: dict[int, float]) -> CropSet:
    """Cells with grain in both channels; starved ones blurred in these channels by so many px."""
    from scipy.ndimage import gaussian_filter

    crops = cells(signal=0)
    rng = np.random.default_rng(3)
    grain = gaussian_filter(rng.normal(0, 900, crops.crops.shape), (0, 0, 0.8, 0.8))
    light = np.where(crops.masks[:, None], crops.crops + grain, crops.crops)
    starved = np.asarray(crops.labels) == "starved"
    for channel, width in blur_of.items():
        blurred = gaussian_filter(light[starved, channel], (0, width, width))
        light[starved, channel] = blurred
    noise = rng.normal(0, 2, light.shape)
    return replace(crops, crops=(light + noise).astype(np.float32))


def told_of_focus(crops: CropSet) -> dict[str, object] | None:
    rows = statistics_permit(Subject(crops), HOW)[0].details["inputs"]
    return next((row for row in rows if row["input"] == "focus"), None)


def test_a_class_out_of_focus_in_every_channel_is_caught() -> None:
    crops = textured({0: 1.5, 1: 1.5})
    told = told_of_focus(crops)
    assert told is not None and told["verdict"] == "fail"
    assert statistics_permit(Subject(crops), HOW)[0].verdict == "fail"


@pytest.mark.parametrize("blur_of", [{}, {0: 1.5}, {1: 1.5}])
def test_a_texture_that_changes_in_one_channel_is_no_focus(blur_of: dict[int, float]) -> None:
    crops = textured(blur_of)
    for channel in blur_of:
        starved = np.asarray(crops.labels) == "starved"
        told = focus(crops)[:, channel]
        assert told[starved].max() < np.median(told[~starved]), "the premise: this one is blurred"
    told_of = told_of_focus(crops)
    assert told_of is None or told_of["verdict"] != "fail"


def test_a_speck_that_hides_behind_some_cells_is_caught_over_units() -> None:
    crops = world(0, wells=10, cells=8, places=0, signal=0, well_noise=0.1).of_kind("cell")
    how = ChallengeSettings()
    rng = np.random.default_rng(2)
    light = crops.crops.copy()
    for k in np.flatnonzero(np.asarray(crops.labels) == "starved"):
        y, x = rng.integers(0, 21, 2)
        if not crops.masks[k, y : y + 3, x : x + 3].any():
            light[k, :, y : y + 3, x : x + 3] += 200
    marked = replace(crops, crops=light)
    rows = {r["input"]: r for r in statistics_permit(Subject(marked), how)[0].details["inputs"]}
    assert rows["mean"]["verdict"] != "fail", "the premise: it is no level"
    assert rows["specks"]["verdict"] == "fail"
    plain = statistics_permit(Subject(crops), how)[0].details["inputs"]
    assert {r["input"]: r["verdict"] for r in plain}["specks"] != "fail"


def test_focus_is_the_share_of_fine_detail_by_hand_whatever_the_light() -> None:
    from scipy.ndimage import binary_dilation, gaussian_filter

    crops = textured({})
    picture = crops.crops[5, 1].astype(float)
    mask = binary_dilation(crops.masks[5], np.ones((3, 3)), iterations=2)
    a, b, c = (gaussian_filter(picture, width) for width in (0.7, 1.4, 2.8))
    by_hand = np.log(((a - b)[mask] ** 2).sum() / ((b - c)[mask] ** 2).sum())
    assert focus(crops)[5, 1] == pytest.approx(by_hand, rel=1e-3)
    assert focus(starved_times(crops, 3.0)) == pytest.approx(focus(crops), abs=1e-3)


def test_light_that_falls_off_beside_an_object_is_no_noise() -> None:
    crops = cells(signal=0)
    plain = _noise(crops, HOW.halo_px)
    assert np.median(plain) == pytest.approx(2.0, rel=0.05), "the world's own"
    light = crops.crops.copy()
    light[:, :, :2, :5] += 300
    beside = _noise(replace(crops, crops=light), HOW.halo_px)
    assert np.median(beside) == pytest.approx(2.0, rel=0.1)


def test_ranks_do_not_depend_on_the_unit_and_missing_is_the_middle() -> None:
    values = np.array([[1.0], [np.nan], [10.0], [100.0]])
    expected = np.array([[-1, 2 / 3], [0, -1 / 3], [0, -1 / 3], [1, 2 / 3]])
    assert ranked(values) == pytest.approx(expected)
    assert ranked(values**2) == pytest.approx(expected)


def relies(measure, **settings: float) -> Finding:  # type: ignore[no-untyped-def]
    crops = cells(**settings)
    model = PictureLearner(measure).fit(crops.crops, crops.labels, crops.groups, 0)
    return statistics_relies(Subject(crops, model), HOW)[0]


def test_a_model_of_the_tint_fails_and_a_model_of_the_cell_passes_on_the_same_crops() -> None:
    cheating, honest = relies(border_red, tint=20), relies(inside_less_border, tint=20)
    assert cheating.verdict == "fail"
    moved = {row["exchange"]: row["reliance"] for row in cheating.details["exchanges"]}
    assert moved["tint"] == pytest.approx(1, abs=0.1)
    assert abs(moved["mean"]) < 0.1
    told = {row["exchange"]: row["reliance"] for row in honest.details["exchanges"]}
    assert abs(told["tint"]) < 0.05
    assert abs(told["mean"]) < 0.05
    assert honest.verdict != "fail"


def test_a_model_on_honest_crops_passes() -> None:
    found = relies(inside_less_border)
    assert found.verdict == "pass", found.why
    assert found.n == 10


def test_a_model_that_tells_nothing_has_nothing_to_rely_on() -> None:
    flat = LinearModel(np.zeros(1), 0.0, border_red)
    (found,) = statistics_relies(Subject(cells(tint=20), flat), HOW)
    assert found.verdict == "inconclusive"
    assert found.why.startswith("The model does not tell the classes apart here")


def test_exchanges_do_to_the_picture_what_they_say() -> None:
    crops = starved_times(cells(tint=20), 1.2)
    made = exchanges_of(crops, HOW)
    at, donors = np.array([0, 1]), np.array([70, 60])
    level = free_level(crops, HOW.halo_px)
    tinted = replace(crops.take(at), crops=made["tint"](at, donors))
    both = free_level(tinted, HOW.halo_px)
    assert (both[:, 1] - both[:, 0]) == pytest.approx(level[donors, 1] - level[donors, 0], abs=1e-3)
    assert both.mean(axis=1) == pytest.approx(level[at].mean(axis=1), abs=1e-3)
    gained = replace(crops.take(at), crops=made["gain"](at, donors))
    assert free_level(gained, HOW.halo_px) == pytest.approx(level[donors], rel=1e-5)
    larger = rescaled(crops.masks[:2, None].astype(np.float32), np.array([1.0, 1.4]))
    area = crops.masks[:2].sum(axis=(1, 2))
    assert (larger > 0.5).sum(axis=(1, 2, 3)) == pytest.approx(area * [1, 1.96], rel=0.1)


def test_brightness_is_not_exchanged_where_the_background_is_at_zero() -> None:
    crops = cells()
    dark = replace(crops, crops=crops.crops - 100)
    assert "gain" in exchanges_of(crops, HOW)
    assert "gain" not in exchanges_of(dark, HOW)


def test_directions_know_rows_from_columns_and_even_from_odd() -> None:
    like = world().take(list(range(36)))
    side = like.crop_px
    noise = np.random.default_rng(0).normal(100, 5, (6, 2, side, side))
    rows = np.indices((side, side))[0] % 2 * 2 - 1
    board = np.indices((side, side)).sum(axis=0) % 2 * 2 - 1
    changed = np.concatenate(
        [
            noise,
            ndi.uniform_filter(noise, (0, 0, 3, 1)),
            ndi.uniform_filter(noise, (0, 0, 1, 3)),
            noise + 4 * board,
            noise - 4 * board,
            noise + 4 * rows,
        ]
    )
    cells = replace(like, crops=changed)
    found = directions(cells).reshape(6, 6, 5, 2).mean(axis=(1, 3))
    steps, alike, row, column, squares = found.T
    assert abs(steps[0]) < 0.1 and steps[1] < -0.3 and steps[2] > 0.3
    assert abs(alike[0]) < 0.1 and alike[1] > 0.3 and alike[2] < -0.3
    assert abs(squares[0]) < 0.1 and squares[3] < -0.3 and squares[4] > 0.3
    assert row[5] > 0.3 and abs(column[5]) < 0.1 and abs(squares[5]) < 0.1
    assert np.isnan(directions(cells, np.zeros(cells.masks.shape, dtype=np.bool_))).all()
    turned = directions(replace(cells, crops=changed.swapaxes(2, 3)))
    np.testing.assert_allclose(turned[:, :2], -directions(cells)[:, :2])


def test_even_and_odd_rows_of_a_camera_are_a_shortcut() -> None:
    crops = world(3, signal=0.0)
    starved = np.array(crops.labels) == "starved"
    rows = np.indices(crops.crops.shape[2:])[0] % 2 * 2 - 1
    light = np.asarray(crops.crops, dtype=np.float64)
    light = light + np.where(starved, 4, -4)[:, None, None, None] * rows
    found = statistics_permit(Subject(replace(crops, crops=light.clip(0))), HOW)[0]
    assert found.verdict == "fail" and "direction of grain" in found.why
