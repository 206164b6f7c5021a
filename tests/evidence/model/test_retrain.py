"""Units are never on both sides, chance stays at one half, and few units are said."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.evidence.model.guard import judge
from lucyte.evidence.model.retrain import HeldOut, held_out, with_learner, with_table
from lucyte.evidence.model.telling import Row, Teller
from reference.classification import auroc
from worlds.crops import PictureLearner, world


def test_no_unit_is_in_training_and_held_out() -> None:
    cells = world(wells=3).of_kind("cell")
    groups = np.asarray(cells.groups)
    seen = []

    def answer(train: np.ndarray, asked: np.ndarray) -> np.ndarray:
        test = np.setdiff1d(asked, train)
        assert not set(groups[train]) & set(groups[test])
        assert {label for label, _ in zip(cells.labels, groups, strict=True)} == {
            cells.labels[k] for k in test
        }
        seen.extend(test.tolist())
        return np.where(np.isin(asked, train)[:, None], np.nan, np.zeros((len(asked), 2)))

    told = held_out(answer, cells.labels, cells.groups)
    assert sorted(seen) == list(range(len(cells)))
    assert told.auroc == 0.5
    assert np.isnan(told.apart), "a model that tells nothing has no scale"


def test_wells_that_happen_to_fall_right_are_not_far_apart() -> None:
    """The gap is measured against the spread between units, on the scale of each fold's model."""
    cells = world(wells=4).of_kind("cell")
    well = np.array([int(name[-1]) for name in cells.groups])
    side = np.where(np.asarray(cells.labels) == "starved", 1.0, -1.0)

    def told(spread: float) -> HeldOut:
        values = side + spread * (well - 1.5)

        def answer(train: np.ndarray, asked: np.ndarray) -> np.ndarray:
            lean = values[asked] * (1 + train[0])  # each fold's model has a scale of its own
            return np.column_stack([-lean, lean])

        return held_out(answer, cells.labels, cells.groups)

    assert told(0.1).auroc == told(0.6).auroc == 1.0, "AUROC does not tell them apart"
    assert told(0.1).apart == pytest.approx(2 / np.sqrt(0.05 / 3), rel=0.35)
    assert told(0.6).apart < 4


def test_auroc_is_the_mean_over_pairs_held_out_together() -> None:
    cells = world(wells=3, signal=3, well_noise=2).of_kind("cell")
    answer = with_learner(PictureLearner(), [cells.crops], cells.labels, cells.groups, 0)
    told = held_out(answer, cells.labels, cells.groups)
    lean = told.logits[:, 1] - told.logits[:, 0]
    truth = np.asarray(cells.labels) == "starved"
    slow = [
        auroc(lean[told.fold_of == k].tolist(), truth[told.fold_of == k].tolist()) for k in range(3)
    ]
    assert np.ptp(slow) > 0.02, "folds must differ for the test to tell"
    assert told.folds == pytest.approx(slow, abs=1e-9)
    assert told.auroc == pytest.approx(np.mean(slow), abs=1e-9)


def test_chance_is_one_half_even_with_few_units() -> None:
    found = []
    for seed in range(40):
        cells = world(seed, wells=3, signal=0, cells=6, places=0).of_kind("cell")
        answer = with_learner(PictureLearner(), [cells.crops], cells.labels, cells.groups, 0)
        found.append(held_out(answer, cells.labels, cells.groups).auroc)
    assert np.mean(found) == pytest.approx(0.5, abs=3 * np.std(found) / np.sqrt(40))


def test_one_unit_of_a_class_cannot_be_left_out() -> None:
    told = held_out(lambda a, b: np.zeros((len(b), 2)), ["a", "b", "b"], ["u", "v", "w"])
    assert np.isnan(told.auroc)
    assert told.undefined == (
        "leaving whole units out needs at least 2 units of each class; there are 1 of a, 2 of b"
    )


def told(auroc: float, low: float | None, high: float | None, units: list[float], apart: float):  # type: ignore[no-untyped-def]
    return HeldOut(
        auroc=auroc, low=low, high=high, units={str(k): v for k, v in enumerate(units)}, apart=apart
    )


