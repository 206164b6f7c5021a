"""A network of crops: what it takes, what light does not change, and its model folder."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.networks.crop_masks import build, restore, standardise, store
from lucyte.networks.model_folder import Card, pack, read_folder
from lucyte.schema.errors import UsageError

torch = pytest.importorskip("torch")
CROPS = np.random.default_rng(0).random((3, 2, 16, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build(("GFP", "TL"), 16, (4, 6, 8), 2)


def test_answers_are_probabilities_that_light_and_offset_do_not_change(model):
    found = model(CROPS)
    assert found.shape == (3, 16, 16) and found.dtype == np.float32
    assert 0 < found.min() < found.max() < 1
    brighter = CROPS * np.array([50.0, 3.0], np.float32)[:, None, None] + 100
    np.testing.assert_allclose(model(brighter), found, atol=2e-4)
    alone = model(CROPS[1:2])
    np.testing.assert_allclose(alone[0], found[1], atol=1e-5)


def test_an_even_channel_is_zero_and_not_nan():
    crops = torch.from_numpy(CROPS.copy())
    crops[:, 0] = 7.3
    light = standardise(crops)
    assert (light[:, 0] == 0).all()
    np.testing.assert_allclose(light[:, 1].std((1, 2), correction=0), 1, atol=1e-4)


def test_a_model_folder_gives_the_same_network(model, tmp_path):
    for name, data in pack(store(model, Card(limits=("simulated",)))).items():
        (tmp_path / name).write_bytes(data)
    stored = read_folder(tmp_path)
    again = restore(stored)
    assert (again.channels, again.side_px, again.widths, again.stride) == (
        ("GFP", "TL"),
        16,
        (4, 6, 8),
        2,
    )
    np.testing.assert_array_equal(again(CROPS), model(CROPS))


def test_refusals(model):
    with pytest.raises(UsageError, match=r"n x 2 x 16 x 16 \(channels GFP, TL\), got \(3, 1, 16"):
        model(CROPS[:, :1])
    with pytest.raises(UsageError, match="nan or infinite"):
        model(np.full_like(CROPS, np.nan))
    with pytest.raises(UsageError, match="side_px must be a multiple of 8, got 20"):
        build(("a",), 20, (4, 6, 8), 2)
    stored = store(model, Card())
    with pytest.raises(UsageError, match="is of kind 'objects'; --outlines needs 'crop-masks'"):
        restore(type(stored)(**{**vars(stored), "kind": "objects"}))
    less = dict(list(stored.arrays.items())[1:])
    with pytest.raises(UsageError, match="the weights are not of this network"):
        restore(type(stored)(**{**vars(stored), "arrays": less}))
    with pytest.raises(UsageError, match="the weights are not of this network"):
        restore(type(stored)(**{**vars(stored), "config": {"widths": [4, 6, 9], "stride": 2}}))
    with pytest.raises(UsageError, match=r"needs widths and stride, got \['stride'\]"):
        restore(type(stored)(**{**vars(stored), "config": {"stride": 2}}))
