"""The laboratory: twins differ where the cause is, decoys never, and shams plant nothing."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.simulate.settings import (
    PLANTS,
    ShortcutSettings,
    WorldSettings,
    shortcut_settings,
    tiny_settings,
)
from lucyte.simulate.shortcuts import plant
from lucyte.simulate.structures import KINDS, find_spots
from lucyte.simulate.worlds import SimulatedPlate, simulate

KINDS_PLANTED = [kind for kind in PLANTS if kind != "none"]


@pytest.fixture(scope="module")
def plate() -> SimulatedPlate:
    return simulate("autophagy", tiny_settings(1, 4), 11)


def test_a_twin_differs_only_where_its_state_causes_light(plate: SimulatedPlate) -> None:
    differing = 0
    for field, site in zip(plate.plate.fields, plate.sites, strict=True):
        for pose in site.poses(3):
            twin = plate.twin(field.field_id, pose.track_id, 3, 60)
            top = int(np.clip(round(pose.y_px) - 30, 0, 100))
            left = int(np.clip(round(pose.x_px) - 30, 0, 100))
            part = ((top, left), (60, 60))
            here = site.expected(3, *part)
            there = site.expected(3, *part, {pose.track_id: not site.starved})
            assert not np.any((twin.crop != twin.other) & (here == there))
            window = (slice(None), slice(top, top + 60), slice(left, left + 60))
            assert np.array_equal(twin.crop, site.observe(3)[window])
            assert np.array_equal(twin.mask, site.labels(3)[window[1:]] == pose.track_id)
            differing += int((twin.crop != twin.other).any())
    assert differing > 5, "premise: states make a difference"


def test_the_cause_map_is_the_difference_of_the_expectations(plate: SimulatedPlate) -> None:
    field, site = plate.plate.fields[-1], plate.sites[-1]
    causes = plate.cause_map(field.field_id, 3)
    assert causes.shape == (3, 160, 160)
    assert 0.002 < np.mean(causes[1] != 0) < 0.4
    cells = site.labels(3) > 0
    assert np.abs(causes[:, cells]).sum() > 0.8 * np.abs(causes).sum()
    assert causes[1].sum() > 0 > causes[0][site.labels(3) > 0].min(), "more red, some green gone"
    whole = site.observe(3, starved=not site.starved)
    assert not np.any((whole != site.observe(3)) & (causes == 0))


def test_without_effect_twins_are_the_same_picture() -> None:
    tiny = tiny_settings(1, 3)
    none = tiny.model_copy(update={"cell": tiny.cell.model_copy(update={"effect": 0.0})})
    here = simulate("autophagy", none, 11)
    for field, site in zip(here.plate.fields, here.sites, strict=True):
        assert not here.cause_map(field.field_id, 2).any()
        for pose in site.poses(2):
            twin = here.twin(field.field_id, pose.track_id, 2, 50)
            assert np.array_equal(twin.crop, twin.other)


def test_decoys_do_not_depend_on_the_state(plate: SimulatedPlate) -> None:
    decoy = KINDS.index("decoy")
    seen = 0
    for site in plate.sites:
        for pose in site.poses(3):
            fed, starved = site.spots(pose, False), site.spots(pose, True)
            for name in ("y", "x", "radius", "photons", "form"):
                one = getattr(fed, name)[fed.kind == decoy]
                assert np.array_equal(one, getattr(starved, name)[starved.kind == decoy])
            seen += int((fed.kind == decoy).sum())
    assert seen > 10, "premise: there are decoys"


def test_decoys_are_as_bright_and_as_large_as_what_they_imitate() -> None:
    here = simulate("autophagy", tiny_settings(8, 5), 3)
    light: dict[bool, list[float]] = {True: [], False: []}
    size: dict[bool, list[float]] = {True: [], False: []}
    for site in here.sites[8:]:
        for pose in site.poses(4):
            spots = site.spots(pose)
            for of_decoy in (True, False):
                at = (spots.kind == KINDS.index("decoy")) == of_decoy
                light[of_decoy] += list(spots.photons[at])
                size[of_decoy] += list(spots.radius[at])
    assert np.median(light[True]) == pytest.approx(np.median(light[False]), rel=0.1)
    assert np.median(size[True]) == pytest.approx(np.median(size[False]), rel=0.35)


def test_raising_the_level_adds_spots_and_takes_none_away(plate: SimulatedPlate) -> None:
    site = plate.sites[-1]
    for pose in site.poses(0):
        numbers = []
        before: set[tuple[float, float]] = set()
        for level in (0.0, 0.3, 0.6, 0.95):
            spots = find_spots(plate.settings, plate.seed, pose, level)
            places = set(zip(spots.y.tolist(), spots.x.tolist(), strict=True))
            assert before <= places
            before = places
            numbers.append(len(places))
        assert numbers[-1] > numbers[0]


@pytest.mark.parametrize("kind", KINDS_PLANTED)
def test_strength_zero_and_shams_plant_nothing(kind: str) -> None:
    def pixels(strength: float, sham: bool) -> list[np.ndarray]:
        chosen = shortcut_settings(kind, strength, sham=sham, base=tiny_settings(1, 1))
        return [site.observe(0) for site in simulate("shortcut", chosen, 4).sites]

    nothing, sham, planted = pixels(0.0, False), pixels(1.0, True), pixels(1.0, False)
    for zero, same in zip(nothing, sham, strict=True):
        assert np.array_equal(zero, same)
    assert any(not np.array_equal(a, b) for a, b in zip(nothing, planted, strict=True))


@pytest.mark.parametrize("kind", KINDS_PLANTED)
def test_a_shortcut_depends_on_the_condition_and_grows_with_strength(kind: str) -> None:
    flat = np.full((3, 64, 64), 50.0, dtype=np.float32)

    def gap(strength: float) -> float:
        shortcut = ShortcutSettings.model_validate({"kind": kind, "strength": strength})
        fed = plant(flat, shortcut, False, 64, (0, 0))
        return float(np.abs(plant(flat, shortcut, True, 64, (0, 0)) - fed).mean())

    gaps = [gap(strength) for strength in (0.0, 0.25, 0.5, 1.0)]
    assert gaps[0] == 0
    assert gaps[1] > 0
    assert np.allclose(gaps, np.array([0, 0.25, 0.5, 1.0]) * gaps[-1], rtol=1e-4)


def test_the_wave_has_the_mean_of_its_absence() -> None:
    flat = np.full((3, 230, 230), 50.0, dtype=np.float32)
    shortcut = ShortcutSettings(kind="frequency", strength=1.0)
    fed, starved = (plant(flat, shortcut, state, 230, (0, 0))[0] for state in (False, True))
    assert fed.mean() == pytest.approx(starved.mean(), abs=0.02)
    assert fed.std() < 1e-3 < 5 < starved.std()


def test_a_shortcut_stays_when_a_cell_changes_state() -> None:
    settings = shortcut_settings("tint", 1.0, base=tiny_settings(1, 1))
    effect = settings.cell.model_copy(update={"effect": 1.0})
    here = simulate("shortcut", settings.model_copy(update={"cell": effect}), 4)
    site = here.sites[-1]
    everyone = site.observe(0, starved=False)
    empty = (site.expected(0) == site.expected(0, starved=False)).all(0)
    assert empty.mean() > 0.3, "premise: there is medium"
    assert np.array_equal(everyone[:, empty], site.observe(0)[:, empty])


def test_settings_refuse_what_they_do_not_know() -> None:
    with pytest.raises(ValueError, match="two different names"):
        WorldSettings.model_validate({"layout": {"conditions": ("fed", "fed")}})
    with pytest.raises(ValueError, match="extra"):
        WorldSettings.model_validate({"cells": 4})
