from __future__ import annotations

import numpy as np
import pytest

from lucyte.explain.surrogate import search
from lucyte.explain.surrogate.given import part, round_between
from lucyte.explain.surrogate.search import Formula, best_formulas, gain
from lucyte.explain.surrogate.terms import Clause, Term, allowed, split_gains
from reference import formulas as slow


def pull(own):
    own = np.asarray(own)
    return np.where(own, 0.5 / own.sum(), -0.5 / (~own).sum())


def small_world(seed, rows=24, features=3):
    rng = np.random.default_rng(seed)
    columns = {f"z{k}": rng.integers(1, 12, rows).astype(float) for k in range(features)}
    own = rng.random(rows) < 0.4
    own[:2] = True, False
    return columns, own


@pytest.mark.parametrize("seed", range(6))
def test_a_term_alone_does_as_well_as_the_best_of_all(seed):
    columns, own = small_world(seed)
    found, _ = split_gains(np.stack(list(columns.values())), pull(own))
    expected = slow.best_single({k: v.tolist() for k, v in columns.items()}, own)
    assert 0.5 + np.abs(found).max() == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(4))
def test_the_best_formula_is_no_worse_than_every_one_there_is(seed, monkeypatch):
    monkeypatch.setattr(search, "CUTS", 200)  # every threshold there is
    columns, own = small_world(seed)
    found = best_formulas(columns, pull(own))
    plain = {k: v.tolist() for k, v in columns.items()}
    terms = slow.best_term_of_two(plain, own, "+-x/")
    pairs = slow.best_pair_of_clauses(plain, own)
    scores = [0.5 + gain(each, columns, pull(own)) for each in found]
    assert scores[0] == pytest.approx(slow.best_single(plain, own))
    assert scores[1] == pytest.approx(max(scores[0], terms))
    assert scores[2] >= max(terms, pairs) - 1e-9
    assert scores == sorted(scores)
    for length, each in zip(search.LENGTHS, found, strict=True):
        assert each.complexity <= length
        assert len(each.features) <= 3
        rows = each.holds(columns).tolist()
        assert 0.5 + gain(each, columns, pull(own)) == pytest.approx(slow.balanced(rows, own))


def test_a_planted_ratio_of_three_is_found():
    rng = np.random.default_rng(0)
    columns = {f"z{k}": rng.lognormal(1, 0.6, 400) for k in range(8)}
    own = columns["z1"] * columns["z4"] / columns["z6"] > 3
    assert slow.best_single({"z1": columns["z1"].tolist()}, own) < 0.85, "test invalid"
    found = best_formulas(columns, pull(own))
    assert set(found[2].features) == {"z1", "z4", "z6"}
    assert gain(found[2], columns, pull(own)) == pytest.approx(0.5)
    assert len(found[2].clauses) == 1


def test_what_needs_two_conditions_gets_two():
    rng = np.random.default_rng(1)
    columns = {f"z{k}": rng.uniform(1, 2, 500) for k in range(5)}
    own = (columns["z0"] > 1.6) & (columns["z3"] <= 1.5)
    found = best_formulas(columns, pull(own))
    assert found[2].how == "and"
    assert set(found[2].features) == {"z0", "z3"}
    assert gain(found[2], columns, pull(own)) == pytest.approx(0.5)
    assert found[4] == found[2], "more gains nothing"


def test_a_band_of_one_feature_is_one_feature():
    rng = np.random.default_rng(2)
    columns = {f"z{k}": rng.uniform(1, 2, 300) for k in range(3)}
    own = (columns["z2"] > 1.3) & (columns["z2"] <= 1.6)
    found = best_formulas(columns, pull(own))
    assert found[2].features == ("z2",)
    assert len(found[2].clauses) == 2
    assert gain(found[2], columns, pull(own)) == pytest.approx(0.5)


def test_only_like_is_added_to_like_and_only_what_is_positive_divides():
    mean = Term(("intensity_mean_EGFP",))
    assert allowed("-", mean, "intensity_mean_mRFP", True)
    assert not allowed("-", mean, "area_px", True)
    assert allowed("/", mean, "area_px", True)
    assert not allowed("/", mean, "spots_count_mRFP", False)
    assert not allowed("x", mean, "intensity_mean_EGFP", True)
    ratio = Term(("intensity_mean_EGFP", "area_px"), ("/",))
    assert not allowed("+", ratio, "intensity_mean_mRFP", True)


def test_words_are_those_of_a_biologist():
    term = Term(("spots_count_mRFP", "area_px"), ("/",))
    formula = Formula((Clause(term, True, 0.012), Clause(Term(("area_px",)), False, 900.0)))
    assert formula.words() == "number of mRFP spots / area > 0.012 and area ≤ 900"
    assert formula.complexity == 5
    three = Term(("z1", "z2", "z3"), ("-", "/"))
    assert three.words() == "(z1 - z2) / z3"
    assert three.values({"z1": np.array([5.0]), "z2": np.array([1.0]), "z3": np.array([2.0])}) == 2


def test_a_divisor_of_zero_holds_in_no_clause():
    term = Term(("z1", "z2"), ("/",))
    columns = {"z1": np.array([1.0, 1.0]), "z2": np.array([0.0, 2.0])}
    assert Clause(term, True, 0.1).holds(columns).tolist() == [False, True]
    assert Clause(term, False, 0.1).holds(columns).tolist() == [False, False]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (3, 4, 3),
        (0.0117, 0.0126, 0.012),
        (1012.3, 1012.9, 1012.6),
        (-2.4, 1.0, -0.7),
        (95, 131, 100),
    ],
)
def test_thresholds_have_as_few_digits_as_part_the_values(low, high, expected):
    found = round_between(low, high)
    assert low <= found < high
    assert found == expected


def test_parting_keeps_the_sides():
    values = np.random.default_rng(3).normal(size=50)
    assert ((values > part(values, 0.1234567)) == (values > 0.1234567)).all()
    assert part(values, 99.0) == 99.0
