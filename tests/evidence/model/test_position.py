"""Marks at the margin, offsets and places are caught; tint and gain are no place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lucyte.evidence.model.position import (
    mirrored,
    offsets,
    place_families,
    position_permit,
    position_relies,
    registration,
    shifted,
)
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.evidence.model.subject import Subject
from lucyte.schema.crops import CropSet
from worlds.crops import PictureLearner, world

HOW = ChallengeSettings(folds=3)


def cells(**settings: float) -> CropSet:
    return world(0, wells=5, cells=8, places=0, signal=0, **settings).of_kind("cell")  # type: ignore[arg-type]


def marked(crops: CropSet) -> CropSet:
    light = crops.crops.copy()
    light[np.asarray(crops.labels) == "starved", :, :2, :2] += 80
    return replace(crops, crops=light)


def corner(crops: np.ndarray) -> np.ndarray:
    return (crops[:, :, :2, :2].mean(axis=(2, 3)) - crops[:, :, -2:, -2:].mean(axis=(2, 3)))[:, :1]


def test_a_corner_mark_is_caught_by_data_and_model() -> None:
    crops = marked(cells())
    (permitted,) = position_permit(Subject(crops), HOW)
    assert permitted.verdict == "fail", permitted.why
    told = {row["input"]: row["auroc"] for row in permitted.details["inputs"]}
    assert told["margin"] > 0.9
    assert "offset" not in told, "every cell lies at the same place"
    model = PictureLearner(corner).fit(crops.crops, crops.labels, crops.groups, 0)
    (relies,) = position_relies(Subject(crops, model), HOW)
    assert relies.verdict == "fail", relies.why
    moved = {row["exchange"]: row["reliance"] for row in relies.details["exchanges"]}
    assert moved["margin"] == pytest.approx(1, abs=0.1)


def test_a_channel_that_is_shifted_in_one_class_is_caught_whichever_way_cells_lie() -> None:
    crops = cells()
    starved = np.asarray(crops.labels) == "starved"
    light = crops.crops.copy()
    light[starved, 1] = np.roll(light[starved, 1], 2, axis=-1)
    moved = registration(replace(crops, crops=light)) - registration(crops)
    assert moved[~starved] == pytest.approx(0, abs=1e-9)
    assert np.median(moved[starved], axis=0) == pytest.approx([0, 2], abs=0.3)
    (permitted,) = position_permit(Subject(replace(crops, crops=light)), HOW)
    assert {r["input"]: r["verdict"] for r in permitted.details["inputs"]}["channels"] == "fail"
    (plain,) = position_permit(Subject(crops), HOW)
    assert {r["input"]: r["verdict"] for r in plain.details["inputs"]}["channels"] != "fail"


def test_cells_whose_channels_scatter_more_in_one_class_are_no_shifted_channel() -> None:
    crops = cells()
    rng = np.random.default_rng(4)
    light = crops.crops.copy()
    for k in np.flatnonzero(np.asarray(crops.labels) == "starved"):
        light[k, 1] = np.roll(light[k, 1], rng.integers(-3, 4, 2), axis=(0, 1))
    scattered = replace(crops, crops=light)
    starved = np.asarray(crops.labels) == "starved"
    far = np.abs(registration(scattered)).max(axis=1)
    assert np.median(far[starved]) > 3 * np.median(far[~starved]), "the premise"
    (permitted,) = position_permit(Subject(scattered), HOW)
    rows = {r["input"]: r["verdict"] for r in permitted.details["inputs"]}
    assert rows["channels"] != "fail"
    assert permitted.verdict != "fail", permitted.why


def test_a_tint_or_another_lamp_is_no_place() -> None:
    tinted = cells(tint=20)
    lamp = np.where(np.asarray(tinted.labels) == "starved", 1.4, 1)[:, None, None, None]
    crops = replace(tinted, crops=(tinted.crops * lamp).astype(np.float32))
    (permitted,) = position_permit(Subject(crops), HOW)
    assert permitted.verdict != "fail", permitted.why
    model = PictureLearner().fit(crops.crops, crops.labels, crops.groups, 0)
    (relies,) = position_relies(Subject(crops, model), HOW)
    assert relies.verdict == "pass", relies.why


def test_the_place_on_the_plate_and_padding_are_families() -> None:
    crops = cells()
    starved = np.asarray(crops.labels) == "starved"
    light = crops.crops.copy()
    light[starved, :, :, -3:] = 0
    rows = tuple("2" if each else "5" for each in starved)
    wells = tuple(f"p1/{'B' if each else 'C'}0{k % 4 + 1}" for k, each in enumerate(starved))
    subject = Subject(replace(crops, crops=light), levels={"row": rows, "well": wells})
    families = {each.name: each for each in place_families(subject)}
    assert families["padding"].values[starved].tolist()[0] == [0, 0, 0, 3]
    assert families["padding"].values[~starved].max() == 0
    place = families["place"].values
    assert place[0].tolist() == [5, 2, 1], "row as told, row and column of well C01"
    assert families["row"].values.shape[1] == 2
    (found,) = position_permit(subject, HOW)
    assert found.verdict == "fail"


@pytest.mark.parametrize("side", range(4))
def test_a_border_that_mirrors_what_lies_within(side: int) -> None:
    crops = world()
    light = np.asarray(crops.crops, dtype=np.float64).copy()
    plain = mirrored(crops)
    assert np.median(plain) > -0.3
    own = np.rot90(light, side, (2, 3))
    own[:, :, :5] = own[:, :, 9:4:-1]
    own += np.random.default_rng(0).normal(0, 0.01, own.shape)
    found = mirrored(replace(crops, crops=light))
    at = (0, 3, 1, 2)[side]
    assert (found[:, at] < -2).all()
    assert np.median(np.delete(found, at, axis=1)) > -0.3


def test_offset_and_shift_agree() -> None:
    crops = cells()
    before = offsets(crops)
    assert np.abs(before).max() == pytest.approx(0.5, abs=0.2)
    by = np.tile([2.0, -3.0], (len(crops), 1))
    moved = shifted(crops.masks[:, None].astype(np.float32), by)[:, 0] > 0
    after = offsets(replace(crops, masks=moved, foreground=moved))
    assert after - before == pytest.approx(by, abs=1e-9)
