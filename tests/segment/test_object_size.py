from __future__ import annotations

import numpy as np
import pytest

from lucyte.networks.model_folder import read_folder
from lucyte.networks.shipped import model_path
from lucyte.segment.network import ObjectFinder
from lucyte.segment.object_size import FINEST, LOOK_PX, NEARLY, STEP, _ratios, fits, working_ratio


@pytest.fixture(scope="module")
def finder() -> ObjectFinder:
    return ObjectFinder(read_folder(model_path("nuclei")), "nuclei", engine="openvino", threads=1)


@pytest.fixture
def calls(finder, monkeypatch):
    """The shapes that the network was asked about."""
    seen = []
    answer = finder.answer

    def asked(batch):
        seen.append(batch.shape[2:])
        return answer(batch)

    monkeypatch.setattr(finder, "answer", asked)
    return seen


def discs(diameter, every, side, seed=0):
    rng = np.random.default_rng(seed)
    image = rng.normal(100, 4, (side, side))
    y, x = np.mgrid[:side, :side]
    at = np.arange(every // 2, side, every)
    for cy in at:
        for cx in at:
            image[np.hypot(y - cy, x - cx) < diameter / 2] += 250
    return image[None], len(at) ** 2


@pytest.mark.parametrize("longest", [30, 230, 256, 512, 2048, 16384])
def test_looks_reach_from_the_whole_image_to_one_to_one(longest):
    ratios = _ratios(longest)
    assert longest / ratios[0] <= LOOK_PX + 1e-6
    assert ratios[-1] + 1e-9 >= FINEST and ratios[-1] <= FINEST * NEARLY
    steps = np.array(ratios[:-1]) / ratios[1:]
    assert (steps > 1).all() and (steps <= STEP * NEARLY).all()


def test_a_look_at_the_whole_image_is_the_answer(finder, calls):
    image, count = discs(24, 40, 240)
    found = finder.find(image)
    assert len(found.boxes) == count and found.diameter_px == pytest.approx(24, rel=0.15)
    assert len(calls) == 1


def test_a_hint_that_fits_saves_the_search(finder, calls):
    image, count = discs(24, 40, 600)
    first = finder.find(image)
    searched, calls[:] = len(calls), []
    again = finder.find(image, hint_px=first.diameter_px)
    assert searched > 2 and len(calls) == 1
    assert len(first.boxes) == len(again.boxes) == count
    assert again.diameter_px == pytest.approx(first.diameter_px, rel=0.1) and again.estimated


@pytest.mark.parametrize("wrong", [4, 150])
def test_a_hint_that_does_not_fit_is_forgotten(finder, wrong):
    image, count = discs(24, 40, 240)
    alone, hinted = finder.find(image), finder.find(image, hint_px=wrong)
    assert len(alone.boxes) == count
    np.testing.assert_array_equal(alone.labels, hinted.labels)
    assert alone.diameter_px == hinted.diameter_px


def test_a_diameter_given_is_not_checked(finder, calls):
    image, _ = discs(24, 40, 240)
    found = finder.find(image, 40.0, hint_px=24.0)
    assert found.diameter_px == 40.0 and not found.estimated and len(calls) == 1


def test_the_working_scale_shows_objects_of_a_size_that_fits(finder):
    for diameter in (8.0, 30.0, 150.0):
        assert fits(diameter / working_ratio(diameter, finder.config), finder.config)
    assert not fits(None, finder.config) and not fits(9.0, finder.config)
