from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lucyte.classify import states as stage
from lucyte.classify.states import fit_states, refusal
from lucyte.schema.errors import UsageError
from lucyte.schema.plan import ClassifySettings

FEATURES = ["signal", "noise"]
AUTO = ClassifySettings(folds=3)


def plate(wells=("A1", "A2", "A3", "B1", "B2", "B3"), cells=20, effect=3.0, seed=0):
    """Wells of row A are fed, of row B starved; two sites each."""
    rng = np.random.default_rng(seed)
    rows = []
    for well in wells:
        condition = "fed" if well[0] == "A" else "starved µ"
        wobble = rng.normal(0, 0.3)
        for site in "12":
            for label in range(cells):
                rows.append(
                    {
                        "object_id": f"P1_{well}_s{site}/t000/cell/{label + 1}",
                        "field_id": f"P1_{well}_s{site}",
                        "plate": "P1",
                        "well": well,
                        "site": site,
                        "condition": condition,
                        "time_index": 0,
                        "kind": "cell",
                        "signal": rng.normal(effect * (condition != "fed"), 1) + wobble,
                        "noise": rng.normal() + wobble,
                    }
                )
    return pd.DataFrame(rows)


def test_states_are_right_and_each_row_adds_up():
    objects = plate()
    states, model = fit_states(objects, AUTO, 0, FEATURES, channels=("EGFP",))
    table = states.table
    assert list(table.columns) == [
        "object_id",
        "state",
        "margin",
        "fold",
        "p_fed",
        "p_starved µ",
    ]
    assert table["object_id"].tolist() == objects["object_id"].tolist()
    assert np.allclose(table[["p_fed", "p_starved µ"]].sum(axis=1), 1, atol=1e-12)
    assert (table["state"] == objects["condition"]).mean() > 0.85
    assert ((table["margin"] > 0) == (table["state"] == "starved µ")).all()
    assert np.allclose(table["margin"], np.log(table["p_starved µ"] / table["p_fed"]))
    assert (states.group, states.groups, states.target) == ("well", 6, "condition")
    assert sorted(table["fold"].unique()) == [0, 1, 2]
    assert model.channels == ("EGFP",)
    assert len(model.groups) == 6


def test_no_model_ever_answers_for_a_group_it_learned_from(monkeypatch):
    objects = plate()
    learned, asked = [], []
    real = stage.fit_logistic

    class Spy:
        def __init__(self, model, groups):
            self.model, self.groups, self.classes = model, groups, model.classes

        def logits(self, table):
            asked.append((self.groups, set(table["well"])))
            return self.model.logits(table)

    def spy(table, columns, labels, groups, seed, how):
        model = real(table, columns, labels, groups, seed, how)
        learned.append(set(groups))
        assert {g.split("/")[1] for g in groups} == set(table["well"])
        return Spy(model, set(table["well"]))

    monkeypatch.setattr(stage, "fit_logistic", spy)
    fit_states(objects, AUTO, 0, FEATURES)
    assert len(learned) == 4
    assert len(asked) == 3, "test invalid: three folds were expected"
    assert all(not groups & wells for groups, wells in asked)
    assert set.union(*(wells for _, wells in asked)) == set(objects["well"])


def test_same_seed_same_states():
    objects = plate()
    first, _ = fit_states(objects, AUTO, 3, FEATURES)
    again, _ = fit_states(objects, AUTO, 3, FEATURES)
    pd.testing.assert_frame_equal(first.table, again.table)


def test_an_effect_that_is_only_in_the_wells_does_not_pass_for_a_state():
    objects = plate(effect=0.0, cells=40)
    rng = np.random.default_rng(1)
    names = [f"tint_{k}" for k in range(6)]
    for name in names:  # six wells in six dimensions: some line always parts any three
        tint = {well: rng.normal(0, 5) for well in objects["well"].unique()}
        objects[name] = rng.normal(0, 1, len(objects)) + objects["well"].map(tint)
    honest, _ = fit_states(objects, AUTO, 0, names)
    leaky = objects.assign(cell=[str(k) for k in range(len(objects))])
    cheat, _ = fit_states(leaky, ClassifySettings(folds=3, group="cell"), 0, names)
    right = [(s.table["state"] == objects["condition"]).mean() for s in (honest, cheat)]
    assert right[1] > 0.95, "test invalid: the wells must be told apart by a leaky split"
    assert right[0] < 0.8


