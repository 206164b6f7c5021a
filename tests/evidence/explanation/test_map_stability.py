from __future__ import annotations

import numpy as np
import pytest

from lucyte.evidence.explanation.map_batch import batch_findings, excess
from lucyte.evidence.explanation.map_stability import stability, steadiness
from lucyte.schema.errors import UsageError
from reference import neighbours as slow

WELLS = [f"W{k % 8}" for k in range(200)]


def maps(noise, seed=0):
    rng = np.random.default_rng(seed)
    base = rng.uniform(0, 10, (200, 2))
    keys = [(p, s) for p in (10.0, 30.0) for s in (0, 1)]
    return {key: base + rng.normal(0, noise, base.shape) for key in keys}


def test_maps_that_agree_pass_and_say_how_far_neighbours_come_again():
    found = stability(maps(0.1), WELLS, "well", ["a", "b"] * 100, {"trustworthiness": 0.9})
    assert found.verdict == "pass"
    assert found.name == "embedding.stability"
    assert (found.n, found.unit) == (8, "well")
    assert found.low > 1 / 3
    assert found.details["chance"] == pytest.approx((20 / 199) / (2 - 20 / 199))
    assert found.details["trustworthiness"] == 0.9
    assert len(found.details["own_class"]) == 4
    assert "20 neighbours come again" in found.why
    assert "of its own class" in found.why


def test_maps_of_chance_fail_near_the_index_of_chance():
    rng = np.random.default_rng(5)
    runs = {(30.0, s): rng.normal(size=(400, 2)) for s in range(3)}
    found = stability(runs, [f"W{k % 8}" for k in range(400)], "well")
    assert found.verdict == "fail"
    assert found.statistic == pytest.approx(found.details["chance"], abs=0.01)
    assert np.isnan(found.details["over_perplexities"])
    assert "groups at most" in found.why


def test_few_units_pass_only_together():
    few = ["A", "B", "C"]
    wells = [few[k % 3] for k in range(200)]
    found = stability(maps(0.1), wells, "well")
    assert found.verdict == "inconclusive"
    assert found.low is None
    assert "3 units are too few" in found.why
    assert stability(maps(0.1), [f"W{k % 4}" for k in range(200)], "well").verdict == "pass"


def test_each_cell_is_compared_by_sets():
    runs = maps(0.5)
    found = steadiness(runs)
    near = {key: slow.nearest(each, 20) for key, each in runs.items()}
    by_seed = np.mean([slow.jaccard(near[p, 0], near[p, 1]) for p in (10.0, 30.0)], axis=0)
    assert found.seeds == pytest.approx(by_seed)
    across = np.mean([slow.jaccard(near[10.0, s], near[30.0, s]) for s in (0, 1)], axis=0)
    assert found.perplexities == pytest.approx(across)
    assert found.cells == pytest.approx((by_seed + across) / 2)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(UsageError, match="two maps of the same cells"):
        steadiness({(30.0, 0): np.zeros((50, 2))})
    with pytest.raises(UsageError, match="10 cells are too few"):
        steadiness({(30.0, s): np.zeros((10, 2)) for s in (0, 1)})
    with pytest.raises(UsageError, match="differ in the seed alone"):
        steadiness({(30.0, 0): np.zeros((50, 2)), (10.0, 1): np.zeros((50, 2))})


def plate(effect, seed=0, level=0.0):
    """Two classes, 6 wells each on 3 plates; wells (and plates) pull their cells together."""
    rng = np.random.default_rng(seed)
    labels, wells, plates, places = [], [], [], []
    at = {k: rng.normal(size=2) for k in range(3)}
    for name in ("fed", "starved"):
        for k in range(6):
            centre = effect * rng.normal(size=2) + level * at[k % 3] + 20 * (name == "fed")
            for _ in range(15):
                labels.append(name)
                wells.append(f"{name}{k}")
                plates.append(f"P{k % 3}")
                places.append(rng.normal(centre, 1))
    return np.array(places), labels, wells, plates


def test_wells_that_lie_apart_within_a_class_are_warned_of():
    places, labels, wells, _ = plate(4.0)
    found = batch_findings(places, labels, wells, "well")[0]
    assert found.verdict == "fail"
    assert (found.name, found.n) == ("embedding.batch", 12)
    assert found.statistic > 0.3
    assert found.details["p"] < 0.01
    assert "may be batches" in found.why
    assert found.statistic == pytest.approx(np.mean(list(found.details["units"].values())))


def test_wells_that_mix_reassure_and_the_class_itself_is_no_batch():
    places, labels, wells, plates = plate(0.0)
    own, above = batch_findings(places, labels, wells, "well", {"plate": plates, "well": wells})
    assert own.verdict == "pass"
    assert abs(own.statistic) < 0.05
    assert above.name == "embedding.batch_plate"
    assert above.verdict == "pass"


def test_plates_are_seen_from_other_wells_and_permuted_as_wholes():
    places, labels, wells, plates = plate(0.0, level=6.0)
    own, above = batch_findings(places, labels, wells, "well", {"plate": plates})
    assert above.verdict == "fail"
    assert above.details["p"] < 0.05
    assert above.details["smallest_p"] == pytest.approx(1 / 500)
    assert own.verdict == "fail"  # wells of one plate lie apart from the others, too


def test_excess_is_that_of_the_definition():
    places, labels, wells, plates = plate(1.0, seed=3)
    some = np.arange(0, 180, 4)
    y, g, b = (np.array(each)[some] for each in (labels, wells, plates))
    assert excess(places[some], y, g) == pytest.approx(slow.excess(places[some], y, g), nan_ok=True)
    assert excess(places[some], y, b, g) == pytest.approx(
        slow.excess(places[some], y, b, g), nan_ok=True
    )


def test_a_class_in_one_well_and_unknown_classes_stay_open():
    places, labels, _, _ = plate(0.0)
    one = batch_findings(places, labels, labels, "well")[0]
    assert one.verdict == "inconclusive"
    assert np.isnan(one.statistic)
    assert "in one well only" in one.why
    blank = batch_findings(places, [""] * 180, labels, "well")[0]
    assert "class of some cells is unknown" in blank.why


def test_too_few_cells_leave_the_question_open():
    found = stability({(3.0, 0): np.zeros((12, 2))}, ["A"] * 6 + ["B"] * 6, "well")
    assert found.verdict == "inconclusive"
    assert found.why == "12 cells are too few to compare neighbours (below 20)."
