from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucyte.explain.attribution import questions as module
from lucyte.explain.attribution.occlusion import occlusion, occlusion_explanations
from lucyte.learn.erasing import baseline_image
from lucyte.schema.errors import UsageError
from reference.occlusion import occlusion_map


@dataclass(frozen=True)
class Weighted:
    """Three classes; logits are weighted sums of pixels, squared to be no linear function."""

    weights: np.ndarray
    channels: tuple[str, ...] = ("R", "G", "mask:cell")
    classes: tuple[str, ...] = ("a", "b", "c")
    pixel_size_um: float | None = None

    @property
    def input_px(self):
        return self.weights.shape[-1]

    def logits(self, crops):
        return np.einsum("ncyx,kcyx->nk", crops, self.weights) ** 2 / 1e3


def case(n=3, px=7, seed=0):
    rng = np.random.default_rng(seed)
    crops = rng.integers(0, 20, (n, 3, px, px)).astype(np.uint16)
    crops[:, 2] = 0
    crops[:, 2, 2:5, 2:5] = 1
    return Weighted(rng.normal(size=(3, 3, px, px))), crops


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(5, 8), st.integers(0, 50), st.booleans())
def test_every_map_is_what_the_definition_says(patch, stride, px, seed, together):
    stride = min(stride, patch)
    predictor, crops = case(2, px, seed)
    targets = ["a", "c"]
    maps = occlusion(predictor, crops, targets, patch, stride, "mean", not together)
    covers = [(0, 1)] if together else [(0,), (1,)]
    assert maps.shape == (2, len(covers), px, px)
    for n in range(2):
        fill = crops[n].mean(axis=(1, 2))
        for c, cover in enumerate(covers):
            target = predictor.classes.index(targets[n])
            slow = occlusion_map(predictor.logits, crops[n], target, cover, patch, stride, fill)
            assert np.allclose(maps[n, c], slow, atol=1e-9)


def test_batches_do_not_show(monkeypatch):
    predictor, crops = case()
    whole = occlusion(predictor, crops, "b", 3, 2)
    monkeypatch.setattr(module, "BATCH_VALUES", 7)
    assert np.array_equal(occlusion(predictor, crops, "b", 3, 2), whole)


def test_masks_are_never_covered():
    predictor, crops = case()
    seen = []

    class Spy:
        classes, channels, input_px, pixel_size_um = predictor.classes, predictor.channels, 7, None

        def logits(self, given):
            seen.append(np.array(given[:, 2]))
            return predictor.logits(given)

    occlusion(Spy(), crops, "a", 3, 3)
    masks = np.concatenate(seen)
    assert len(masks) > 50
    assert (masks == crops[0, 2]).all()


def test_what_a_model_does_not_see_is_not_asked_and_changes_nothing():
    predictor, crops = case()
    blind = Weighted(predictor.weights * (crops[0, 2] > 0))
    asked = []

    class Sees:
        classes, channels, input_px, pixel_size_um = blind.classes, blind.channels, 7, None

        def logits(self, given):
            asked.append(len(given))
            return blind.logits(given)

        def sees(self, given):
            return given[:, 2] > 0

    whole = occlusion(blind, crops, "a", 2, 1)
    assert np.allclose(occlusion(Sees(), crops, "a", 2, 1), whole, atol=1e-12)
    assert sum(asked) == 3 + 3 * 2 * 16, "16 of 36 patches touch a cell of 3 x 3 px"


def test_a_model_that_looks_at_one_place_has_its_map_there():
    weights = np.zeros((3, 3, 12, 12))
    weights[0, 1, 4:6, 7:9] = 1
    predictor = Weighted(weights)
    crops = np.full((2, 3, 12, 12), 1.0)
    crops[:, 1, 4:6, 7:9] = 30.0
    crops[:, 2] = 0
    crops[:, 2, 3:9, 5:10] = 1
    maps = occlusion(predictor, crops, "a", 2, 1)
    assert not maps[:, 0].any()
    top = np.argwhere(maps[0, 1] > 0.6 * maps[0, 1].max())
    assert top[:, 0].min() >= 4
    assert top[:, 0].max() <= 5
    assert top[:, 1].min() >= 7
    assert top[:, 1].max() <= 8
    assert maps[0, 1, :3].max() == 0


def test_explanations_carry_named_channels_and_the_score():
    predictor, crops = case()
    found = occlusion_explanations(predictor, crops, ["x", "y", "z"], ["a", "b", "c"], 3, 2)
    assert [each.object_id for each in found] == ["x", "y", "z"]
    assert list(found[1].maps) == ["R", "G"]
    logits = predictor.logits(crops.astype(float))
    assert found[1].score == pytest.approx(logits[1, 1] - max(logits[1, 0], logits[1, 2]))
    maps = occlusion(predictor, crops, ["a", "b", "c"], 3, 2)
    assert np.array_equal(found[2].maps["G"], maps[2, 1])


def test_baselines_are_what_they_say():
    _, crops = case(2)
    names = ("R", "G", "mask:cell")
    outside = crops[0, 2] == 0
    local = baseline_image(crops, names, "local_background")
    assert (local[0, 1] == np.median(crops[0, 1][outside])).all()
    assert np.array_equal(local[:, 2], crops[:, 2])
    assert not baseline_image(crops, names, "black")[:, :2].any()
    assert (baseline_image(crops, names, "mean")[1, 0] == crops[1, 0].mean()).all()
    rim = np.r_[crops[0, 0, 0], crops[0, 0, -1], crops[0, 0, 1:-1, 0], crops[0, 0, 1:-1, -1]]
    bare = baseline_image(crops[:, :2], names[:2], "local_background")
    assert (bare[0, 0] == np.median(rim)).all()
    given = baseline_image(crops, names, np.array([1.0, 2.0, 3.0]))
    assert (given[:, 1] == 2).all()
    assert np.array_equal(given[:, 2], crops[:, 2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "d"}, "Allowed: a, b, c. The model has never seen it."),
        ({"target": ["a", "b"]}, "got 2 targets for 3 crops"),
        ({"patch_px": 9}, "patch of 9 px does not fit crops of 7 x 7 px"),
        ({"stride_px": 4}, "a step of 4 px leaves gaps between patches of 3 px"),
        ({"baseline": "grey"}, "unknown baseline 'grey'"),
        ({"baseline": np.zeros(5)}, "must have shape C, C Y X or N C Y X"),
    ],
)
def test_refusals(change, message):
    predictor, crops = case()
    asked = {"target": "a", "patch_px": 3, "stride_px": 2, **change}
    with pytest.raises(UsageError) as caught:
        occlusion(predictor, crops, **asked)
    assert message in str(caught.value)


def test_an_answer_that_is_no_number_is_refused():
    predictor, crops = case()
    broken = Weighted(predictor.weights * np.nan)
    with pytest.raises(UsageError, match="answer for crop 0 is not a number"):
        occlusion(broken, crops, "a", 3, 2)