def test_objects_without_a_class_are_answered_by_the_model_of_all():
    objects = plate()
    objects.loc[:4, "condition"] = None
    objects.loc[5:7, "condition"] = ""
    objects.loc[8, FEATURES] = np.nan
    states, model = fit_states(objects, AUTO, 0, FEATURES)
    table = states.table
    assert (table["fold"][:8] == -1).all()
    assert (table["fold"][8:] >= 0).all()
    expected = model.probabilities(objects[:8])
    assert np.allclose(table[["p_fed", "p_starved µ"]][:8], expected)
    assert table["state"][8] == ""
    assert np.isnan(table["p_fed"][8])
    assert table["state"].drop(8).isin(states.classes).all()


def test_no_more_objects_than_asked_are_learned_from_and_all_wells_give_alike(monkeypatch):
    objects = plate(cells=50)
    sizes = []
    real = stage.fit_logistic
    monkeypatch.setattr(
        stage,
        "fit_logistic",
        lambda t, *rest: sizes.append(t["well"].value_counts().to_dict()) or real(t, *rest),
    )
    states, _ = fit_states(objects, ClassifySettings(folds=3, max_objects=60), 0, FEATURES)
    assert sizes[0] == dict.fromkeys(["A1", "A2", "A3", "B1", "B2", "B3"], 20)
    assert all(set(each.values()) == {30} for each in sizes[1:])
    assert len(states.table) == 600
    assert (states.table["fold"] >= 0).all()


def test_other_kinds_are_left_alone():
    objects = pd.concat([plate(), plate().assign(kind="spot", object_id="x")])
    states, _ = fit_states(objects, AUTO, 0, FEATURES)
    assert len(states.table) == 240


def test_the_field_is_the_unit_where_no_wells_are_known():
    objects = plate().assign(well="")
    states, _ = fit_states(objects, AUTO, 0, FEATURES)
    assert (states.group, states.groups) == ("field", 12)


def test_a_class_that_varies_within_wells_still_keeps_wells_together():
    objects = plate()
    objects["phase"] = np.where(np.arange(len(objects)) % 2, "G1", "S")
    settings = ClassifySettings(folds=3, target="phase")
    states, _ = fit_states(objects, settings, 0, FEATURES)
    assert (states.group, states.groups) == ("well", 6)


REFUSALS = [
    (plate(("A1", "A2")), AUTO, "holds one class only ('fed'); states need two or more"),
    (
        plate(("A1", "A2", "B1")),
        AUTO,
        "class 'starved µ' is in one well only ('P1/B1'): whatever is peculiar to that well",
    ),
    (
        plate(),
        ClassifySettings(group="plate"),
        "group column 'plate' has one value ('P1'); states are tested on groups",
    ),
    (plate(cells=2).drop(index=[0, 1, 2]), AUTO, "class 'fed' has 9 objects; at least 10"),
    (
        plate(),
        ClassifySettings(target="treatment"),
        "unknown column 'treatment'",
    ),
    (
        plate().assign(condition=None),
        AUTO,
        "column 'condition' is empty for every object; give a plate map",
    ),
    (
        plate().assign(dish=["", *["d"] * 239]),
        ClassifySettings(group="dish"),
        "group column 'dish' has no value for 1 of 240 objects",
    ),
    (plate(), ClassifySettings(kind="nuclei"), "unknown kind of object 'nuclei'"),
    (plate(), ClassifySettings(exclude=["."]), "no feature column is left"),
    (plate(), ClassifySettings(exclude=["("]), "classify.exclude: '(' is no expression"),
    (plate().iloc[:0], AUTO, "no objects were found"),
    (
        plate().drop(columns=["well", "field_id"]),
        AUTO,
        "neither a well nor a field",
    ),
]


@pytest.mark.parametrize(("objects", "settings", "message"), REFUSALS)
def test_refusals_name_the_culprit_in_one_line(objects, settings, message):
    with pytest.raises(UsageError) as caught:
        fit_states(objects, settings, 0, FEATURES)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert refusal(objects, settings, FEATURES) == str(caught.value)


def test_nothing_is_refused_where_states_can_be_learned():
    assert refusal(plate(), AUTO, FEATURES) == ""


def test_place_and_identity_are_never_learned_from():
    objects = plate().rename(columns={"signal": "intensity_mean_EGFP", "noise": "solidity"})
    starved = objects["condition"] != "fed"
    objects["centroid_x_px"] = 1000.0 * starved  # would give the class away
    objects["background_EGFP"] = 1000.0 * starved
    _, model = fit_states(objects, AUTO, 0)
    assert model.features == ("intensity_mean_EGFP", "solidity")
