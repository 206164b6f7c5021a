from __future__ import annotations

import numpy as np
import pytest
import torch

from lucyte.networks.model_folder import Card, StoredModel, pack
from lucyte.networks.object_network import KIND, ObjectConfig, build, restore, store
from lucyte.networks.unet_plus_plus import UNetPlusPlus
from lucyte.schema.errors import UsageError


def fixed(network):
    """The same weights everywhere, with statistics as after training."""
    torch.manual_seed(0)
    for value in network.parameters():
        torch.nn.init.normal_(value, 0, 0.1)
    return network.eval()


def test_every_depth_answers_at_the_stride():
    network = fixed(UNetPlusPlus(2, 8, (4, 6, 8), stride=2))
    answers = network.all_depths(torch.randn(1, 2, 32, 48))
    assert [tuple(each.shape) for each in answers] == [(1, 8, 16, 24)] * 2
    assert network.multiple == 8


def test_nothing_beyond_its_reach_changes_an_answer():
    network = fixed(UNetPlusPlus(1, 3, (4, 4, 4), stride=2)).double()
    side = 2 * network.reach_px + 64
    side += -side % network.multiple
    image = torch.randn(1, 1, side, side, dtype=torch.float64)
    other = image.clone()
    other[..., : side // 2 - network.reach_px] = 7.0
    with torch.no_grad():
        a, b = network(image), network(other)
    middle = side // 2 // 2
    torch.testing.assert_close(a[..., middle:], b[..., middle:], rtol=0, atol=0)
    assert not torch.equal(a, b), "test invalid: the change reaches nothing"


def test_refuses_what_it_cannot_be():
    with pytest.raises(UsageError, match="stride is 1, 2 or 4, got 3"):
        UNetPlusPlus(1, 8, (4, 4), stride=3)
    with pytest.raises(UsageError, match="at least 2 levels"):
        UNetPlusPlus(1, 8, (4,))


def test_is_stored_and_restored_with_the_same_answer():
    config = ObjectConfig(("DNA",), "nucleus", widths=(4, 6, 8))
    network = fixed(build(config))
    stored = store(network, config, Card())
    assert len(pack(stored)["weights.safetensors"]) < 60_000
    back, same = restore(stored)
    assert same == config
    image = torch.randn(1, 2, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(back(image), network(image), rtol=5e-2, atol=5e-2)


def test_weights_of_another_network_are_refused():
    config = ObjectConfig(("DNA",), "nucleus", widths=(4, 6, 8))
    stored = store(build(config), config, Card())
    fields = {name: getattr(stored, name) for name in stored.__dataclass_fields__}
    fields["arrays"] = {"w": np.zeros(3, np.float32)}
    with pytest.raises(UsageError, match="not of this network"):
        restore(StoredModel(**fields))
    fields["kind"] = "features"
    with pytest.raises(UsageError, match=f"needs '{KIND}'"):
        restore(StoredModel(**fields))
