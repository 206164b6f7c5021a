"""The measures behind the exams against slow, independent definitions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from skimage.metrics import structural_similarity as skimage_ssim

from lucyte.evidence.explanation import curves, infidelity, places, similarity, stability
from lucyte.evidence.explanation.examined import Examined, ExamSettings, is_map
from lucyte.evidence.explanation.imputation import imputed
from reference import explanation_exams as slow

PX = 9
NO_NOISE = np.random.default_rng(0)


@dataclass(frozen=True)
class Weighted:
    """Three classes by squared weighted sums, so that nothing is linear; a mask stands between."""

    weights: np.ndarray
    channels: tuple[str, ...] = ("R", "mask:cell", "G")
    classes: tuple[str, ...] = ("a", "b", "c")
    input_px: int = PX
    pixel_size_um: float | None = None

    def logits(self, crops):
        return np.einsum("ncyx,kcyx->nk", crops, self.weights) ** 2 / 1e3


def case(planes=2, n=3, seed=0):
    rng = np.random.default_rng(seed)
    crops = rng.integers(1, 40, (n, 3, PX, PX)).astype(float)
    crops[:, 1] = 0
    crops[:, 1, 2:6, 2:6] = 1
    return Examined(
        "m",
        Weighted(rng.normal(size=(3, 3, PX, PX))),
        crops,
        rng.normal(size=(n, planes, PX, PX)),
        crops[:, 1] > 0,
        tuple("pqr"[:n]),
        ("c", "a", "b")[:n],
    )


@pytest.mark.parametrize("planes", [1, 2])
@pytest.mark.parametrize("inserting", [False, True])
def test_curves_are_what_the_definition_says(planes, inserting):
    given = case(planes)
    settings = ExamSettings(fractions=(0.1, 0.3, 1.0), fills=("mean", "blur"))
    found = curves._areas(settings, inserting)(given, given.maps, NO_NOISE)
    for row, fill in enumerate(settings.fills):
        empty = curves.filled(given.crops, given.predictor.channels, fill)
        for n in range(3):
            start, other = given.crops[n], empty[n]
            if inserting:
                start, other = other, start
            expected = slow.curve_area(
                given.predictor.logits,
                start,
                other,
                given.maps[n],
                [0, 2],
                given.target_index[n],
                settings.fractions,
            )
            assert found[row, n] == pytest.approx(expected if inserting else -expected)


def test_fills_leave_masks_alone_and_blur_keeps_the_light():
    given = case()
    for fill in ("local_background", "mean", "blur", "black"):
        out = curves.filled(given.crops, given.predictor.channels, fill)
        assert np.array_equal(out[:, 1], given.crops[:, 1])
        assert not np.array_equal(out[:, 0], given.crops[:, 0])
    blur = curves.filled(given.crops, given.predictor.channels, "blur")
    assert blur[:, 0].std() < 0.3 * given.crops[:, 0].std()
    assert blur[:, 0].mean() == pytest.approx(given.crops[:, 0].mean(), rel=0.1)


def test_ties_are_broken_at_random():
    maps = np.zeros((1, 1, 40, 40))
    first = next(curves.tops(maps, [0.5], np.random.default_rng(0)))
    second = next(curves.tops(maps, [0.5], np.random.default_rng(1)))
    assert first.sum() == second.sum() == 800
    assert 300 < (first & second).sum() < 500


@pytest.mark.parametrize("seed", range(4))
def test_imputation_solves_the_equations(seed):
    rng = np.random.default_rng(seed)
    plane, missing = rng.normal(size=(7, 8)), rng.random((7, 8)) < 0.2 + 0.2 * seed
    missing[3, 3] = False
    assert np.allclose(imputed(plane, missing, 0, rng), slow.impute(plane, missing), atol=1e-9)


def test_imputation_has_no_edge_on_a_slope_and_its_noise_is_stated():
    slope = np.add.outer(np.arange(12.0), 2 * np.arange(12.0))
    hole = np.zeros((12, 12), bool)
    hole[4:8, 3:9] = True
    assert np.allclose(imputed(slope, hole, 0, NO_NOISE), slope)
    noisy = imputed(slope, hole, 0.5, np.random.default_rng(0)) - slope
    assert not noisy[~hole].any()
    assert noisy[hole].std() == pytest.approx(0.5 * slope.std(), rel=0.35)
    everything = imputed(slope, np.ones((12, 12), bool), 0, NO_NOISE)
    assert np.allclose(everything, slope.mean())
    assert np.array_equal(imputed(slope, np.zeros((12, 12), bool), 1, NO_NOISE), slope)


def test_road_is_the_mean_fall_over_shares():
    given = case()
    settings = ExamSettings(road_fractions=(0.1, 0.3), noise=0)
    found = curves._imputed_falls(settings)(given, given.maps, NO_NOISE)
    for n in range(3):
        before = slow.margin(given.predictor.logits(given.crops[[n]])[0], given.target_index[n])
        falls = []
        for share in settings.road_fractions:
            crop = given.crops[n].copy()
            top = slow.in_order(given.maps[n])[: round(share * given.maps[n].size)]
            for plane, channel in enumerate((0, 2)):
                gone = np.zeros((PX, PX), bool)
                for at in top:
                    if at[0] == plane:
                        gone[at[1:]] = True
                crop[channel] = slow.impute(given.crops[n, channel], gone)
            answer = given.predictor.logits(crop[None])[0]
            falls.append(before - slow.margin(answer, given.target_index[n]))
        assert found[0, n] == pytest.approx(sum(falls) / 2)


def test_infidelity_is_least_squares_with_a_scale_that_is_not_negative():
    rng = np.random.default_rng(0)
    said, fallen = rng.normal(size=(6, 20)), rng.normal(size=(6, 20))
    said[0], said[1] = 3 * fallen[0], -2 * fallen[1]
    found = infidelity.infidelity(said, fallen)
    assert found == pytest.approx(
        [slow.infidelity(a, b) for a, b in zip(said, fallen, strict=True)]
    )
    assert found[0] == pytest.approx(0)
    assert found[1] == 1, "the other way round foretells nothing"
    assert np.isnan(infidelity.infidelity(said, np.zeros((6, 20)))).all()
    assert infidelity.infidelity(np.zeros((1, 4)), np.ones((1, 4))) == 1


def test_falls_of_squares_are_asked_one_by_one():
    given = case()
    settings = ExamSettings(fills=("mean", "black"))
    where = infidelity.squares(5, (2, PX, PX), np.random.default_rng(3))
    assert (where.any(axis=(2, 3)).sum(axis=1) == 1).all(), "each on one plane"
    found = infidelity.falls(given, where, settings)
    for n, k in ((0, 0), (2, 4)):
        crop = given.crops[n].copy()
        for plane, channel in enumerate((0, 2)):
            crop[channel][where[k, plane]] = 0
        before = slow.margin(given.predictor.logits(given.crops[[n]])[0], given.target_index[n])
        after = slow.margin(given.predictor.logits(crop[None])[0], given.target_index[n])
        assert found[1, n, k] == pytest.approx(before - after)


def test_rank_correlation_counts_ranks():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 5, (2, 3, 2, 4, 4)).astype(float)
    found = similarity.rank_correlation(first, second)
    expected = [slow.rank_correlation(a, b) for a, b in zip(first, second, strict=True)]
    assert found == pytest.approx(expected)
    assert similarity.rank_correlation(first, np.exp(first)) == pytest.approx([1, 1, 1])
    first[0], second[1, 0, 0, 0] = 4.0, np.nan
    assert np.isnan(similarity.rank_correlation(first, second)).tolist() == [True, True, False]
    one = second[2:].sum(axis=1, keepdims=True)
    assert similarity.rank_correlation(second[2:], one) == pytest.approx([1])


def test_structural_similarity_is_the_definition_and_scikit_images():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 2, 1, 11, 12))
    second[1] += first[1]
    found = similarity.structural_similarity(first, second)
    for n in range(2):
        a, b = (each[n, 0] / np.abs(each[n]).max() for each in (first, second))
        assert found[n] == pytest.approx(slow.ssim(a, b))
        near = skimage_ssim(a, b, win_size=7, data_range=2.0)
        assert found[n] == pytest.approx(near)
    assert similarity.structural_similarity(first, 3 * first) == pytest.approx([1, 1])
    assert np.isnan(similarity.structural_similarity(first, 0 * first)).all()


def test_mass_and_peak_by_hand():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(4, 2, 5, 6))
    where = rng.random((4, 5, 6)) < 0.3
    expected = [slow.mass(m, w) for m, w in zip(maps, where, strict=True)]
    assert places.mass(maps, where) == pytest.approx(expected)
    assert np.isnan(places.mass(-np.ones((1, 1, 2, 2)), np.ones((1, 2, 2), bool))).all()
    tied = np.zeros((1, 1, 2, 2))
    tied[0, 0, 0] = 1
    left = np.array([[[True, False], [True, False]]])
    assert places.peak(tied, left) == pytest.approx([0.5])
    tied[0, 0, 0, 0] = 1.1
    assert places.peak(tied, left) == pytest.approx([1])


def test_sensitivity_is_the_largest_change():
    given = case()

    def attribute(predictor, crops, targets):
        return crops[:, [0, 2]] ** 2 * (1 + len(targets[0]))

    rng = np.random.default_rng(0)
    copies = [stability.noisy(given, 0.2, rng) for _ in range(3)]
    before = attribute(None, given.crops, given.targets)
    found = np.max([stability.change(before, attribute(None, x, given.targets)) for x in copies], 0)
    for n in range(3):
        one = slow.largest_change(
            attribute, None, given.crops[n], given.targets[n], [x[n] for x in copies]
        )
        assert found[n] == pytest.approx(one)
    spread = given.crops[:, 0].std(axis=(1, 2))
    for each in copies:
        assert np.array_equal(each[:, 1], given.crops[:, 1]), "masks stay"
        far = np.abs(each[:, 0] - given.crops[:, 0]).max(axis=(1, 2)) / spread
        assert (far > 0.15).all()
        assert (far <= 0.2).all()


def test_maps_that_say_nothing():
    maps = np.zeros((4, 1, 2, 2))
    maps[1, 0, 0, 0], maps[2, 0, 0, 0], maps[3] = 1, np.nan, np.inf
    assert is_map(maps).tolist() == [False, True, False, False]
