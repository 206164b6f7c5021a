from __future__ import annotations

import numpy as np
import pytest

from lucyte.explain.attribution.methods import Settings, attribute
from lucyte.explain.attribution.pieces import join_pieces
from lucyte.explain.attribution.shapley import (
    all_coalitions,
    kernel_coalitions,
    kernel_weight,
    shapley_values,
)
from lucyte.schema.errors import UsageError
from reference.shapley import shapley


class Pairs:
    """Channels speak for "yes" alone and in pairs, over the crop."""

    channels = ("A", "B", "C")
    classes = ("no", "yes")
    pixel_size_um = None
    input_px = 6

    def logits(self, crops):
        a, b, c = crops.mean(axis=(2, 3)).T
        return np.column_stack([np.zeros(len(crops)), a + 2 * a * b - b * c + 0.1 * a * b * c])


def crops_of(n=3):
    return np.random.default_rng(1).random((n, 3, 6, 6)) * 3


def test_channels_get_the_mean_gain_over_every_order():
    crops = crops_of()
    found = attribute(Pairs(), crops, "yes", "shapley_channels", Settings(baseline="black"))
    for n in range(3):
        x = crops[n].mean(axis=(1, 2))

        def score(means):
            return Pairs().logits(np.array(means)[None, :, None, None])[0, 1]

        told = shapley(score, list(x), [0.0, 0.0, 0.0])
        assert list(found.parts[n].values()) == pytest.approx(told, abs=1e-9)
        assert found.maps[n].sum((1, 2)) == pytest.approx(told, abs=1e-9)
    assert np.allclose(found.maps.sum((1, 2, 3)), found.score - found.baseline)


def test_pieces_share_what_they_add():
    crops = crops_of()
    pieces = np.zeros((3, 6, 6), np.int64)
    pieces[:, :2, :3], pieces[:, 3:, 2:5] = 2, 7
    pieces[2] = 0
    settings = Settings(baseline="black", pieces=pieces, piece_channel="A")
    found = attribute(Pairs(), crops, "yes", "shapley_pieces", settings)
    assert [list(own) for own in found.parts] == [["piece 2", "piece 7"]] * 2 + [[]]
    for n in range(2):

        def score(shown, n=n):
            crop = crops[n : n + 1].copy()
            for label, here in zip((2, 7), shown, strict=True):
                if not here:
                    crop[0, 0][pieces[n] == label] = 0
            return Pairs().logits(crop)[0, 1]

        told = shapley(score, [1, 1], [0, 0])
        assert list(found.parts[n].values()) == pytest.approx(told, abs=1e-9)
        assert found.maps[n, 0][pieces[n] == 7] == pytest.approx(told[1] / 9, abs=1e-9)
    assert not found.maps[:, 1:].any()
    assert not found.maps[2].any()


def test_many_pieces_are_sampled_near_the_truth():
    rng = np.random.default_rng(0)
    weight, pair = rng.normal(size=11), rng.normal(size=(11, 11)) * 0.3

    def worth(shown):
        z = shown.astype(float)
        return z @ weight + np.einsum("mi,ij,mj->m", z, pair, z)

    exact = weight + np.diag(pair) + (pair + pair.T).sum(1) / 2 - np.diag(pair)
    found = shapley_values(worth, 11, samples=800, seed=2)
    assert found.sum() == pytest.approx(worth(np.ones((1, 11), bool))[0])
    # A game of pairs is solved by pairs of complements up to rounding.
    assert np.abs(found - exact).max() < 0.15
    assert np.array_equal(found, shapley_values(worth, 11, samples=800, seed=2))
    additive = shapley_values(lambda s: s @ weight, 11, samples=60)
    assert np.allclose(additive, weight)


def test_sizes_are_drawn_with_the_kernel():
    shown = kernel_coalitions(9, 40_000, np.random.default_rng(0))
    sizes = np.bincount(shown.sum(1), minlength=10)[1:9] / len(shown)
    from math import comb

    wanted = np.array([comb(9, k) * kernel_weight(9, k) for k in range(1, 9)])
    assert np.allclose(sizes, wanted / wanted.sum(), atol=0.01)
    assert np.array_equal(shown[:20_000], ~shown[20_000:])


def test_coalitions_are_all_there():
    assert len({tuple(row) for row in all_coalitions(4).tolist()}) == 16


def test_pieces_are_joined_first_come_first():
    spot = np.zeros((2, 5, 5), bool)
    spot[0, 0, 0] = spot[0, 1, 1] = spot[0, 4, 4] = True
    cell = np.zeros((2, 5, 5), np.int64)
    cell[:, :3, :3] = 9
    found, names = join_pieces({"spot": spot, "cell": cell})
    assert names == ({1: "spot 1", 2: "spot 2", 3: "cell 1"}, {1: "cell 1"})
    assert found[0, 1, 1] == found[0, 0, 0] == 1, "corners connect"
    assert (found[0] == 3).sum() == 7
    assert (found[1] == 1).sum() == 9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pieces": np.ones((3, 5, 5), int)}, "integers N Y X like the crops (3, 6, 6), got int64"),
        ({"pieces": np.ones((3, 6, 6))}, "got float64 (3, 6, 6)"),
        ({"pieces": np.ones((3, 6, 6), int), "piece_channel": "D"}, "unknown channel 'D'"),
        (
            {"pieces": np.arange(108).reshape(3, 6, 6), "samples": 20},
            "35 pieces need 70 samples or more, got 20",
        ),
    ],
)
def test_refusals(settings, message):
    with pytest.raises(UsageError) as caught:
        attribute(Pairs(), crops_of(), "yes", "shapley_pieces", Settings(**settings))
    assert message in str(caught.value)
    with pytest.raises(UsageError, match="layers N Y X of one shape"):
        join_pieces({"a": np.ones((1, 2, 2)), "b": np.ones((1, 3, 2))})
