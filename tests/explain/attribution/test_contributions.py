from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucyte.explain.attribution.contributions import (
    contribution_explanations,
    contributions,
    in_words,
)
from lucyte.learn.feature_model import FeatureModel
from lucyte.learn.scaling import Scaling
from lucyte.schema.errors import UsageError
from reference.shapley import shapley

NAMES = ("area_px", "intensity_mean_EGFP", "spots_count_mRFP", "solidity")


def model(classes=3, seed=0):
    rng = np.random.default_rng(seed)
    scaling = Scaling(
        NAMES, rng.normal(50, 9, 4), rng.uniform(1, 9, 4), rng.normal(50, 9, 4), clip=2.0
    )
    coefficients = rng.normal(size=(classes, 4))
    coefficients[:, 3] = 0
    names = ("fed", "starved µ", "dying")[:classes]
    return FeatureModel(scaling, coefficients, rng.normal(size=classes), names)


def cells(n=6, seed=1):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.normal(50, 15, (n, 4)), columns=list(NAMES))
    table.loc[0, "spots_count_mRFP"] = np.nan
    return table


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 3), st.integers(0, 99))
def test_they_are_the_shapley_values_of_the_margin(classes, seed):
    made, table = model(classes, seed), cells(3, seed)
    target = made.classes[seed % classes]
    found = contributions(made, table, target)
    for n in range(3):
        a, b = made.index(target), made.index(found.against[n])

        def score(z, a=a, b=b):
            return float((made.coefficients[a] - made.coefficients[b]) @ z) + float(
                made.intercept[a] - made.intercept[b]
            )

        z = made.scaling.apply(table)[n].tolist()
        assert np.allclose(found.values[n], shapley(score, z, [0.0] * 4), atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 3), st.integers(0, 999), st.booleans())
def test_they_add_up_to_the_margin_exactly(classes, seed, own):
    made, table = model(classes, seed), cells(5, seed)
    targets = [made.classes[k % classes] for k in range(5)]
    found = contributions(made, table, targets, cells(9, seed + 1) if own else None)
    assert np.abs(found.values.sum(axis=1) + found.baseline - found.score).max() < 1e-9
    logits = made.logits(table)
    for n, name in enumerate(targets):
        others = [logits[n, k] for k in range(classes) if k != made.index(name)]
        assert found.score[n] == pytest.approx(logits[n, made.index(name)] - max(others))


def test_explanations_are_ranked_and_still_add_up():
    made, table = model(), cells()
    ids = [f"cell {k}" for k in range(6)]
    for each in contribution_explanations(made, table, ids, ["fed"] * 6):
        sizes = [abs(value) for value in each.contributions.values()]
        assert sizes == sorted(sizes, reverse=True)
        assert "solidity" not in each.contributions
        total = sum(each.contributions.values()) + each.baseline
        assert total == pytest.approx(each.score, abs=1e-9)


def test_words_name_the_side_and_the_share():
    scaling = Scaling(NAMES, np.full(4, 10.0), np.full(4, 2.0), np.full(4, 10.0))
    made = FeatureModel(
        scaling, np.array([[0.0, 0, 0, 0], [1.0, -0.5, 0.25, 0]]), np.zeros(2), ("fed", "starved")
    )
    table = pd.DataFrame([[14.0, 12.0, np.nan, 3.0]], columns=list(NAMES))
    said = contribution_explanations(made, table, ["c"], ["starved"])[0]
    text = in_words(made, table.iloc[0], said, describe=lambda column: f"<{column}>")
    assert text == (
        "For starved speaks <area_px>, high at 14 against 10 (+2.00). "
        "Against it speaks <intensity_mean_EGFP>, high at 12 against 10 (-0.50)."
    )
    plain = in_words(made, table.iloc[0], said)
    assert "mean EGFP inside the cell" in plain
    other = contribution_explanations(made, table, ["c"], ["fed"])[0]
    assert in_words(made, table.iloc[0], other, 1, str).startswith("For fed speaks intensity_mean")


def test_refusals():
    made, table = model(), cells()
    with pytest.raises(UsageError, match="unknown class 'ded', did you mean 'fed'"):
        contributions(made, table, "ded")
    with pytest.raises(UsageError, match="got 2 targets for 6 cells"):
        contributions(made, table, ["fed", "fed"])
    table.iloc[4] = np.nan
    with pytest.raises(UsageError, match="nothing was measured in cell 4"):
        contributions(made, table, "fed")
