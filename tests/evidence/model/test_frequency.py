"""A wave behind the cells is caught in data and model; texture of any fineness is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lucyte.evidence.model.frequency import frequency_shortcut
from lucyte.evidence.model.frequency_exchange import exchange_band
from lucyte.evidence.model.frequency_lines import line_mask, line_spectra, strongest_lines
from lucyte.evidence.model.frequency_maps import Asked, alone, frequency_map, sweeps
from lucyte.evidence.model.remedies import frequency_remedy
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.evidence.model.subject import Subject
from lucyte.schema.crops import CropSet
from lucyte.schema.errors import UsageError
from lucyte.schema.finding import Finding
from reference.frequency import block, map_rise
from worlds.crops import CHANNELS, LinearModel, PictureLearner, inside_less_border, world

SETTINGS = ChallengeSettings(permutations=19, most_asked=84)
WAVE = (5, 3)
"""Cycles per crop, down and across."""


def waves(cells: CropSet, strength: float, where: str = "all") -> CropSet:
    """A wave of random phase in the green of every starved crop."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[: cells.crop_px, : cells.crop_px] / cells.crop_px
    light = cells.crops.copy()
    for k, label in enumerate(cells.labels):
        wave = np.cos(2 * np.pi * (WAVE[0] * y + WAVE[1] * x + rng.random()))
        if label == "starved":
            light[k, 0] += strength * (wave * cells.masks[k] if where == "cells" else wave)
    return replace(cells, crops=light)


def wave_power(crops: np.ndarray) -> np.ndarray:
    """Log amplitude of the wave: a model that reads nothing else."""
    found = np.abs(np.fft.fft2(crops[:, 0].astype(np.float64)))[:, WAVE[0], WAVE[1]]
    return np.log(found + 1)[:, None]


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {each.name: each for each in findings}


@pytest.fixture(scope="module")
def planted() -> CropSet:
    return waves(world(2, wells=6, signal=0, places=0, cells=10), 6)


@pytest.fixture(scope="module")
def honest() -> CropSet:
    return world(3, wells=6, signal=30, places=0, cells=10)


def test_a_wave_is_named_by_data_and_model(planted: CropSet) -> None:
    model = PictureLearner(wave_power).fit(planted.crops, planted.labels, planted.groups, 0)
    found = by_name(frequency_shortcut(Subject(planted, model), SETTINGS))
    permit = found["frequency.data_permit"]
    assert permit.verdict == "fail"
    assert permit.n == 12
    line = permit.details["lines"][0]
    assert line["channel"] == CHANNELS[0]
    assert line["period_px"] == pytest.approx(24 / np.hypot(*WAVE), rel=0.2)
    assert "px at" in permit.why and "differs, cells or no cells" in permit.why
    assert permit.details["beside_cells"]["auroc"] > 0.9
    relies = found["frequency.model_relies"]
    assert relies.verdict == "fail"
    assert relies.statistic == pytest.approx(1, abs=0.15)
    assert "this model reads the pattern" in relies.why
    alone_told = found["frequency.dominant_map"]
    assert alone_told.verdict == "fail"
    assert "a narrow band is all it needs" in alone_told.why
    starved = next(c for c in alone_told.details["classes"] if c["class"] == "starved")
    assert starved["auroc"] > 0.9
    assert np.median(starved["random_auroc"]) < 0.7


def test_cells_that_differ_are_no_pattern(honest: CropSet) -> None:
    model = PictureLearner(inside_less_border).fit(honest.crops, honest.labels, honest.groups, 0)
    found = by_name(frequency_shortcut(Subject(honest, model), SETTINGS))
    assert found["frequency.data_permit"].details["cells_auroc"] > 0.9
    assert found["frequency.data_permit"].statistic < 0.65
    assert found["frequency.data_permit"].verdict != "fail"
    assert found["frequency.model_relies"].verdict == "pass"
    assert found["frequency.dominant_map"].verdict != "fail"


def test_a_pattern_within_the_outlines_may_be_of_the_cells() -> None:
    cells = waves(world(4, wells=6, signal=0, places=0, cells=10), 25, "cells")
    found = frequency_shortcut(Subject(cells), SETTINGS)[0]
    assert found.verdict == "inconclusive"
    assert "lies within the outlines, and may be a structure of the cells" in found.why


