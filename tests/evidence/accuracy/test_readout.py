"""Readouts, conclusions, costs, two models, sweeps: verdicts in small worlds that are known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lucyte.evidence.accuracy.conclusion import conclusion
from lucyte.evidence.accuracy.cost import cost_finding
from lucyte.evidence.accuracy.paired import paired_finding
from lucyte.evidence.accuracy.perturb import SWEEP, Perturbation
from lucyte.evidence.accuracy.readout import Readout, number, readout_accuracy
from lucyte.evidence.accuracy.state_scores import Answers, Stated, score_interval, state_scores
from lucyte.evidence.accuracy.sweep import sweep, sweep_finding, sweep_table
from lucyte.schema.errors import UsageError
from lucyte.stats.classification import auroc, evaluate
from lucyte.stats.intervals import Interval
from lucyte.stats.paired import Paired, paired_means, paired_score
from lucyte.stats.permutation import Permutation


def readout(truth: list[float], gap: list[float], condition: list[str] | None = None) -> Readout:
    table = pd.DataFrame({"image": [f"i{k:02d}" for k in range(len(truth))], "truth": truth})
    table["prediction"] = table["truth"] + gap
    if condition:
        table["condition"] = condition
    return Readout("count", "objects per image", "", table, "image")


TRUTH = [20.0, 25, 30, 35, 40, 45, 50, 55]
NEAR = [1.0, -1, 0, 1, -1, 0, 1, -1]


def test_a_readout_that_agrees() -> None:
    found = readout_accuracy(readout(TRUTH, NEAR), within=5)
    assert (found.verdict, found.n, found.name) == ("pass", 8, "accuracy.readout.count")
    assert found.statistic == 0
    assert found.details["concordance"] == pytest.approx(0.9967, abs=1e-3)
    assert "within the 5 that would do, intervals included" in found.why
    assert found.low is not None and found.low < 0 < (found.high or 0)


def test_verdicts_of_a_readout() -> None:
    off = readout_accuracy(readout(TRUTH, [9.0 + g for g in NEAR]), within=5)
    assert off.verdict == "fail" and "9 too high on average, 24% of 37.5" in off.why
    assert "Even the mean is off by more than the 5" in off.why
    wide = readout_accuracy(readout(TRUTH, [20.0, -20, 18, -18, 22, -22, 19, -19]), within=5)
    assert wide.verdict == "fail" and "More than 1 in 20 is off" in wide.why
    near = readout_accuracy(readout(TRUTH, [3 * g for g in NEAR]), within=6)
    assert near.verdict == "inconclusive" and "cannot be told with so few" in near.why
    bare = readout_accuracy(readout(TRUTH, NEAR))
    assert bare.verdict == "inconclusive" and "How much would do was not stated" in bare.why


def test_few_units_show_their_differences() -> None:
    found = readout_accuracy(readout(TRUTH[:3], [1.0, 1, -2]), within=2)
    assert (found.verdict, found.low) == ("inconclusive", None)
    assert "3 images, differences 1, 1, -2; fewer than 6, so no interval" in found.why
    told = "Each lies within the 2 that would do; 3 images are too few to say, 4 are needed."
    assert found.why.endswith(told)
    assert readout_accuracy(readout(TRUTH[:4], [1.0, 1, -2, 0]), within=2).verdict == "pass"
    assert readout_accuracy(readout(TRUTH[:3], [1.0, 1, -2]), within=1).verdict == "inconclusive"
    assert readout_accuracy(readout(TRUTH[:3], [5.0, 5, 5]), within=1).verdict == "fail"


def test_one_unit_has_no_concordance_and_passes_nothing() -> None:
    found = readout_accuracy(readout(TRUTH[:1], [1.0]), within=2)
    assert (found.verdict, found.n) == ("inconclusive", 1)
    assert "1 image is too few to say, 4 are needed" in found.why
    assert math.isnan(found.details["concordance"])
    assert found.details["concordance_method"] == "undefined: fewer than 2 pairs"
    assert "concordance is not defined: fewer than 2 pairs" in found.details["reviewer"]


def test_a_difference_that_grows_is_said() -> None:
    found = readout_accuracy(readout(TRUTH, [0.2 * t for t in TRUTH]))
    assert "The difference changes with the size of the readout" in found.why
    assert found.details["trend"] == pytest.approx(1)


def test_numbers_in_words() -> None:
    assert [number(v, "px") for v in (1234.5, 0.0412, -0.0)] == ["1,234 px", "0.0412 px", "0 px"]
    assert number(math.nan) == "not defined"


# conclusions

TWO = ["fed", "starved"] * 4
RISE = [20.0, 40, 21, 41, 19, 39, 20, 42]


def test_a_conclusion_that_survives() -> None:
    found = conclusion(readout(RISE, [0.5 * g for g in NEAR], TWO))
    assert (found.verdict, found.n, found.unit) == ("pass", 8, "image")
    assert "the conclusion survives" in found.why
    assert found.details["truth"][0] == pytest.approx(20.5)


@pytest.mark.parametrize(
    ("truth", "gap", "verdict", "told"),
    [
        (RISE, [10.0, -10.5] * 4, "fail", "The effect is in the truth and is lost"),
        (RISE, [45.0, -45] * 4, "fail", "The conclusion turns round"),
        (RISE, [0.0, 15] * 4, "fail", "the size of the effect does not"),
        ([20.0, 20, 31, 30, 25, 26, 40, 39], [0.0, 30] * 4, "fail",
         "shows an effect that the truth does not"),
        ([20.0, 20, 31, 30, 25, 26, 40, 39], NEAR, "inconclusive",
         "Neither tells the conditions apart"),
    ],
)  # fmt: skip
def test_conclusions(truth: list[float], gap: list[float], verdict: str, told: str) -> None:
    found = conclusion(readout(truth, gap, TWO))
    assert found.verdict == verdict and told in found.why


# Welch's t of these units against six equal ones shifted by the effect is at the edge of 0.05
EDGE = [0.0, 0.8, 1.6, 2.4, 3.2, 4.0]


def halves(truth: list[float], change: list[float]) -> Readout:
    return readout(truth, change, ["fed"] * 6 + ["starved"] * 6)


def test_clear_of_0_here_and_not_there_is_no_difference() -> None:
    truth = [*EDGE, *(1.96 + each for each in EDGE)]
    noise = [0.1, -0.1, 0.08, -0.08, 0.04, -0.04]
    found = conclusion(halves(truth, [*noise, *(each - 0.06 for each in noise[::-1])]))
    true, mine, gap = (
        found.details[name] for name in ("truth", "prediction", "difference_of_effects")
    )
    assert true[1] > 0 > mine[1], "test invalid"
    assert gap[1] < 0 < gap[2], "test invalid"
    assert found.verdict == "inconclusive"
    assert "Only the truth is clear of 0, but the prediction changes the effect by -0.06" in (
        found.why
    )
    # a change beyond doubt, and of 3 %: it still matters to nobody
    sure = conclusion(halves(truth, [0.0] * 6 + [-0.06 + each / 100 for each in noise]))
    assert sure.details["truth"][1] > 0 > sure.details["prediction"][1], "test invalid"
    assert sure.details["difference_of_effects"][2] < 0, "test invalid"
    assert sure.verdict == "inconclusive"


def test_a_small_change_of_a_sure_effect_survives_and_an_unsure_one_stays_open() -> None:
    tiny = [0.01 * each for each in EDGE]
    truth = [*tiny, *(20 + each for each in tiny)]
    near = conclusion(halves(truth, [0.0] * 6 + [0.5] * 6))
    assert near.details["prediction"][1] > near.details["truth"][2], "test invalid"
    assert near.verdict == "pass" and "the prediction changes the effect by 0.5" in near.why
    far = conclusion(halves(truth, [0.0] * 6 + [9.0, -9, 9, -9, 9, -1]))
    assert far.details["difference_of_effects"][1] < 0, "test invalid"
    assert far.verdict == "inconclusive" and "whether the size does stays open" in far.why


def test_a_conclusion_needs_units_and_two_conditions() -> None:
    few = conclusion(readout(RISE[:4], [0.0] * 4, TWO[:4]))
    assert few.verdict == "inconclusive" and "6 units with two in each condition" in few.why
    turned = conclusion(readout(RISE[:4], [30.0, -30] * 2, TWO[:4]))
    assert turned.verdict == "inconclusive" and "The signs differ; 6 units with" in turned.why
    lone = conclusion(readout(RISE, NEAR, ["fed"] * 7 + ["starved"]))
    assert lone.verdict == "inconclusive" and "two in each condition are needed" in lone.why
    assert lone.details["interval"] == "no interval: fewer than 2 units of a condition"
    with pytest.raises(UsageError, match="compares two conditions, got 3: a, b, c"):
        conclusion(readout([1.0, 2, 3], [0.0] * 3, ["a", "b", "c"]))
    with pytest.raises(UsageError, match="unknown column 'condition'"):
        conclusion(readout([1.0], [0.0]))


# two models


def test_which_of_two_is_better_follows_the_direction_of_the_score() -> None:
    units = [f"u{k}" for k in range(8)]
    low = np.linspace(0.5, 0.6, 8)
    found = paired_means(low + 0.2 + np.tile([0.0, 0.01], 4), low, units)
    better = paired_finding("F1@0.5", found, "image")
    assert better.verdict == "pass" and better.statistic == pytest.approx(0.205)
    assert better.low is not None and 0 < better.low < better.statistic
    assert paired_finding("HD95_px", found, "image").verdict == "fail"
    assert "p = 0.0078" in better.why and "the prediction is better" in better.why
    same = paired_finding("F1@0.5", paired_means(low, low[::-1], units), "image")
    assert same.verdict == "inconclusive" and "no difference that chance would not give" in same.why


def test_no_interval_is_not_taken_for_no_difference() -> None:
    units = [f"u{k:02d}" for k in range(20)]
    open_ended = Interval(-0.4, None, None, 20, "undefined when a unit is left out")
    test = Permutation(-0.4, 0.005, 0.001, 1000, False)
    found = paired_finding("auroc", Paired(0.9, 0.5, open_ended, test, {}), "image")
    assert found.verdict == "inconclusive" and "p = 0.005" in found.why
    assert "without an interval (undefined when a unit is left out)" in found.why
    assert "no difference that chance would not give" not in found.why
    wide = replace(open_ended, low=-0.9, high=0.1)
    held = paired_finding("auroc", Paired(0.9, 0.5, wide, test, {}), "image")
    assert held.verdict == "inconclusive" and "the interval holds 0" in held.why
    # the premise: one positive unit of 20 leaves AUROC undefined without it
    score, positive = np.arange(20.0), np.arange(20) == 19
    told = paired_score(
        lambda rows, turned: auroc(np.where(turned, -score[rows], score[rows]), positive[rows]),
        units,
    )
    assert told.difference == replace(told.difference, low=None, high=None)
    assert told.difference.method == open_ended.method


def test_five_units_cannot_tell_two_models_apart() -> None:
    found = paired_means([0.9] * 5, [0.1] * 5, list("abcde"))
    told = paired_finding("PQ", found, "image")
    assert told.verdict == "inconclusive"
    assert "5 images cannot tell two models apart at 0.05; 6 are needed" in told.why
    nothing = paired_finding("PQ", paired_means([math.nan], [0.1], ["a"]), "image")
    assert nothing.verdict == "inconclusive" and "not defined" in nothing.why


# states


def answers(n: int = 240, right: float = 0.8) -> tuple[Answers, np.ndarray]:
    rng = np.random.default_rng(2)
    truth = (rng.random(n) < 0.3).astype(np.int64)
    said = np.where(rng.random(n) < right, truth, 1 - truth)
    p = np.where(said == 1, 0.8, 0.2)
    units = np.array([f"w{k % 12:02d}" for k in range(n)])
    return Answers(("fed", "starved"), truth, said, np.stack([1 - p, p], 1)), units


def test_scores_by_name_are_those_of_evaluate() -> None:
    held, units = answers()
    stated = Stated(beta=2.0, specificity=0.7)
    every = state_scores(held, stated)
    names = held.classes
    plain = evaluate([names[k] for k in held.truth], [names[k] for k in held.said], names, held.p)
    for name, score in every.items():
        told = score_interval(name, held, units, stated)
        assert told.estimate == pytest.approx(score.value, nan_ok=True), name
        if name in plain:
            assert score.value == pytest.approx(plain[name].value), name
        if not score.undefined:
            assert told.low is not None and told.low <= told.estimate <= (told.high or 0), name


def test_why_a_score_of_states_is_not_defined() -> None:
    bare = Answers(("a", "b", "c"), np.array([0, 0, 1]), np.array([0, 0, 1]), None)
    told = {name: score.undefined for name, score in state_scores(bare).items()}
    assert told["net_benefit"] == "there are no probabilities"
    assert told["likelihood_ratio:b"] == "no false b: the ratio has no upper end"
    assert told["fbeta:c"] == "no c is there or was answered"
    assert told["recall:c"] == "no c is there"
    held, _ = answers()
    why = state_scores(held)["sensitivity_at_specificity"].undefined
    assert why == "no target_specificity is in the fingerprint"


def test_answers_worth_their_cost() -> None:
    held, units = answers()
    found = cost_finding(held, units, "well", Stated(np.array([[0.0, 1.0], [2.0, 0.0]])))
    assert (found.verdict, found.n) == ("pass", 12)
    assert "the answers are worth their cost" in found.why
    poor, _ = answers(right=0.55)
    dear = cost_finding(poor, units, "well", Stated(np.array([[0.0, 1.0], [20.0, 0.0]])))
    assert dear.verdict == "fail" and "answering starved to everything costs" in dear.why
    few = cost_finding(held, np.repeat(["a", "b"], 120), "well", Stated(np.eye(2)[::-1]))
    assert few.verdict == "inconclusive" and few.low is None


# sweeps


def cells() -> tuple[np.ndarray, np.ndarray]:
    truth = np.zeros((80, 80), np.int32)
    for k, (y, x) in enumerate([(5, 5), (5, 30), (30, 5), (30, 32), (5, 55), (31, 56)], 1):
        truth[y : y + 9, x : x + 9] = k
    image = np.random.default_rng(0).normal(100, 2, truth.shape)
    return (image + 100 * (truth > 0)).astype(np.uint16), truth


def threshold(image: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    return np.asarray(ndimage.label(image > 150)[0])


def count(labels: np.ndarray) -> float:
    return float(len(np.unique(labels)) - 1)


def test_steps_change_image_and_truth_together() -> None:
    image, truth = cells()
    for level, objects in ((0.5, 3), (1.0, 6), (1.5, 9)):
        changed, true = Perturbation("density", level).apply(image, truth)
        assert count(true) == objects == count(threshold(changed))
        assert changed.dtype == image.dtype
    larger, true = Perturbation("magnification", 2.0).apply(image, truth)
    assert larger.shape == true.shape == (160, 160)
    assert (true > 0).sum() == 4 * (truth > 0).sum()
    noisy, same = Perturbation("noise", 0.2).apply(np.stack([image, image]), truth)
    assert noisy.shape == (2, 80, 80) and same is truth
    assert (noisy[0].astype(float) - image).std() == pytest.approx(20, rel=0.1)
    for step in SWEEP:
        assert step.apply(image, truth)[1].dtype == truth.dtype
    with pytest.raises(UsageError, match=r"unknown perturbation 'blur'\. Allowed: noise, density"):
        Perturbation("blur", 1.0).apply(image, truth)


def test_a_sweep_tells_where_the_count_breaks() -> None:
    image, truth = cells()
    steps = [Perturbation("noise", level) for level in (0.0, 0.05, 0.1, 0.8)]
    table = sweep(threshold, [image] * 6, [truth] * 6, count, steps)
    assert len(table) == 24
    told = sweep_table(table)
    assert told["bias"].tolist()[:2] == [0.0, 0.0] and told["bias"].iloc[-1] > 50
    found = sweep_finding(told, "noise", "counts", 0.1)
    assert (found.verdict, found.statistic) == ("inconclusive", 0.1)
    assert found.why.startswith("counts hold from noise 0 to 0.1; at 0.8 they are off by")
    mild = sweep_finding(told[told["level"] < 0.2], "noise", "counts", 0.1)
    assert mild.verdict == "pass" and "off by at most 0% from noise 0 to 0.1" in mild.why
    with pytest.raises(UsageError, match="no sweep 'blur'; there are noise"):
        sweep_finding(told, "blur", "counts", 0.1)
    with pytest.raises(UsageError, match="a truth for each image, got 0, 1"):
        sweep(threshold, [image], [], count)
