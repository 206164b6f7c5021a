"""Spurious directions that are known are found; corrections carry over to rows not fitted on."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.learn.invariant import isr_cov, isr_mean
from lucyte.learn.invariant_frequency import FrequencyMixing
from lucyte.learn.invariant_harmony import fit_batch_shifts
from lucyte.learn.invariant_sphering import fit_sphering
from lucyte.schema.errors import UsageError
from reference import invariant as slow

FEATURES = 6


def planted(seed: int = 0, environments: int = 4, rows: int = 60):  # type: ignore[no-untyped-def]
    """Class in direction 0; the environment moves directions 1 and 2 and widens direction 3."""
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.normal(size=(FEATURES, FEATURES)))
    features, labels, places = [], [], []
    for place in range(environments):
        shift = rng.normal(0, 4, 2)
        for label in ("control", "treated"):
            x = rng.normal(size=(rows, FEATURES))
            x[:, 0] += 3 * (label == "treated")
            x[:, 1:3] += shift
            x[:, 3] *= 1 + 3 * (place == 0)
            features.append(x)
            labels += [label] * rows
            places += [f"p{place}"] * rows
    return np.concatenate(features) @ turn.T, labels, places, turn


def test_isr_mean_finds_the_directions_that_move() -> None:
    x, labels, places, turn = planted()
    found = isr_mean(x, labels, places, "control", spurious=2)
    projector = found.basis[:, :2] @ found.basis[:, :2].T
    assert projector == pytest.approx(
        slow.isr_mean(x.tolist(), labels, places, "control", 2), abs=1e-9
    )
    assert np.linalg.norm(projector @ turn[:, 1:3]) == pytest.approx(np.sqrt(2), rel=0.02)
    assert np.linalg.norm(projector @ turn[:, 0]) < 0.25
    left = found.apply(x)
    assert np.all(left[:, :2] == 0)
    assert found.basis.T @ found.basis == pytest.approx(np.eye(FEATURES), abs=1e-9)
    half = isr_mean(x, labels, places, "control", spurious=2, scale=0.5).apply(x)
    assert half[:, :2] == pytest.approx(0.5 * (x @ found.basis)[:, :2])


def test_isr_mean_drops_at_most_one_fewer_than_environments() -> None:
    x, labels, places, _ = planted(environments=3)
    assert isr_mean(x, labels, places, "control").spurious == 2
    with pytest.raises(UsageError, match="show at most 2 spurious directions, got 3"):
        isr_mean(x, labels, places, "control", spurious=3)
    with pytest.raises(UsageError, match="did you mean 'control'"):
        isr_mean(x, labels, places, "contrl")
    with pytest.raises(UsageError, match="in one environment only; two or more are needed"):
        isr_mean(x, labels, ["p"] * len(labels), "control")


def test_isr_cov_finds_the_direction_that_widens() -> None:
    x, labels, places, turn = planted(environments=2, rows=200)
    found = isr_cov(x, labels, places, "control")
    projector = found.basis[:, :1] @ found.basis[:, :1].T
    assert projector == pytest.approx(
        slow.isr_cov(x.tolist(), labels, places, "control", 1), abs=1e-9
    )
    assert abs(found.basis[:, 0] @ turn[:, 3]) > 0.95
    x, labels, places, _ = planted(environments=3)
    with pytest.raises(UsageError, match=r"class 'control' is in 3\. Take ISR-Mean"):
        isr_cov(x, labels, places, "control")


def test_sphering_makes_controls_round() -> None:
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(4, 4))
    controls = rng.normal(size=(500, 4)) @ mix + 7
    done = fit_sphering(controls, ridge=1e-9).apply(controls)
    assert np.cov(done.T) == pytest.approx(np.eye(4), abs=1e-6)
    assert done.mean(axis=0) == pytest.approx(np.zeros(4), abs=1e-9)
    with pytest.raises(UsageError, match="2 or more controls, got 1"):
        fit_sphering(controls[:1])
    with pytest.raises(UsageError, match="the controls are all alike"):
        fit_sphering(np.ones((5, 3)))


def test_batch_shifts_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(1)
    batches = np.array(["a", "b"] * 30)
    rows = rng.normal(size=(60, 3)) + np.where(batches == "b", 2.0, 0.0)[:, None]
    fitted = fit_batch_shifts(rows, batches, clusters=3)
    place = (batches == "b").astype(int)
    at = {"a": fitted.favour[0], "b": fitted.favour[1]}
    corrected = fitted.apply(rows, batches)
    share = slow.memberships(corrected.tolist(), batches.tolist(), fitted.centres, fitted.width, at)
    moved = np.einsum("nk,nkf->nf", np.array(share), fitted.shifts[place])
    assert rows - moved == pytest.approx(corrected, abs=0.05), "a fixed point"
    wanted = slow.shifts(rows.tolist(), batches.tolist(), share, ["a", "b"])
    assert fitted.shifts == pytest.approx(np.array(wanted), abs=0.05)


def test_batches_meet_and_clusters_stay_apart_in_rows_not_fitted_on() -> None:
    rng = np.random.default_rng(2)
    kind = rng.integers(0, 2, 400)
    batches = rng.choice(["a", "b", "c"], 400)
    offset = {"a": 0.0, "b": 2.0, "c": -1.5}
    x = rng.normal(size=(400, 5))
    x[:, 0] += 6 * kind
    x[:, 1] += [offset[b] for b in batches]
    fitted = fit_batch_shifts(x[:200], batches[:200])
    done = fitted.apply(x[200:], batches[200:])
    means = [done[batches[200:] == b, 1].mean() for b in "abc"]
    assert np.ptp(means) < 0.5 < np.ptp([x[200:][batches[200:] == b, 1].mean() for b in "abc"])
    apart = done[kind[200:] == 1, 0].mean() - done[kind[200:] == 0, 0].mean()
    assert apart == pytest.approx(6, abs=0.6)
    with pytest.raises(UsageError, match="unknown batch 'd'"):
        fitted.apply(x[:1], ["d"])
    with pytest.raises(UsageError, match="two or more, got one"):
        fit_batch_shifts(x, ["a"] * 400)


def test_mixing_takes_a_band_from_all_classes_alike() -> None:
    class Keeper:
        def fit(self, samples, labels, groups, seed):  # type: ignore[no-untyped-def]
            self.samples, self.labels = samples, list(labels)
            return self

    y, x = np.mgrid[:16, :16]
    wave = np.cos(2 * np.pi * (3 * y + 3 * x) / 16)
    rng = np.random.default_rng(0)
    labels = ["fed", "starved"] * 100
    crops = (
        rng.normal(0, 0.1, (200, 1, 16, 16)) + np.tile([0.0, 1.0], 100)[:, None, None, None] * wave
    )
    mask = np.zeros((1, 16, 16), dtype=bool)
    mask[0, [3, -3], [3, -3]] = True
    keeper = Keeper()
    FrequencyMixing(keeper, mask).fit(crops, labels, labels, 0)  # type: ignore[arg-type]
    size = np.abs(np.fft.fft2(keeper.samples[:, 0])[:, 3, 3])
    truth = np.array(keeper.labels)
    assert len(truth) == 400
    before = np.abs(np.fft.fft2(crops[:, 0])[:, 3, 3])
    assert before[1::2].min() > before[0::2].max(), "the world must hold the shortcut"
    ratio = size[truth == "starved"].mean() / size[truth == "fed"].mean()
    assert ratio == pytest.approx(1, abs=0.2)
    with pytest.raises(
        UsageError, match=r"the mask of frequencies is \(1, 16, 16\), crops are \(2"
    ):
        FrequencyMixing(keeper, mask).fit(np.zeros((4, 2, 16, 16)), ["a"] * 4, ["a"] * 4, 0)  # type: ignore[arg-type]
