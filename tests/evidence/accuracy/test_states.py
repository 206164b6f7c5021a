"""States against chance: constant answers, stray cells, nulls, limits of a share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

from lucyte.evidence.accuracy.chance import (
    Sides,
    _dealt_auroc,
    _dealt_recall,
    _gain,
    against_chance,
    auroc_sides,
    recall_sides,
)
from lucyte.evidence.accuracy.requirement import Requirement
from lucyte.evidence.accuracy.states import classification_accuracy
from lucyte.stats.classification import auroc
from lucyte.stats.permutation import sign_flip_test

Rows = tuple[list[str], list[str], list[str]]
"""Truth, what was said, and unit of every cell."""
THREE = ["a", "b", "c"]
QUICK = Requirement(permutations=199)
SETS = 200


def table(rows: Rows, classes: Sequence[str], sure: float = 0.8) -> pd.DataFrame:
    truth, said, units = rows
    out = pd.DataFrame({"truth": truth, "state": said, "well": units})
    for name in classes:
        rest = (1 - sure) / (len(classes) - 1)
        out[f"p_{name}"] = np.where(out["state"] == name, sure, rest)
    return out


def wells(counts: Sequence[dict[str, int]], say: Callable[[str], str]) -> Rows:
    truth = [
        (c, f"w{k:02d}") for k, own in enumerate(counts) for c, n in own.items() for _ in range(n)
    ]
    return [c for c, _ in truth], [say(c) for c, _ in truth], [u for _, u in truth]


def test_a_constant_answer_is_chance_whatever_the_wells_lack() -> None:
    counts = [{"a": 15, "b": 5} for _ in range(8)]
    counts[0]["c"] = 3
    found = classification_accuracy(table(wells(counts, lambda _: "a"), THREE), THREE)[1]
    assert (found.verdict, found.statistic) == ("inconclusive", 1.0)
    whole = [{THREE[k % 3]: 20} for k in range(12)]
    for each in (whole, [*whole, {"a": 3, "b": 4}]):
        told = classification_accuracy(table(wells(each, lambda _: "a"), THREE), THREE)[1]
        assert (told.verdict, told.statistic) == ("inconclusive", 1.0)


def test_right_answers_beat_chance_where_wells_lack_classes() -> None:
    rng = np.random.default_rng(0)
    counts = [{"a": 15, "b": 5} for _ in range(8)]
    counts[0]["c"] = 3

    def mostly(c: str) -> str:
        return c if rng.random() < 0.4 else str(rng.choice(THREE))

    found = classification_accuracy(table(wells(counts, mostly), THREE), THREE)[1]
    assert found.verdict == "pass" and found.statistic <= 0.02
    assert found.why.startswith("Chance within 8 wells of several classes gives p")
    assert (
        "recall less the share of such answers, signs flipped and answers dealt anew"
        in (found.details["reviewer"])
    )
    turned = {"a": "b", "b": "a", "c": "c"}
    worse = classification_accuracy(table(wells(counts, turned.__getitem__), THREE), THREE)[1]
    assert worse.verdict == "fail" and "turned round" in worse.why


@pytest.mark.parametrize("classes", [["a", "b"], THREE])
def test_a_stray_cell_does_not_undo_a_test_of_whole_wells(classes: list[str]) -> None:
    rows = wells([{classes[k % len(classes)]: 20} for k in range(20)], lambda c: c)
    clean = classification_accuracy(table(rows, classes), classes)[1]
    assert (clean.verdict, clean.n) == ("pass", 20), "test invalid"
    rows[0][0] = "b"
    found = classification_accuracy(table(rows, classes), classes)[1]
    assert (found.verdict, found.n) == ("pass", 20)
    assert found.statistic <= 0.001
    assert "labels of 19 whole wells, with chance within 1 well of several classes," in found.why
    assert found.details["whole_units_exchanged"] == 19
    assert found.details["mixed_units_tested_within"] == 1
    assert "labels of 19 whole wells exchanged; within 1 mixed well " in found.details["reviewer"]


def test_wells_that_cannot_be_tested_do_not_count() -> None:
    rows = wells([{"a": 20}] * 10 + [{"a": 10, "b": 10}] * 4, lambda c: c)
    found = classification_accuracy(table(rows, ["a", "b"]), ["a", "b"])[1]
    assert (found.verdict, found.n, found.details["units"]) == ("inconclusive", 4, 14)
    assert "(the other 10 of 14 hold one and the same class)" in found.why
    assert "the smallest that 4 wells can give being 0.12" in found.why
    alone = wells([{"a": 20}] * 10, lambda c: c)
    nothing = classification_accuracy(table(alone, THREE), THREE)[1]
    assert nothing.verdict == "inconclusive" and "Only one class is among the wells" in nothing.why


# p keeps its alpha


def skewed(rng: np.random.Generator) -> tuple[Rows, np.ndarray]:
    """Cells exchangeable; one b a well, nearly all called b: small gains or a great loss."""
    truth, said, units = wells([{"a": 19, "b": 1}] * 8, lambda _: "b")
    for k in range(8):
        said[20 * k + int(rng.integers(20))] = "a"
    return (truth, said, units), (np.array(said) == "b").astype(float)


def sited(rng: np.random.Generator) -> tuple[Rows, np.ndarray]:
    """Two sites a well, each of one class and one answer: cells of a site are one observation."""
    rows: Rows = ([], [], [])
    score = []
    for k in range(8):
        for c in rng.permutation(["a", "b"]):
            rows[0].extend([str(c)] * 10)
            rows[1].extend([str(rng.choice(["a", "b"]))] * 10)
            rows[2].extend([f"w{k}"] * 10)
            score.extend(np.round(rng.normal() + rng.normal(0, 0.1, 10), 1))
    return rows, np.array(score)


def joined(rng: np.random.Generator) -> tuple[Rows, np.ndarray]:
    """Ten whole wells and four mixed ones, each with a leaning of its own."""
    mixed = [{"a": 9, "b": 3}] * 4
    truth, said, units = wells([{"ab"[k % 2]: 12} for k in range(10)] + mixed, lambda _: "a")
    lean, shift = rng.beta(1, 1, 14), rng.normal(size=14)
    said = ["a" if rng.random() < lean[int(u[1:])] else "b" for u in units]
    return (truth, said, units), np.array([shift[int(u[1:])] + rng.normal() for u in units])


def sides(rows: Rows, score: np.ndarray, measure: str) -> Sides:
    truth, said, units = (np.array(each) for each in rows)
    if measure == "AUROC":
        return auroc_sides(score, truth == "b", units)
    return recall_sides(truth, said, units, THREE)


@pytest.mark.parametrize("measure", ["AUROC", "recall"])
@pytest.mark.parametrize("null", [skewed, sited, joined])
def test_p_keeps_its_alpha(null: Callable, measure: str) -> None:  # type: ignore[type-arg]
    rng = np.random.default_rng(1)
    p = []
    for _ in range(SETS):
        test = against_chance(sides(*null(rng), measure), QUICK)
        assert test is not None
        p.append(test.p)
    for alpha in (0.05, 0.1):
        assert np.mean(np.array(p) <= alpha) <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / SETS)


def test_either_half_alone_would_lose_its_alpha() -> None:
    rng = np.random.default_rng(2)
    flipped = [sign_flip_test(sides(*skewed(rng), "recall").within.tolist()).p for _ in range(100)]
    assert np.mean(np.array(flipped) <= 0.05) > 0.4
    beaten = []
    for _ in range(100):
        one = sides(*sited(rng), "recall")
        assert one.dealt is not None
        beaten.append(np.mean(np.abs(one.dealt(199, rng)) >= abs(one.within.mean()) - 1e-9))
    assert np.mean(np.array(beaten) <= 0.05) > 0.4


def test_answers_dealt_anew_are_shuffled_answers() -> None:
    rng = np.random.default_rng(3)
    truth, said = np.array([0] * 9 + [1] * 4), np.array([0] * 5 + [1] * 3 + [2] * 4 + [1])

    def counts(answers: np.ndarray) -> np.ndarray:
        out = np.zeros((3, 3), np.int64)
        np.add.at(out, (truth, answers), 1)
        return out

    def slow(answers: np.ndarray) -> float:
        own = [np.mean(answers[truth == c] == c) - np.mean(answers == c) for c in (0, 1)]
        return float(np.mean(own))

    given = counts(said)
    assert _gain(given, np.diag(given)[None])[0] == pytest.approx(slow(said))
    shuffled = np.array([slow(rng.permutation(said)) for _ in range(4000)])
    dealt = _dealt_recall(given, 4000, rng)
    assert set(np.round(dealt, 9)) == set(np.round(shuffled, 9))
    assert dealt.mean() == pytest.approx(0, abs=0.01)
    assert dealt.std() == pytest.approx(shuffled.std(), rel=0.05)
    for positive in (truth == 1, truth == 0):
        ranked = _dealt_auroc(said.astype(float), positive, 4000, rng)
        wanted = np.array([auroc(rng.permutation(said), positive) - 0.5 for _ in range(2000)])
        assert ranked.mean() == pytest.approx(0, abs=0.02)
        assert ranked.std() == pytest.approx(wanted.std(), rel=0.06)


def test_limits_of_balanced_accuracy_stay_within_0_and_1() -> None:
    wrong = dict(zip(THREE, "bca", strict=True))
    counts = [{c: 10} for c in THREE for _ in range(4)]
    truth, said, units = wells(counts, lambda c: c)
    said[:10] = [wrong["a"]] * 10
    found = classification_accuracy(table((truth, said, units), THREE), THREE)[0]
    assert found.statistic == pytest.approx(11 / 12)
    assert found.low is not None and 0 < found.low < 1 and found.high == 1
    lost = [wrong[c] for c in truth]
    lost[:10] = ["a"] * 10
    poor = classification_accuracy(table((truth, lost, units), THREE), THREE)[0]
    assert poor.low == 0 and poor.high is not None and 0 < poor.high < 1
