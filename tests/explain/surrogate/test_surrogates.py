from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lucyte.explain.surrogate import SurrogateSettings, explain_by_formulas
from lucyte.explain.surrogate.formula import fit_formulas
from lucyte.explain.surrogate.given import given
from lucyte.explain.surrogate.held_out import fit_chosen
from lucyte.explain.surrogate.judged import judge
from lucyte.explain.surrogate.tree import fit_trees
from lucyte.schema.errors import UsageError


def world(cells=240, wells=12, seed=0, wrong=0.04):
    """The state hangs on spots per area; the black box is wrong now and then."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.lognormal(3, 0.5, (cells, 6)), columns=[f"z{k}" for k in range(6)])
    table["spots_count_mRFP"] = rng.poisson(6, cells).astype(float)
    table["area_px"] = np.round(rng.lognormal(6, 0.3, cells))
    starved = table["spots_count_mRFP"] / table["area_px"] > 0.012
    truth = np.where(starved, "starved", "fed")
    answers = np.where(rng.random(cells) < wrong, np.where(starved, "fed", "starved"), truth)
    groups = [f"W{k % wells}" for k in range(cells)]
    return table, answers.tolist(), truth.tolist(), groups


def test_the_formula_is_found_told_and_kept():
    table, answers, truth, groups = world()
    made = explain_by_formulas(
        table, answers, truth, groups, SurrogateSettings(folds=4, unit="well")
    )
    rows = made.table().set_index("kind")
    assert list(rows.index) == ["sparse", "tree", "formula"]
    formula = rows.loc["formula"]
    assert "number of mRFP spots / area > 0.012" in formula["words"]
    assert formula["words"].startswith("starved when ")
    assert formula["words"].endswith("; otherwise fed")
    assert formula["complexity"] == 3
    assert formula["accuracy"] > 0.98
    right = np.mean(np.array(answers) == np.array(truth))
    assert formula["accuracy_kept"] == pytest.approx(formula["accuracy"] / right, abs=0.01)
    assert formula["fidelity_low"] < formula["fidelity"] < formula["fidelity_high"]
    finding = made.findings[2]
    assert finding.name == "surrogate.formula"
    assert finding.verdict == "pass"
    assert (finding.n, finding.unit) == (12, "well")
    assert "of its accuracy" in finding.why
    assert len(finding.details["folds"]) == 4
    assert made.describe()[2].startswith("formula: starved when ")
    how = SurrogateSettings(("formula",), folds=2, inner=2)
    twice = [explain_by_formulas(table, answers, truth, groups, how).describe() for _ in range(2)]
    assert twice[0] == twice[1]


def test_answers_that_the_features_do_not_hold_fail():
    table, _, _, groups = world()
    rng = np.random.default_rng(1)
    chance = rng.choice(["fed", "starved"], len(table)).tolist()
    made = explain_by_formulas(table, chance, chance, groups, SurrogateSettings(folds=2, inner=2))
    assert {each.verdict for each in made.findings} == {"fail"}
    assert all(each.statistic < 0.65 for each in made.findings)
    assert "uses more than it says" in made.findings[0].why


def test_without_truth_only_fidelity_is_told():
    table, answers, _, groups = world(120)
    how = SurrogateSettings(kinds=("tree",))
    made = explain_by_formulas(table, answers, [""] * 120, groups, how)
    (finding,) = made.findings
    assert finding.statistic_name == "Share of the model's answers given"
    assert finding.statistic == made.told[0].judged.fidelity.estimate
    assert np.isnan(made.table()["accuracy_kept"][0])
    assert "of its accuracy" not in finding.why


def test_logits_are_taken_for_their_largest():
    table, answers, truth, groups = world(120)
    logits = pd.DataFrame({name: (np.array(answers) == name) * 2.0 for name in ("fed", "starved")})
    how = SurrogateSettings(kinds=("tree",))
    by_logits = explain_by_formulas(table, logits, truth, groups, how)
    assert (
        by_logits.describe() == explain_by_formulas(table, answers, truth, groups, how).describe()
    )


def test_trees_say_every_way_once_and_answer_as_they_say():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"area_px": rng.integers(0, 100, 300) * 1.0, "z": rng.normal(size=300)})
    answers = np.where((table["area_px"] > 20) & (table["area_px"] <= 60), "middle", "ends")
    rows = given(table, ["area_px", "z"], answers, [f"g{k % 6}" for k in range(300)], 0)
    trees = fit_trees(rows)
    assert trees[0].complexity == 2
    told = trees[1]
    assert "area > 20" in told.words() and "area ≤ 60" in told.words()
    assert (told.answers(table) == answers).all()
    assert told.features == ("area_px",)
    assert fit_chosen(fit_trees, rows, 3).words() == told.words()


def test_several_classes_are_told_one_after_another():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.uniform(1, 2, (300, 4)), columns=list("abcd"))
    answers = np.where(table["a"] > 1.6, "high", np.where(table["b"] > 1.5, "wide", "plain"))
    rows = given(table, list("abcd"), answers, [f"g{k % 6}" for k in range(300)], 0)
    found = fit_formulas(rows)[0]
    assert len(found.steps) == 2
    assert (found.answers(table) == answers).mean() > 0.98
    many = given(table, list("abcd"), [f"c{k % 5}" for k in range(300)], rows.groups, 0)
    with pytest.raises(UsageError, match="at most 4 answers apart, got 5"):
        fit_formulas(many)
    made = explain_by_formulas(table, many.answers.tolist(), many.answers.tolist(), rows.groups,
                               SurrogateSettings(kinds=("tree", "formula")))  # fmt: skip
    assert "at most 4 answers" in made.absent["formula"]
    assert made.describe()[1].startswith("formula: not made, for formulas tell")


def test_kept_is_the_ratio_of_accuracies_over_units():
    labels = np.array(["a", "b"] * 30)
    groups = np.array([f"g{k // 10}" for k in range(60)])
    answers, said = labels.copy(), labels.copy()
    answers[:4] = "?"
    said[[0, 20, 21]] = "!"
    found = judge(said, answers, labels, groups)
    assert found.black_box.estimate == pytest.approx(56 / 60)
    assert found.accuracy.estimate == pytest.approx(57 / 60)
    assert found.kept.estimate == pytest.approx(57 / 56)
    assert found.fidelity.estimate == pytest.approx(54 / 60)
    same = judge(labels, labels, labels, groups)
    assert same.kept.estimate == 1
    assert same.kept.low == pytest.approx(same.fidelity.low)
    assert same.kept.low < 0.9


def test_gaps_are_filled_and_useless_columns_left_aside():
    table, answers, truth, groups = world(120)
    table.loc[5, "area_px"] = np.nan
    table["constant"] = 1.0
    table["name"] = "x"
    table.loc[7] = [np.nan if name != "name" else "x" for name in table]
    made = explain_by_formulas(table, answers, truth, groups, SurrogateSettings(kinds=("tree",)))
    assert made.told[0].model.features
    assert "constant" not in made.table()["features"][0]


def test_wrong_use_is_refused():
    table, answers, truth, groups = world(60)
    with pytest.raises(UsageError, match="got 60 rows of features, 59 answers"):
        explain_by_formulas(table, answers[1:], truth, groups)
    with pytest.raises(UsageError, match="one class only"):
        explain_by_formulas(table, ["fed"] * 60, truth, groups)
    with pytest.raises(UsageError, match="unknown surrogate 'trees', did you mean 'tree'"):
        SurrogateSettings(kinds=("trees",))
    by_well = ["A" if each == "fed" else "B" for each in answers]
    with pytest.raises(UsageError, match="cannot be tested on held-out groups"):
        explain_by_formulas(table, answers, truth, by_well)
