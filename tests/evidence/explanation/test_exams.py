"""Each exam on a model whose reasons are known: the true map passes, shams fail."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from lucyte.evidence.explanation.controls import BLURRED, CONTROLS, blurred, control_maps
from lucyte.evidence.explanation.examined import Examined, ExamSettings
from lucyte.evidence.explanation.exams import EXAMS, examine, examine_method, unmet
from lucyte.evidence.explanation.judging import Question, beside_controls
from lucyte.schema.errors import UsageError

PX = 24
FAST = ExamSettings(patches=64, draws=2, road_fractions=(0.01, 0.04), fractions=(0.01, 0.04, 0.1))
SCORED = ("deletion", "insertion", "road", "infidelity")


@dataclass(frozen=True)
class SpotReader:
    """Says b by the light of the cause in channel R; a mask, which no exam changes, tells where."""

    channels: tuple[str, ...] = ("R", "G", "mask:cause")
    classes: tuple[str, ...] = ("a", "b")
    input_px: int = PX
    pixel_size_um: float | None = None

    def logits(self, crops):
        light = (crops[:, 0].astype(float) * crops[:, 2]).sum((1, 2))
        return np.stack([np.zeros(len(crops)), light / 100 - 6], axis=1)


def case(wells=8, per=3, seed=0, method="true"):
    """A spot of 3 x 3 px somewhere in a bright cell, as bright a decoy elsewhere, in R too."""
    rng = np.random.default_rng(seed)
    n = wells * per
    crops = rng.poisson(20, (n, 2, PX, PX)).astype(float)
    cause, decoy = np.zeros((n, PX, PX), bool), np.zeros((n, PX, PX), bool)
    masks = np.zeros((n, PX, PX), bool)
    masks[:, 3:21, 3:21] = True
    crops[:, :, 3:21, 3:21] += 40
    for k in range(n):
        turn = rng.integers(4)
        for where, side in ((cause, turn), (decoy, (turn + 2) % 4)):
            y, x = 4 + 10 * (side // 2) + rng.integers(3), 4 + 10 * (side % 2) + rng.integers(3)
            where[k, y : y + 3, x : x + 3] = True
        crops[k, 0][cause[k] | decoy[k]] += 120
    truth = np.zeros((n, 2, PX, PX))
    truth[:, 0] = cause * crops[:, 0]
    return Examined(
        method,
        SpotReader(),
        np.concatenate([crops, cause[:, None]], axis=1),
        truth,
        masks,
        tuple(f"P/{k % wells}" for k in range(n)),
        ("b",) * n,
        structures={"cause": cause, "decoy": decoy},
        multiplied=False,
    )


def sham(which, seed=5):
    given = case(method=which)
    channels = given.predictor.channels
    if which == "blurred":
        return replace(given, maps=blurred(given.maps))
    maps = control_maps(channels, given.crops, given.maps, np.random.default_rng(seed))[which]
    return replace(given, maps=maps)


@pytest.fixture(scope="module")
def truth_told():
    return {found.name: found for found in examine(case(), FAST)}


@pytest.mark.parametrize("exam", [*SCORED, "inside_cell", "inside_structure.cause"])
def test_the_true_map_passes(truth_told, exam):
    found = truth_told[f"true.{exam}"]
    assert found.verdict == "pass", found.why
    assert (found.n, found.unit, found.group) == (8, "well", "explanation")
    assert 0 < found.low < found.statistic < found.high
    assert found.question.endswith("?")
    assert found.details["reviewer"].count(".") >= 1
    assert set(found.details["scores"]) == {
        *("map", "moved", "centre", "edge", "intensity", "random", "blurred")
    }
    beaten = [found.details["scores"][name] for name in found.details["deciding"]]
    assert found.details["scores"]["map"] > max(beaten)
    assert len(found.details["units"]) == 8


def test_the_peak_of_the_true_map_is_in_the_cause(truth_told):
    found = truth_told["true.pointing_game.cause"]
    assert found.details["scores"]["map"] == 1
    assert found.verdict in ("pass", "inconclusive")
    decoy = truth_told["true.pointing_game.decoy"]
    assert (decoy.verdict, decoy.details["scores"]["map"]) == ("fail", 0)


def test_the_true_map_fails_where_the_structure_is_a_decoy(truth_told):
    found = truth_told["true.inside_structure.decoy"]
    assert found.verdict == "fail"
    assert found.details["scores"]["map"] == 0
    assert "A map that knows nothing of the model does as well" in found.why


@pytest.mark.parametrize("which", ["centre", "edge", "intensity", "random", "moved"])
def test_shams_fail(which):
    wanted = [*SCORED, "inside_structure", "pointing_game"]
    found = {each.name: each for each in examine(sham(which), FAST, wanted)}
    for exam in (*SCORED, "inside_structure.cause", "pointing_game.cause"):
        one = found[f"{which}.{exam}"]
        if which in ("centre", "edge", "intensity"):
            assert one.verdict == "fail", (exam, one.why)
            assert one.statistic <= 0
        assert one.verdict != "pass", (exam, one.why)


def test_a_map_turned_upside_down_fails():
    given = case()
    for found in examine(replace(given, maps=-given.maps), FAST, list(SCORED)):
        assert found.verdict == "fail", found.why
    assert found.details["scores"]["map"] < 0.01, "foretells nothing: the scale is not negative"


def test_a_map_of_no_detail_does_not_beat_its_blurred_copy_where_detail_is_asked_for():
    given = case()
    smooth = blurred(blurred(given.maps))
    found = {each.name: each for each in examine(replace(given, maps=smooth), FAST)}
    share = found["true.inside_structure.cause"].details["scores"]
    assert 0 < share["map"] < 0.3
    assert "blurred" in found["true.inside_structure.cause"].details["deciding"]
    assert "blurred" not in found["true.deletion"].details["deciding"]


@pytest.mark.parametrize(("ahead", "verdict"), [(0.5, "pass"), (2.0, "inconclusive")])
def test_an_exam_that_rewards_smoothness_says_so(ahead, verdict):
    asked = Question("e", "E?", "score", "Good.", (), blur="guard")
    level = dict.fromkeys(CONTROLS, 0.0) | {BLURRED: 10.0 + ahead}
    given = case()
    control = iter([10.0, *level.values()])

    def score(kept, maps, rng):
        return np.full((1, len(kept)), next(control)) + 0.01 * np.arange(len(kept)) % 0.03

    found = beside_controls(given, FAST, asked, score)
    assert found.verdict == verdict
    assert ("here the exam rewards smoothness" in found.why) == (verdict == "inconclusive")
    assert found.details["gains"]["blurred"]["high"] < 0, "test invalid"


def test_few_units_allow_no_interval_and_three_prove_nothing():
    four = examine(case(4, 4), FAST, ["deletion"])[0]
    assert (four.verdict, four.low, four.n) == ("pass", None, 4)
    three = examine(case(3, 4), FAST, ["deletion"])[0]
    assert (three.verdict, three.n) == ("inconclusive", 3)
    assert "3 units are too few (below 6) for an interval" in three.why


def test_cells_without_a_map_are_named_and_left_out():
    given = case()
    maps = given.maps.copy()
    maps[0] = 7.0
    maps[5, 0, 0, 0] = np.nan
    named = replace(given, maps=maps, names=tuple(f"cell {k}" for k in range(24)))
    found = examine(named, FAST, ["deletion"])[0]
    assert found.verdict == "pass"
    assert "2 of 24 cells have no map (flat, or no numbers) and are left out: cell 0, cell 5." in (
        found.why
    )
    assert found.details["no_map"] == ["cell 0", "cell 5"]
    assert found.details["crops"] == 22


def test_no_map_at_all_is_said():
    given = case()
    for each in examine(replace(given, maps=np.full_like(given.maps, np.nan)), FAST):
        assert each.verdict == "inconclusive"
        assert each.why == "There is no map: every one is flat or holds no numbers."
        assert np.isnan(each.statistic)


def test_most_cells_without_a_map_never_pass():
    given = case()
    maps = given.maps.copy()
    maps[:16] = 0
    found = examine(replace(given, maps=maps), FAST, ["deletion"])[0]
    assert found.verdict == "inconclusive"
    assert "16 of 24 cells have no map" in found.why


def test_the_cell_exam_is_void_where_only_the_cell_is_shown():
    given = replace(case(), multiplied=None)
    assert given.shows_cell_alone, "the model takes a mask"
    found = examine(given, FAST, ["inside_cell"])[0]
    assert (found.verdict, found.details["void"]) == ("inconclusive", True)
    assert found.why.startswith("Void: these crops, or the model by its mask, show the cell alone")
    plain = replace(
        given,
        predictor=replace(given.predictor, channels=("R", "G")),
        crops=given.crops[:, :2],
        targets=("b",) * 24,
    )
    assert not plain.shows_cell_alone
    assert replace(plain, crops=plain.crops * plain.masks[:, None]).shows_cell_alone


def test_relevance_beside_the_cell_fails():
    given = case()
    maps = np.random.default_rng(0).random(given.maps.shape) * (1 + 4.0 * ~given.masks[:, None])
    found = examine(replace(given, maps=maps), FAST, ["inside_cell"])[0]
    assert found.verdict == "fail"
    assert "The cell fills 56% of the crop." in found.why
    share = found.details["scores"]["map"]
    assert share == pytest.approx(324 / (324 + 5 * 252), abs=0.02)


def test_one_map_for_all_channels_is_examined_too():
    given = case()
    found = examine(replace(given, maps=given.maps.sum(axis=1, keepdims=True)), FAST)
    verdicts = {each.name: each.verdict for each in found}
    assert verdicts["true.deletion"] == "pass"
    assert verdicts["true.inside_structure.cause"] == "pass"


def test_the_answer_is_the_same_twice():
    assert examine(case(), FAST, ["deletion", "road"]) == examine(
        case(), FAST, ["deletion", "road"]
    )


def test_agreement_needs_more_than_the_picture():
    given = case()
    rng = np.random.default_rng(1)
    learned = given.maps + 20 * rng.random(given.maps.shape)
    mine, theirs = (learned + 5 * rng.random(learned.shape) for _ in range(2))
    found = examine(
        replace(given, maps=mine, other_seeds={"seed 1": theirs}), FAST, ["agreement_seeds"]
    )[0]
    assert found.verdict == "pass", found.why
    edges = replace(given, maps=mine, other_methods={"edges": sham("edge").maps})
    found = examine(edges, FAST, ["agreement_methods"])[0]
    assert found.verdict == "fail"
    assert "edges of the picture" in found.why
    assert found.details["with"] == ["edges"]


def test_what_cannot_be_held_is_told():
    given = case()
    assert unmet(given) == {
        "model_randomisation": "the method itself, to ask it again and a model whose weights can "
        "be drawn anew",
        "label_randomisation": "the method itself, to ask it again and the learner and its "
        "labelled training data",
        "sensitivity": "the method itself, to ask it again",
        "agreement_seeds": "maps by models of other seeds",
        "agreement_methods": "maps by other methods",
    }
    with pytest.raises(UsageError, match=r"exam 'sensitivity' needs the method itself"):
        examine(given, FAST, ["sensitivity"])
    with pytest.raises(UsageError, match=r"unknown exam 'deletoin', did you mean 'deletion'\?"):
        examine(given, FAST, ["deletoin"])
    with pytest.raises(UsageError, match="no method was given"):
        examine_method(given)


def test_a_method_is_asked_for_its_maps():
    given = case()
    empty = replace(given, maps=np.zeros_like(given.maps), attribute=lambda m, x, t: given.maps)
    found = examine_method(empty, FAST, ["deletion"])
    assert found == examine(given, FAST, ["deletion"])
    wrong = replace(empty, attribute=lambda m, x, t: given.maps[:, :, :5])
    with pytest.raises(UsageError, match=r"maps of true must be N L Y X like the crops"):
        examine_method(wrong, FAST)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"maps": np.zeros((24, 3, PX, PX))}, r"maps must be N L Y X like the crops \(24, 2, 24,"),
        ({"masks": np.zeros((24, 5, 5), bool)}, r"masks must be N Y X like the crops"),
        ({"structures": {"spots": np.zeros((2, PX, PX), bool)}}, "spots must be N Y X"),
        ({"groups": ("a",)}, "got 1 groups for 24 crops"),
        ({"targets": ("z",) * 24}, "unknown class 'z'"),
    ],
)
def test_refusals(change, message):
    with pytest.raises(UsageError, match=message):
        replace(case(), **change)


def test_settings_that_make_no_exam_are_refused():
    with pytest.raises(UsageError, match="at least two fills, got black"):
        ExamSettings(fills=("black",))
    with pytest.raises(UsageError, match="fractions must rise"):
        ExamSettings(fractions=(0.2, 0.1))
    with pytest.raises(UsageError, match="patches must be at least 1, got 0"):
        ExamSettings(patches=0)


def test_rows_are_named_once():
    assert len({row.name for row in EXAMS}) == len(EXAMS) == 12
