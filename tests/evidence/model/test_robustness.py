"""Conditions come from the curve; a model that a little gain misleads fails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lucyte.evidence.model.perturbations import PERTURBATIONS, Scale, as_taken
from lucyte.evidence.model.robustness import conditions_held, robustness
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.evidence.model.subject import Subject
from lucyte.schema.crops import CropSet
from worlds.crops import LinearModel, PictureLearner, inside_less_border, world

HOW = ChallengeSettings()
BY_NAME = {each.name: each for each in PERTURBATIONS}


def cells(**settings: float) -> CropSet:
    return world(0, wells=6, cells=10, places=0, **settings).of_kind("cell")  # type: ignore[arg-type]


def mean_red(crops: np.ndarray) -> np.ndarray:
    return crops[:, 1].mean(axis=(1, 2))[:, None]


def test_a_contrast_holds_under_offset_and_a_level_does_not() -> None:
    crops = cells(signal=60)
    model = PictureLearner(inside_less_border).fit(crops.crops, crops.labels, crops.groups, 0)
    steady = [each for each in PERTURBATIONS if each.name != "density"]
    (found,) = robustness(Subject(crops, model), HOW, steady)
    assert found.verdict == "pass", found.why
    rows = {row["perturbation"]: row for row in found.details["conditions"]}
    assert (rows["offset"]["lowest"], rows["offset"]["highest"]) == (-0.2, 0.2)
    assert len(rows) == len(PERTURBATIONS) - 1
    card = conditions_held(found)
    assert card["offset (of the contrast)"] == (
        "holds from -0.2 to 0.2",
        "tried from -0.2 to 0.2",
    )

    level = cells(tint=3, signal=0, well_noise=0.05)
    light = np.asarray(level.crops).mean(axis=(2, 3))[:, 1]
    starved = np.asarray(level.labels) == "starved"
    middle = (light[starved].mean() + light[~starved].mean()) / 2
    touchy = LinearModel(np.array([4.0]), -4.0 * float(middle), mean_red)
    (found,) = robustness(Subject(level, touchy), HOW)
    assert found.verdict == "fail", found.why
    rows = {row["perturbation"]: row for row in found.details["conditions"]}
    assert (rows["gain"]["lowest"], rows["gain"]["highest"]) == (1, 1)
    assert "a little is enough to mislead it" in found.why


def test_a_model_at_chance_has_little_to_lose() -> None:
    coin = LinearModel(np.array([0.0]), 1.0, mean_red)
    (found,) = robustness(Subject(cells(), coin), HOW)
    assert found.verdict == "inconclusive"
    assert "chance is 0.50, so there is little to lose" in found.why


@pytest.mark.parametrize("each", PERTURBATIONS, ids=lambda each: each.name)
def test_every_disturbance_grows_with_its_level(each) -> None:  # type: ignore[no-untyped-def]
    crops = cells().take(np.arange(20))
    scale = Scale.of(crops, 0, 3)
    off = []
    for level in each.levels:
        if level == each.neutral:
            off.append(0.0)
            continue
        picture = each.make(crops, level, scale)
        assert picture.shape == crops.crops.shape
        assert np.isfinite(picture).all()
        off.append(float(np.abs(picture - crops.crops).mean()))
    at = each.levels.index(each.neutral)
    assert off[at:] == sorted(off[at:]), off
    assert off[: at + 1] == sorted(off[: at + 1], reverse=True), off
    assert set(each.mild) <= set(each.levels)


def test_disturbances_are_what_their_names_say() -> None:
    crops = cells().take(np.arange(20))
    scale = Scale.of(crops, 0, 3)
    noise = BY_NAME["noise"].make(crops, 0.1, scale) - crops.crops
    assert noise.std(axis=(0, 2, 3)) == pytest.approx(0.1 * scale.contrast, rel=0.05)
    alone = BY_NAME["density"].make(crops, 2, scale)
    assert np.array_equal(alone[:, :, 8:16, 8:16], crops.crops[:, :, 8:16, 8:16]), "own cell stays"
    assert (alone > crops.crops + 20).any(axis=(1, 2, 3)).mean() > 0.9, "neighbours are pasted"


def test_whole_numbers_stay_whole_and_within_their_type() -> None:
    crops = cells()
    small = replace(crops, crops=np.clip(crops.crops, 0, 255).astype(np.uint8))
    got = as_taken(np.full((1, 2, 2, 2), 300.7, np.float32), small.crops)
    assert got.dtype == np.uint8
    assert got.max() == 255
