"""Planted shortcuts are found, honest data and models are not accused, the two claims differ."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from lucyte.evidence.model.background import Retraining, data_permit, model_relies
from lucyte.evidence.model.exchange import TELLS, knows, tells
from lucyte.schema.errors import UsageError
from lucyte.schema.finding import Finding
from worlds.crops import (
    LinearModel,
    PictureLearner,
    border_red,
    inside_less_border,
    picture_features,
    world,
)


def permit(**settings: object) -> dict[str, Finding]:
    seed = int(settings.pop("seed", 0))  # type: ignore[call-overload]
    return {f.name: f for f in data_permit(world(seed, **settings), PictureLearner())}  # type: ignore[arg-type]


def told(found: dict[str, Finding]) -> dict[str, float]:
    rows = found["background.data_permit"].details["inputs"]
    return {row["input"]: row["auroc"] for row in rows}


def relies(measure, **settings):  # type: ignore[no-untyped-def]
    crops = world(**settings)
    cells = crops.of_kind("cell")
    model = PictureLearner(measure).fit(cells.crops, cells.labels, cells.groups, 0)
    return model_relies(model, crops)


@pytest.mark.parametrize("seed", range(4))
def test_a_tint_at_full_strength_is_caught_by_both(seed: int) -> None:
    found = permit(seed=seed, tint=20)
    for name in ("", ".erased", ".image_statistics"):
        assert found[f"background.data_permit{name}"].verdict == "fail", name
    assert found["background.data_permit.silhouettes"].verdict != "fail"
    assert relies(picture_features, seed=seed, tint=20).verdict == "fail"


@pytest.mark.parametrize("wells", [3, 6])
def test_no_shortcut_is_never_called_one(wells: int) -> None:
    for seed in range(6):
        found = permit(seed=seed, wells=wells, well_noise=0.05)
        shortcuts = {n: f.verdict for n, f in found.items() if "permit" in n}
        assert "fail" not in shortcuts.values(), (seed, shortcuts)
        assert found["background.remains"].verdict != "fail"
        crops = world(seed, wells=wells, well_noise=0.05)
        cells = crops.of_kind("cell")
        model = PictureLearner().fit(cells.crops, cells.labels, cells.groups, 0)
        assert model_relies(model, crops).verdict == "pass"


def test_a_model_may_ignore_a_shortcut_that_the_data_permit() -> None:
    assert permit(tint=20)["background.data_permit"].verdict == "fail"
    honest = relies(inside_less_border, tint=20)
    assert honest.verdict == "pass"
    assert abs(honest.statistic) < 0.05
    cheating = relies(border_red, tint=20)
    assert cheating.verdict == "fail"
    assert cheating.statistic == pytest.approx(1, abs=0.1)


def test_the_exchange_that_breaks_an_honest_contrast_is_shown_not_judged() -> None:
    honest = relies(inside_less_border, tint=20)
    moved = {row["exchange"]: row for row in honest.details["exchanges"]}
    assert abs(moved["surroundings"]["reliance"]) > 0.3, "the premise: this exchange does move it"
    assert not moved["surroundings"]["judged"]
    assert abs(moved["medium"]["reliance"]) < 0.05


def test_shortcut_alone_leaves_nothing_in_the_cells() -> None:
    found = permit(tint=20, signal=0, wells=8)
    assert found["background.data_permit"].verdict == "fail"
    rest = found["background.remains"]
    assert rest.verdict != "pass"
    assert rest.statistic < 0.6
    table = told(found)
    assert table["plain crop"] > 0.95
    assert table["masked"] > 0.95, "light adds through the cells, so masking does not help"
    assert table["subtracted"] < 0.65


def test_each_statistic_of_a_field_is_ranked_by_itself() -> None:
    found = permit(tint=20, size=2.0)["background.data_permit.image_statistics"]
    ranked = {row["statistic"]: row["auroc"] for row in found.details["statistics"]}
    assert ranked["RFP_level"] == ranked["RFP_minus_GFP"] == ranked["mean_area_px"] == 1.0
    assert ranked["GFP_spread"] < 0.9


def test_size_is_caught_by_silhouettes_and_matched_away() -> None:
    found = permit(size=1.0, signal=0, wells=4, cells=60)
    assert found["background.data_permit.silhouettes"].verdict == "fail"
    assert found["background.data_permit"].verdict != "fail"
    table = told(found)
    assert table["what remains"] < table["subtracted"] - 0.15


def test_the_curve_runs_over_distance() -> None:
    curve = permit(tint=20)["background.data_permit"].details["distance_curve"]
    assert [row["places"] for row in curve] == [18] * 4
    assert [row["auroc"] for row in curve] == [1.0] * 4
    assert all(a["to_px"] == b["from_px"] for a, b in pairwise(curve))


def test_too_little_background_is_inconclusive_and_says_how_little() -> None:
    found = permit(tint=20, places=3)["background.data_permit"]
    assert (found.verdict, found.n) == ("inconclusive", 0)
    assert np.isnan(found.statistic)
    assert "18 cell-free places in all" in found.why
    assert "at least 8 of them: 0 of fed, 0 of starved; 2 of each class are needed" in found.why


def test_places_may_be_smaller_than_the_cells_crops() -> None:
    crops = world(tint=20)
    empty = crops.of_kind("background")
    small = replace(
        empty,
        crops=empty.crops[..., :12, :12],
        masks=empty.masks[:, :12, :12],
        foreground=empty.foreground[:, :12, :12],
    )
    cells = crops.of_kind("cell")
    assert data_permit(cells, PictureLearner(small_features))[0].verdict == "inconclusive"
    found = data_permit(cells, PictureLearner(small_features), None, small)
    assert found[0].verdict == "fail"


def small_features(crops: np.ndarray) -> np.ndarray:
    return np.hstack([crops.mean(axis=(2, 3)), crops.std(axis=(2, 3))])


def test_too_few_wells_are_inconclusive_and_say_how_many() -> None:
    found = permit(tint=20, wells=1)
    assert {f.verdict for f in found.values()} == {"inconclusive"}
    assert "at least 2 units of each class; there are 1 of fed, 1 of starved" in (
        found["background.data_permit.erased"].why
    )
    alone = relies(picture_features, tint=20, wells=1)
    assert alone.verdict == "inconclusive"
    assert "at least 2 units of each class" in alone.why


def test_a_mask_that_covers_everything_is_inconclusive() -> None:
    crops = world()
    covered = replace(crops.of_kind("cell"), foreground=np.ones((96, 24, 24), dtype=bool))
    found = {f.name: f for f in data_permit(covered, PictureLearner())}
    assert found["background.data_permit.erased"].verdict == "inconclusive"
    assert "only 0 crops" in found["background.data_permit.erased"].why
    model = PictureLearner().fit(covered.crops, covered.labels, covered.groups, 0)
    answer = model_relies(model, covered)
    assert answer.verdict == "inconclusive"
    assert "fewer than 50 cell-free pixels" in answer.why


def test_a_model_that_may_be_right_by_chance_is_not_asked_what_it_relies_on() -> None:
    cells = world(0, wells=4, signal=0, places=0).of_kind("cell")
    wells = {name: sorted({g for g, x in zip(cells.groups, cells.labels, strict=True) if x == name})
             for name in cells.classes}  # fmt: skip
    fed, doubtful, clear = (-1, 0, 1, 0.5), (0, 1, 1.5, 0.2), (2, 3, 2.5, 2.2)

    def logits(starved: tuple[float, ...]) -> np.ndarray:
        lean = dict(zip(wells["fed"], fed, strict=True))
        lean |= dict(zip(wells["starved"], starved, strict=True))
        return np.array([[0, lean[name]] for name in cells.groups])

    classes = ["fed", "starved"]
    assert tells(logits(doubtful), classes, cells) > TELLS, "the premise: it looks right"
    assert not knows(logits(doubtful), classes, cells)
    assert knows(logits(clear), classes, cells)


def test_a_model_that_tells_nothing_has_nothing_to_rely_on() -> None:
    flat = LinearModel(np.zeros(8), 0.0, picture_features)
    found = model_relies(flat, world(tint=20))
    assert found.verdict == "inconclusive"
    assert found.why.startswith("The model does not tell the classes apart here")


def test_other_class_names_and_channels_are_refused() -> None:
    model = LinearModel(np.zeros(8), 0.0, picture_features, classes=("fedd", "starving"))
    with pytest.raises(UsageError, match=r"the cells are \['fed', 'starved'\]"):
        model_relies(model, world())
    model = LinearModel(np.zeros(8), 0.0, picture_features, channels=("GFP", "mRFP"))
    with pytest.raises(UsageError, match="unknown channel 'mRFP', did you mean 'RFP'"):
        model_relies(model, world())
    with pytest.raises(UsageError, match="needs crops of cells"):
        data_permit(world().of_kind("background"), PictureLearner())


def test_the_same_seed_gives_the_same_findings() -> None:
    how = Retraining(seed=3)
    first, second = (data_permit(world(2, wells=2), PictureLearner(), how) for _ in range(2))
    assert [f.to_json() for f in first] == [f.to_json() for f in second]


def test_cells_of_one_well_do_not_raise_n() -> None:
    few, many = permit(tint=20, cells=10), permit(tint=20, cells=40)
    assert few["background.data_permit.erased"].n == many["background.data_permit.erased"].n == 6


def test_three_classes_are_compared_pair_by_pair() -> None:
    from lucyte.learn.crops import CropLearner
    from lucyte.schema.crops import join

    fed, more = world(0, tint=20, wells=4), world(1, tint=60, wells=4)
    third = more.take(np.asarray(more.labels) == "starved")
    third = replace(
        third,
        labels=("treated",) * len(third),
        groups=tuple(name + "x" for name in third.groups),
        field_ids=tuple(name + "x" for name in third.field_ids),
    )
    crops = join([fed, third])
    found = {f.name: f for f in data_permit(crops, CropLearner(crops.channels))}
    assert found["background.data_permit"].verdict == "fail"
    assert found["background.data_permit"].n == 12
    assert found["background.data_permit.image_statistics"].verdict == "fail"
    cells = crops.of_kind("cell")
    model = CropLearner(crops.channels).fit(cells.crops, cells.labels, cells.groups, 0)
    assert model_relies(model, crops).verdict == "fail"