@pytest.mark.parametrize(
    ("answer", "cells", "verdict"),
    [
        (told(0.97, 0.2, 1.0, [0.95] * 6, 6.0), 1.0, "fail"),
        (told(0.97, None, None, [0.95] * 4, 6.0), 1.0, "fail"),
        (told(0.97, 0.2, 1.0, [0.95] * 6, 0.9), 1.0, "inconclusive"),
        (told(0.75, 0.3, 0.9, [0.75] * 6, 6.0), 1.0, "inconclusive"),
        (told(0.75, 0.7, 0.9, [0.75] * 20, 1.2), 0.8, "fail"),
        (told(0.51, 0.45, 0.58, [0.5] * 12, 0.0), 0.9, "pass"),
        (told(0.51, 0.40, 0.65, [0.5] * 12, 0.0), 0.9, "inconclusive"),
        (told(0.51, None, None, [0.55, 0.45, 0.5, 0.52], 0.0), 0.9, "pass"),
        (told(0.51, None, None, [0.65, 0.45, 0.5, 0.52], 0.0), 0.9, "inconclusive"),
        (told(0.51, None, None, [0.5] * 3, 0.0), 0.9, "inconclusive"),
        (told(0.41, None, None, [0.55, 0.05, 0.5, 0.52], 0.0), 0.9, "inconclusive"),
        (told(0.0, None, None, [0.0] * 4, 0.0), 0.9, "inconclusive"),
        (told(0.2, 0.1, 0.3, [0.2] * 12, 0.0), 0.9, "inconclusive"),
        (HeldOut(undefined="nothing"), 0.9, "inconclusive"),
    ],
)
def test_the_guard_rule(answer: HeldOut, cells: float, verdict: str) -> None:
    assert judge(answer, cells, 0.1).verdict == verdict


def test_two_wells_a_class_that_differ_by_a_real_shortcut_never_reassure() -> None:
    """Refits on three wells turn round: AUROC 0 of what truly tells the classes."""
    verdicts = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        units = np.repeat([f"w{k}" for k in range(4)], 12)
        labels = np.where(np.arange(48) < 24, "a", "b")
        lamp = rng.normal(size=4) + np.array([0, 0, 1, 1])
        x = np.repeat(lamp, 12)[:, None] + 0.3 * rng.normal(size=(48, 1))
        told = held_out(with_table(x, labels.tolist(), 0), labels.tolist(), units.tolist(), 6, seed)
        verdicts.append(judge(told, 0.9, 0.1).verdict)
    assert verdicts.count("pass") <= 1


def test_more_units_need_a_smaller_gap_where_cells_vary_by_nature() -> None:
    def told(units: int, apart: float) -> str:
        answer = HeldOut(0.75, 0.55, 0.9, {str(k): 0.75 for k in range(units)}, apart=apart)
        return judge(answer, 1.0, 0.1, over_units=True).verdict

    assert told(10, 1.9) == "inconclusive"
    assert told(10, 2.0) == told(40, 1.0) == "fail", "the same t"
    assert told(40, 0.99) == "inconclusive"


@pytest.mark.parametrize(("plain", "verdict"), [((0.7, 0.9), "fail"), ((0.0, 1.0), "inconclusive")])
def test_what_the_plain_crops_hardly_told_cannot_be_lost(
    plain: tuple[float, float], verdict: str
) -> None:
    tell = Teller("a from b", HeldOut(0.8, *plain), 0.1, "well")
    left = Row("what remains", "the cell alone", HeldOut(0.5, 0.45, 0.55, {"w": 0.5}), 9)
    assert tell.remains(left).verdict == verdict


def test_statistics_made_once_answer_as_the_learner_does() -> None:
    from lucyte.learn.crops import CropLearner

    class Plain:
        """The same learner where its type cannot be seen."""

        def fit(self, *args):  # type: ignore[no-untyped-def]
            return CropLearner().fit(*args)

    cells = world(wells=2, signal=3, cells=12).of_kind("cell")
    told = [
        held_out(
            with_learner(learner, [cells.crops], cells.labels, cells.groups, 0),
            cells.labels,
            cells.groups,
        )
        for learner in (CropLearner(), Plain())
    ]
    assert np.abs(told[1].logits).max() > 0.1, "the test needs answers"
    assert told[0].logits == pytest.approx(told[1].logits, abs=1e-9)