def test_the_map_is_that_of_the_definition(planted: CropSet) -> None:
    few = planted.take(np.r_[:2, len(planted) - 2 : len(planted)])
    few = replace(
        few,
        crops=few.crops[:, :, :8, :8],
        masks=few.masks[:, :8, :8],
        foreground=few.foreground[:, :8, :8],
    )
    weights = np.random.default_rng(0).normal(0, 0.05, (2 * 64, 1))

    def measure(crops: np.ndarray) -> np.ndarray:
        return crops.reshape(len(crops), -1) - 100

    model = LinearModel(weights[:, 0], 0.3, measure, input_px=8)
    asked = Asked(model, few)
    found = frequency_map(asked, 3)
    for label in found.classes:
        rows = [k for k, name in enumerate(few.labels) if name == label]
        slow = map_rise(
            few.crops[rows].tolist(),
            [model.classes.index(label)] * len(rows),
            lambda x: model.logits(np.array([x]))[0].tolist(),
            3,
        )
        for fy in range(8):
            for fx in range(8):
                fast = found.rise[found.classes.index(label)][found.blocks[fy, fx]]
                assert fast == pytest.approx(slow[block(fy, fx, 3, 8, 8)], abs=1e-4)
    top = found.dominant("fed", 0.2)
    rises = found.rise[0]
    assert rises[top].min() >= np.delete(rises, top).max()
    assert found.picture("fed").shape == (8, 8)


def test_sweeps_say_where_the_wave_is(planted: CropSet) -> None:
    model = PictureLearner(wave_power).fit(planted.crops, planted.labels, planted.groups, 0)
    told = sweeps(Asked(model, planted))
    wave = np.hypot(*WAVE) / 24
    for row in told["low_pass"]:
        assert (row["auroc"] > 0.9) == (row["to"] > wave)
    for row in told["band_pass"]:
        assert (row["auroc"] > 0.9) == (row["from"] <= wave < row["to"])


def test_without_random_masks_there_is_no_p(planted: CropSet) -> None:
    model = PictureLearner(wave_power).fit(planted.crops, planted.labels, planted.groups, 0)
    asked = Asked(model, planted)
    told = alone(asked, frequency_map(asked), "starved", 0.05, (0, 0))
    assert np.isnan(told.p)
    assert told.gain == {}
    assert 0.03 < told.share < 0.15


def test_mixing_the_band_is_the_remedy(planted: CropSet) -> None:
    told = frequency_remedy(Subject(planted, learner=PictureLearner(wave_power)), SETTINGS)
    assert [each.name for each in told] == ["remedy.frequency_mixing"]
    assert told[0].verdict == "pass", told[0].why
    before, after = told[0].details["before"], told[0].details["after"]
    assert before["reliance"] > 0.8 > 0.2 > abs(after["reliance"])
    assert frequency_remedy(Subject(planted), SETTINGS) == []


def test_what_differs_by_chance_is_not_exchanged(planted: CropSet, honest: CropSet) -> None:
    spectra = line_spectra(planted.crops)
    lines = strongest_lines(spectra, planted.labels, planted.channels, 8)
    wave = 1 / np.hypot(*WAVE) * planted.crop_px
    assert {each.channel for each in lines} == {planted.channels[0]}
    assert lines[0].period_px == pytest.approx(wave), "the premise: it is the strongest"
    noise = strongest_lines(line_spectra(honest.crops), honest.labels, honest.channels, 8)
    assert len(noise) == 1, "and without a wave the strongest alone is left"


def test_a_model_that_tells_nothing_follows_no_band(planted: CropSet) -> None:
    rng = np.random.default_rng(0)
    model = LinearModel(np.ones(1), 0.0, lambda crops: rng.normal(size=(len(crops), 1)))
    found = by_name(frequency_shortcut(Subject(planted, model), SETTINGS))
    assert found["frequency.model_relies"].verdict == "inconclusive"
    assert "does not tell the classes apart here" in found["frequency.model_relies"].why


def test_one_unit_of_a_class_leaves_no_donor(planted: CropSet) -> None:
    groups = tuple(
        "p/f" if label == "fed" else g
        for label, g in zip(planted.labels, planted.groups, strict=True)
    )
    one = replace(planted, groups=groups)
    model = PictureLearner(wave_power).fit(one.crops, one.labels, one.groups, 0)
    lines = strongest_lines(line_spectra(one.crops), one.labels, one.channels, 4)
    mask = line_mask(lines, one.crops.shape[1:])
    assert exchange_band(Asked(model, one), mask, 0) is None
    found = by_name(frequency_shortcut(Subject(one, model), SETTINGS))
    assert {each.verdict for each in found.values()} == {"inconclusive"}
    assert "needs 2 wells of each class" in found["frequency.model_relies"].why
    assert "could not be judged: leaving whole units out" in found["frequency.data_permit"].why


def test_wrong_use_is_refused(planted: CropSet) -> None:
    fed = planted.take([label == "fed" for label in planted.labels])
    with pytest.raises(UsageError, match=r"needs cells of two classes, got \('fed',\)"):
        frequency_shortcut(Subject(fed), SETTINGS)
    model = LinearModel(np.ones(1), 0.0, wave_power, classes=("a", "b"))
    with pytest.raises(UsageError, match=r"the model knows the classes \['a', 'b'\]"):
        frequency_shortcut(Subject(planted, model), SETTINGS)
