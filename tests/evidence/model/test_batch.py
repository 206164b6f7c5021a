"""Plates that tell the class, plates that can be read, and what takes them out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from lucyte.evidence.model.batch import batch
from lucyte.evidence.model.batch_confounding import confounding, one_value_each
from lucyte.evidence.model.batch_leave_out import leave_out
from lucyte.evidence.model.batch_readout import macro_auroc, read_level, ridge_scores
from lucyte.evidence.model.remedies import batch_remedies
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.evidence.model.subject import Subject
from lucyte.schema.errors import UsageError
from lucyte.schema.finding import Finding
from reference.classification import auroc
from worlds.crops import world

SETTINGS = ChallengeSettings(permutations=99)


def plates(
    offset: float, *, count: int = 2, wells: int = 4, confounded: bool = False, seed: int = 0
) -> Subject:
    """Wells dealt to plates; each plate's light is brighter by ``offset`` than the last."""
    cells = world(seed, wells=wells, places=0, cells=12, well_noise=0.3)
    numbers = {name: k for k, name in enumerate(sorted(set(cells.groups)))}
    plate = [
        (label == "starved") if confounded else numbers[g] % count
        for label, g in zip(cells.labels, cells.groups, strict=True)
    ]
    light = cells.crops + offset * np.array(plate, dtype=np.float32)[:, None, None, None]
    named = tuple(f"plate {int(p)}" for p in plate)
    return Subject(replace(cells, crops=light), levels={"plate": named})


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {each.name: each for each in findings}


def test_a_plate_for_each_class_cannot_be_told_from_it() -> None:
    found = by_name(batch(plates(3, confounded=True), SETTINGS))
    design = found["batch.confounding.plate"]
    assert design.verdict == "fail"
    assert design.why == (
        "Every plate holds one class only, so plate and class cannot be told apart: whatever "
        "differs between plates may be what a model tells the classes by."
    )
    assert design.n == 8
    assert design.details["values"]["plate 0"] == {"fed": 4, "starved": 0}
    assert found["batch.leave_out.plate"].verdict == "inconclusive"
    assert "at least 2 plates of each class" in found["batch.leave_out.plate"].why


def test_an_offset_between_plates_is_read_and_its_absence_too() -> None:
    with_offset = by_name(batch(plates(4), SETTINGS))
    assert with_offset["batch.confounding.plate"].verdict == "pass"
    readout = with_offset["batch.readout.plate"]
    assert readout.verdict == "fail"
    assert readout.statistic > 0.9
    assert readout.n == 8
    assert "Among cells of one class, statistics of the crops tell the plate" in readout.why
    without = by_name(batch(plates(0), SETTINGS))["batch.readout.plate"]
    assert without.verdict != "fail"
    assert without.statistic < 0.7


@dataclass(frozen=True)
class Embedding:
    """A Predictor whose features are what it is told they are."""

    rows: np.ndarray
    classes: tuple[str, ...] = ("fed", "starved")
    channels: tuple[str, ...] = ("GFP", "RFP")
    pixel_size_um: float | None = None
    input_px: int = 24

    def logits(self, crops: np.ndarray) -> np.ndarray:
        return np.zeros((len(crops), 2))

    def embed(self, crops: np.ndarray) -> np.ndarray:
        return crops.mean(axis=(2, 3)) @ self.rows


def test_the_models_own_features_are_asked_where_it_has_any() -> None:
    subject = plates(4)
    sees = replace(subject, predictor=Embedding(np.eye(2)))
    found = by_name(batch(sees, SETTINGS))["batch.readout.plate"]
    assert found.details["features"] == "the model's own features"
    blind = replace(subject, predictor=Embedding(np.array([[1.0], [-1.0]])))
    less = by_name(batch(blind, SETTINGS))["batch.readout.plate"]
    assert less.statistic < 0.7 < found.statistic


def test_no_level_is_said() -> None:
    cells = plates(0).crops
    only = batch(Subject(cells), SETTINGS)
    assert [each.name for each in only] == ["batch.confounding"]
    assert only[0].verdict == "inconclusive"
    assert "no plate, well, day or position is known" in only[0].why
    fed = cells.take([label == "fed" for label in cells.labels])
    with pytest.raises(UsageError, match=r"needs cells of two classes, got \('fed',\)"):
        batch(Subject(fed), SETTINGS)


def test_a_class_in_one_well_only_is_said() -> None:
    cells = plates(0).crops
    pairs = zip(cells.labels, cells.groups, strict=True)
    groups = tuple("w" if label == "fed" else g for label, g in pairs)
    found = by_name(batch(Subject(replace(cells, groups=groups)), SETTINGS))
    told = found["batch.confounding.well"]
    assert told.verdict == "fail"
    assert told.why.startswith("Class fed is in one well only, which no other class shares")


def test_confounding_counts_units_and_leaves_one_out() -> None:
    labels = ["a"] * 6 + ["b"] * 6
    units = [f"u{k // 2}" for k in range(12)]
    level = ["p"] * 4 + ["q"] * 2 + ["q"] * 6
    told = confounding(labels, units, level, 99)
    assert (told.rows, told.counted) == (6, "unit")
    # In p two of a speak for each other; in q one a is wrong among three b, which are right.
    assert told.gain == pytest.approx(((2 / 3 + 3 / 3) / 2 - 0.5) / 0.5)
    assert told.pure == 0.5
    assert told.commonest == pytest.approx(5 / 6)
    assert one_value_each(told) == []
    table = np.array([[2, 0], [1, 3]])
    expected = table.sum(1, keepdims=True) * table.sum(0) / 6
    phi = max(0, ((table - expected) ** 2 / expected).sum() / 6 - 1 / 5)
    assert told.cramers_v == pytest.approx(np.sqrt(phi / (2 - 1 / 5 - 1)))


