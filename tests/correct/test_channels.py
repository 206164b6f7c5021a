"""Bleed-through and shifts between channels against those that were simulated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucyte.correct.bleed_through import bleed_matrix, unmix
from lucyte.correct.registration import measure_shift, move_back
from lucyte.schema.errors import UsageError
from lucyte.simulate.optics import bleed_matrix as true_matrix
from lucyte.simulate.optics import shift_plane
from reference import correction


def test_the_matrix_is_the_simulators(make_plate: Any) -> None:
    optics = make_plate(bleed_egfp_to_mrfp=0.3, bleed_mrfp_to_egfp=0.1).settings.optics
    asked = {"mRFP": {"EGFP": 0.3}, "EGFP": {"mRFP": 0.1}}
    assert np.allclose(bleed_matrix(["EGFP", "mRFP", "TL"], asked), true_matrix(optics))


def test_unmixing_takes_away_what_bled(make_plate: Any) -> None:
    bled = {"bleed_egfp_to_mrfp": 0.3, "bleed_mrfp_to_egfp": 0.1}
    clean = {"bleed_egfp_to_mrfp": 0.0, "bleed_mrfp_to_egfp": 0.0}
    rest = {"noise": False, "vignetting": 0.0, "full_counts": 65535, "wells": 1}
    seen = make_plate(**bled, **rest).sites[0].observe(1)
    truth = make_plate(**clean, **rest).sites[0].observe(1)
    matrix = bleed_matrix(["EGFP", "mRFP", "TL"], {"mRFP": {"EGFP": 0.3}, "EGFP": {"mRFP": 0.1}})
    assert np.abs(seen[:2].astype(float) - truth[:2]).max() > 200, "premise: light bleeds"
    error = np.abs(unmix(seen, matrix, (100.0, 100.0, 100.0)) - truth)
    assert error.max() < 2.5
    without = unmix(seen, matrix) - truth
    assert np.ptp(without[1]) < 5, "without the offset a constant remains"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 0.45), min_size=6, max_size=6), st.integers(0, 99))
def test_unmixing_solves_every_pixel(fractions: list[float], seed: int) -> None:
    names = ["a", "b", "c"]
    values = iter(fractions)
    asked = {to: {by: next(values) for by in names if by != to} for to in names}
    matrix = bleed_matrix(names, asked)
    planes = np.random.default_rng(seed).uniform(0, 500, (3, 4, 3))
    offsets = np.array([10.0, 0.0, 3.0])
    slow = correction.unmix(planes, matrix, offsets)
    assert np.allclose(unmix(planes, matrix, offsets), slow, rtol=1e-3, atol=0.05)
    emitted = np.einsum("ij,jyx->iyx", np.linalg.inv(matrix), planes)
    assert np.allclose(np.einsum("ij,jyx->iyx", matrix, emitted), planes)


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ({"mRPF": {"EGFP": 0.1}}, "unknown channel 'mRPF', did you mean 'mRFP'"),
        ({"mRFP": {"mRFP": 0.1}}, "a channel is all its own"),
        ({"mRFP": {"EGFP": 1.2}}, "is 1.2; write a fraction from 0 to below 1"),
        (
            {"mRFP": {"EGFP": 0.9999}, "EGFP": {"mRFP": 0.9999}},
            r"cannot be undone: the matrix .* condition number 2e\+04.*singly stained cells",
        ),
    ],
)
def test_matrices_that_make_no_sense_are_refused(
    fractions: dict[str, dict[str, float]], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        bleed_matrix(["EGFP", "mRFP"], fractions)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (3.0, -2.0), (1.6, -2.35), (-0.45, 7.8)])
def test_the_simulated_shift_is_found(make_plate: Any, shift: tuple[float, float]) -> None:
    sites = make_plate(shift_mrfp_px=shift, wells=3).sites
    images = [site.observe(1) for site in sites]
    found = [measure_shift(image[0], image[1]) for image in images]
    assert all(each.believed for each in found)
    missed = np.array(found)[:, :2] - shift
    assert np.hypot(*missed.T).max() < 0.6
    assert np.hypot(*np.median(missed, axis=0)) < 0.15
    others = [measure_shift(image[0], image[2]) for image in images]
    assert not any(each.believed for each in others), "transmitted light has little in common"


def test_moving_back_undoes_the_simulators_shift(rng: np.random.Generator) -> None:
    plane = rng.uniform(0, 9, (40, 50)).astype(np.float32)
    moved = shift_plane(plane, (3.0, -5.0))
    assert np.array_equal(move_back(moved, (3.0, -5.0))[5:-5, 6:-6], plane[5:-5, 6:-6])
    stack = np.stack([moved, plane])
    assert np.array_equal(move_back(stack, (3.0, -5.0))[0], move_back(moved, (3.0, -5.0)))


@settings(max_examples=20, deadline=None)
@given(st.floats(-4, 4), st.floats(-4, 4))
def test_moving_is_interpolation(y: float, x: float) -> None:
    plane = np.random.default_rng(1).uniform(0, 9, (7, 8))
    assert np.allclose(move_back(plane, (y, x)), correction.move_back(plane, (y, x)), atol=1e-4)


def test_flat_planes_have_no_shift() -> None:
    found = measure_shift(np.ones((64, 64)), np.ones((64, 64)))
    assert found == (0.0, 0.0, 0.0) and not found.believed
