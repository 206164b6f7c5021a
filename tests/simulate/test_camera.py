"""Noise against its slow definition and its statistics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucyte.simulate.kernels import normal_quantile, poisson_quantile
from lucyte.simulate.optics import bleed_matrix, count, mix, shift_plane, vignette
from lucyte.simulate.settings import OpticsSettings
from lucyte.simulate.streams import noise_key, stream
from reference import camera


def test_counts_are_those_of_the_slow_camera() -> None:
    optics = OpticsSettings(gain=1.5, full_counts=2000)
    rng = np.random.default_rng(0)
    photons = rng.gamma(1.0, 150.0, (3, 9, 11)).astype(np.float32)
    photons[0, 0, :3] = (0.0, 0.4, 5000.0)
    counts = count(photons, optics, 7, ("A1", 3), (40, 20))
    key = int(noise_key(7, "noise", "A1", 3, "EGFP"))
    slow = np.array(
        [
            [
                camera.pixel(float(photons[0, i, j]), key, 40 + i, 20 + j, 1.5, 100.0, 3.0, 2000)
                for j in range(11)
            ]
            for i in range(9)
        ]
    )
    assert slow.max() == 2000, "premise: a pixel saturates"
    # above a mean of 12 photons the quantile is an expansion that may be one photon off
    assert np.abs(counts[0].astype(int) - slow).max() <= 2
    assert np.mean(counts[0] == slow) > 0.9


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-12, 1 - 1e-12), st.floats(0.01, 3000.0))
def test_quantiles_agree_with_sums(u: float, mean: float) -> None:
    assert normal_quantile(u) == pytest.approx(camera.normal_quantile(u), abs=2e-7)
    exact = camera.poisson_quantile(u, mean)
    tolerance = 0 if mean < 12 and u < 1 - 1e-9 else 1 + 0.02 * np.sqrt(mean)
    assert abs(poisson_quantile(u, mean) - exact) <= tolerance


@pytest.mark.parametrize("mean", [0.5, 3.0, 11.0, 13.0, 60.0, 1500.0])
def test_mean_and_variance_are_poisson_plus_read(mean: float) -> None:
    optics = OpticsSettings()
    photons = np.full((3, 300, 300), mean, dtype=np.float32)
    counts = count(photons, optics, 1, ("stat",), (0, 0)).astype(float)
    number = counts[0].size
    variance = mean + optics.read_noise_counts**2 + 1 / 12
    for plane in counts:
        assert abs(plane.mean() - 100 - mean) < 5 * np.sqrt(variance / number)
        assert abs(plane.var() / variance - 1) < 0.035
    assert abs(np.corrcoef(counts[0].ravel(), counts[1].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(counts[0, 1:].ravel(), counts[0, :-1].ravel())[0, 1]) < 0.02


def test_noise_belongs_to_the_place_not_to_the_crop() -> None:
    optics = OpticsSettings()
    photons = np.random.default_rng(1).uniform(5, 900, (3, 40, 40)).astype(np.float32)
    whole = count(photons, optics, 3, ("f",), (0, 0))
    part = count(photons[:, 10:30, 5:25], optics, 3, ("f",), (10, 5))
    assert np.array_equal(whole[:, 10:30, 5:25], part)
    assert not np.array_equal(
        whole[:, 10:30, 5:25], count(photons[:, 10:30, 5:25], optics, 3, ("f",), (0, 0))
    )


def test_more_light_never_counts_less() -> None:
    optics = OpticsSettings()
    photons = np.random.default_rng(2).uniform(0, 40, (3, 30, 30)).astype(np.float32)
    dark = count(photons, optics, 3, ("f",), (0, 0)).astype(int)
    bright = count(photons + 3, optics, 3, ("f",), (0, 0)).astype(int)
    assert (bright >= dark).all()


def test_without_noise_counts_are_the_expectation() -> None:
    optics = OpticsSettings(noise=False, gain=2.0)
    photons = np.array([[[10.2, 0.0]], [[1.0, 2.0]], [[9999.0, 3.0]]], dtype=np.float32)
    counts = count(photons, optics, 0, ("f",), (0, 0))
    assert counts.tolist() == [[[120, 100]], [[102, 104]], [[4095, 106]]]


def test_mixing_is_the_matrix() -> None:
    optics = OpticsSettings(bleed_egfp_to_mrfp=0.2, bleed_mrfp_to_egfp=0.05)
    photons = np.random.default_rng(3).uniform(0, 9, (3, 4, 5)).astype(np.float32)
    slow = np.einsum("ij,jyx->iyx", bleed_matrix(optics), photons)
    assert slow[1, 0, 0] > photons[1, 0, 0], "premise: something bleeds"
    mix(photons, optics)
    assert np.allclose(photons, slow, rtol=1e-6)


def test_vignette_is_brightest_near_the_centre_and_the_same_in_parts() -> None:
    whole = vignette(OpticsSettings(vignetting=0.4), 100, (0, 0), (100, 100))
    part = vignette(OpticsSettings(vignetting=0.4), 100, (30, 60), (20, 25))
    assert np.array_equal(whole[:, 30:50, 60:85], part)
    assert whole[0].max() == pytest.approx(1.0, abs=1e-3)
    assert whole[0, 0, 99] == pytest.approx(1 - 0.4 * (0.53**2 + 0.53**2) * 2, abs=0.01)
    assert np.all(vignette(OpticsSettings(vignetting=0), 100, (0, 0), (9, 9)) == 1)


def test_shift_moves_a_spot_by_the_fraction() -> None:
    plane = np.zeros((15, 15), dtype=np.float32)
    plane[7, 7] = 1
    moved = shift_plane(plane, (1.25, -2.5))
    y, x = np.mgrid[:15, :15]
    assert (moved * y).sum() == pytest.approx(8.25)
    assert (moved * x).sum() == pytest.approx(4.5)
    assert np.array_equal(shift_plane(plane, (0.0, 0.0)), plane)


def test_streams_do_not_disturb_each_other() -> None:
    first = stream(1, "spots", "C03", 4).random(5)
    stream(1, "decoys", "C03", 4).random(100)
    assert np.array_equal(first, stream(1, "spots", "C03", 4).random(5))
    others = [(2, "spots", "C03", 4), (1, "spot", "C03", 4), (1, "spots", "C03", 5)]
    assert all(not np.array_equal(first, stream(*key).random(5)) for key in others)