def test_cells_are_counted_where_a_unit_holds_several_classes() -> None:
    told = confounding(["a", "b", "a", "b"], ["u", "u", "v", "v"], ["u", "u", "v", "v"], 19)
    assert (told.rows, told.counted) == (4, "cell")
    assert told.gain < 0, "the other cell of the unit is always of the other class"


def test_scores_are_ridge_regression_and_ranks() -> None:
    rng = np.random.default_rng(0)
    for columns in (3, 40):  # fewer and more than rows
        x, new = rng.normal(size=(20, columns)), rng.normal(size=(9, columns))
        y = (rng.random((20, 2)) > 0.5).astype(float)
        penalty = 0.1 * 20 * (x - x.mean(axis=0)).var(axis=0).mean()
        slow = Ridge(alpha=penalty).fit(x, y)
        wanted = slow.predict(new) - y.mean(axis=0)
        assert ridge_scores(x, y, new) == pytest.approx(wanted, abs=1e-8)
    scores, truth = rng.normal(size=(30, 3)), rng.choice(["p", "q", "r"], 30)
    slow_aurocs = [
        auroc(scores[:, k].tolist(), (truth == name).tolist()) for k, name in enumerate("pqr")
    ]
    found = macro_auroc(scores, truth, np.array(["p", "q", "r"]))
    assert found == pytest.approx(np.mean(slow_aurocs), abs=1e-12)


def test_reading_nothing_is_one_half_and_p_is_fair() -> None:
    aurocs, small = [], 0
    for seed in range(24):
        rng = np.random.default_rng(seed)
        units = [f"u{k // 6}" for k in range(96)]
        labels = ["ab"[k // 48] for k in range(96)]
        values = [f"p{k // 6 % 2}" for k in range(96)]
        x = rng.normal(size=(96, 4)) + np.repeat(rng.normal(size=(16, 4)), 6, axis=0)
        told = read_level(x, (labels, units, values), 4, 19, seed)
        aurocs.append(told.auroc)
        small += told.p <= 0.05
    assert np.mean(aurocs) == pytest.approx(0.5, abs=3 * np.std(aurocs) / np.sqrt(24))
    assert small <= 4, "binomial 24, 0.05: more than 4 has a chance of 0.6 %"


def dealt(seed: int, wells: int = 16) -> tuple[np.ndarray, tuple[list[str], list[str], list[str]]]:
    """Features of wells whose class shows a little, and (class, well, plate), plates at random."""
    rng = np.random.default_rng(seed)
    at = np.repeat(np.arange(wells), 6)
    starved = at >= wells // 2
    plate = np.concatenate([rng.permutation(wells // 2) % 2 for _ in range(2)])[at]
    x: np.ndarray = rng.normal(size=(len(at), 4)) + rng.normal(size=(wells, 4))[at]
    x[:, 0] += starved
    labels = np.where(starved, "starved", "fed").tolist()
    return x, (labels, [f"w{k}" for k in at], [f"p{k}" for k in plate])


def test_leaving_a_plate_out_is_weighed_against_leaving_out_as_many_wells() -> None:
    failed = 0
    for seed in range(8):
        x, design = dealt(seed)
        failed += leave_out("plate", x, design, "well", SETTINGS).verdict == "fail"
    assert failed <= 2, "binomial 8, 0.05: more than 2 has a chance of 0.6 %"


def test_what_holds_in_its_own_plate_alone_is_lost_in_another() -> None:
    x, design = dealt(0)
    starved, second = np.array(design[0]) == "starved", np.array(design[2]) == "p1"
    x[:, 1] = 4.0 * starved * second
    x[:, 2] = 4.0 * starved * ~second
    x[:, 0] = 0
    found = leave_out("plate", x, design, "well", SETTINGS)
    assert found.verdict == "fail", found.why
    assert found.details["grouped_auroc"] > 0.9
    assert found.details["left_out_auroc"] < 0.7
    assert found.details["p"] == pytest.approx(1 / 40), "worse than all of 39 deals"
    assert "leaving as many wells out" in found.why


def test_remedies_take_a_plate_out_or_say_that_they_do_not() -> None:
    found = by_name(batch_remedies(plates(6, wells=8), SETTINGS, "fed"))
    assert set(found) == {
        f"remedy.{name}.plate" for name in ("isr_mean", "isr_cov", "sphering", "harmony")
    }
    means = {
        name: (np.mean(each.details["level_before"]), np.mean(each.details["level_after"]))
        for name, each in found.items()
    }
    assert all(before > 0.9 for before, _ in means.values())
    assert means["remedy.isr_mean.plate"][1] < 0.75
    before, after = means["remedy.harmony.plate"]
    assert after < before - 0.15
    assert means["remedy.sphering.plate"][1] > 0.9, "a linear readout sees through sphering"
    assert found["remedy.sphering.plate"].verdict == "fail"
    assert "the plate is still there" in found["remedy.sphering.plate"].why
    three = by_name(batch_remedies(plates(6, count=3, wells=6), SETTINGS))
    assert "remedy.isr_cov.plate" not in three, "two environments only"
    with pytest.raises(UsageError, match="unknown class of the controls 'fedd', did you mean"):
        batch_remedies(plates(6), SETTINGS, "fedd")


def test_confounded_levels_are_not_corrected() -> None:
    assert batch_remedies(plates(3, confounded=True), SETTINGS) == []


def test_what_nothing_tells_cannot_hold_in_a_new_plate() -> None:
    _, design = dealt(0)
    noise = np.random.default_rng(0).normal(size=(len(design[0]), 4))
    found = leave_out("plate", noise, design, "well", SETTINGS)
    assert found.verdict == "inconclusive"
    assert "hardly tell the classes" in found.why
