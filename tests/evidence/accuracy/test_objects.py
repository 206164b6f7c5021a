"""Accuracy is per unit, judged against what was asked for, and compared with chance over units."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lucyte.evidence.accuracy.objects import (
    Requirement,
    classification_accuracy,
    instance_accuracy,
    tracking_accuracy,
)
from lucyte.schema.errors import UsageError


def states(
    wells: int, lift: float, seed: int = 0, classes: tuple[str, ...] = ("a", "b")
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for number, name in enumerate(classes):
        for well in range(wells):
            logits = rng.normal(0, 0.3, len(classes)) + rng.normal(size=(20, len(classes)))
            logits[:, number] += lift
            p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            for each in p:
                row = {"truth": name, "well": f"{name}{well}", "fold": well}
                row["state"] = classes[int(each.argmax())]
                rows.append(row | {f"p_{c}": v for c, v in zip(classes, each, strict=True)})
    return pd.DataFrame(rows)


def test_three_against_three_cannot_beat_chance_however_good() -> None:
    accuracy, chance = classification_accuracy(states(3, 8.0), ["a", "b"])
    assert accuracy.statistic == pytest.approx(1.0)
    assert accuracy.n == 6
    assert accuracy.verdict == "inconclusive"
    assert chance.verdict == "inconclusive"
    assert chance.statistic == pytest.approx(0.1)
    assert "the smallest that 6 wells can give being 0.1: too few wells" in chance.why


@pytest.mark.parametrize("classes", [("a", "b"), ("a", "b", "c")])
def test_six_wells_a_class_beat_chance_and_noise_does_not(classes: tuple[str, ...]) -> None:
    accuracy, chance = classification_accuracy(states(6, 3.0, classes=classes), list(classes))
    assert chance.verdict == "pass"
    assert accuracy.low is not None
    assert accuracy.low > 1 / len(classes)
    _, lost = classification_accuracy(states(6, 0.0, classes=classes), list(classes))
    assert lost.verdict == "inconclusive"
    assert "come by chance too often" in lost.why


def test_a_requirement_decides() -> None:
    table = states(6, 3.0)
    assert classification_accuracy(table, ["a", "b"], "well", Requirement(0.7))[0].verdict == "pass"
    missed = classification_accuracy(states(6, 0.2), ["a", "b"], "well", Requirement(0.95))[0]
    assert missed.verdict == "fail"
    assert "below the 0.95 asked for" in missed.why


def test_a_field_that_holds_both_classes_is_one_unit() -> None:
    table = states(6, 3.0)
    table["well"] = [name[1:] for name in table["well"]]
    accuracy, chance = classification_accuracy(table, ["a", "b"])
    assert accuracy.n == 6
    assert chance.verdict == "pass"
    assert chance.statistic == pytest.approx(2 / 2**6)


def test_turned_round_answers_fail() -> None:
    table = states(6, 3.0)
    table[["p_a", "p_b"]] = table[["p_b", "p_a"]].to_numpy()
    assert classification_accuracy(table, ["a", "b"])[1].verdict == "fail"


def test_rows_without_truth_do_not_count_and_bad_tables_are_refused() -> None:
    table = states(3, 2.0)
    more = pd.concat([table, table.assign(truth=None, well="z")])
    assert classification_accuracy(more, ["a", "b"])[0].n == 6
    with pytest.raises(UsageError, match="unknown column 'p_c'"):
        classification_accuracy(table, ["a", "b", "c"])
    with pytest.raises(UsageError, match="unknown class 'starved'"):
        classification_accuracy(table.assign(truth="starved"), ["a", "b"])
    with pytest.raises(UsageError, match="no object has a truth"):
        classification_accuracy(table.assign(truth=""), ["a", "b"])


def test_instances_are_averaged_over_fields() -> None:
    scores = pd.DataFrame(
        {"field_id": list("aabcdef"), "F1@0.5": [1, 0, 0.8, 0.9, 0.7, 0.8, np.nan]}
    )
    found = instance_accuracy(scores, "F1@0.5", requirement=Requirement(0.3), kind="nuclei")
    assert found.statistic == pytest.approx(np.mean([0.5, 0.8, 0.9, 0.7, 0.8]))
    assert (found.n, found.low, found.unit, found.verdict) == (5, None, "field", "pass")
    assert found.details["rows_undefined"] == 1
    assert instance_accuracy(scores, "F1@0.5", requirement=Requirement(0.75)).verdict == (
        "inconclusive"
    )
    none = instance_accuracy(scores.assign(**{"F1@0.5": np.nan}), "F1@0.5")
    assert (none.verdict, none.n) == ("inconclusive", 0)
    assert "it needs an object in truth or prediction" in none.why
    with pytest.raises(UsageError, match="unknown column 'F1'"):
        instance_accuracy(scores, "F1")


def test_one_sequence_is_one_unit() -> None:
    found = tracking_accuracy({"01": {"TRA": 0.97, "DET": 0.98}}, requirement=Requirement(0.95))
    assert (found.verdict, found.n, found.low) == ("inconclusive", 1, None)
    assert found.why == (
        "TRA is 0.97 (1 sequence): each reaches the 0.95 asked for, but there is 1 of the 4 that "
        "are needed to be sure."
    )
    assert tracking_accuracy({"01": {"TRA": 0.9}}).verdict == "inconclusive"
    with pytest.raises(UsageError, match="unknown tracking score 'TRA'"):
        tracking_accuracy({"01": {"DET": 1.0}})
