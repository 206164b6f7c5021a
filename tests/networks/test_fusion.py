"""Encoders and fusion: shapes, published counts, refusals."""

from __future__ import annotations

import pytest
import torch

from lucyte.networks.encoders import ENCODERS, build_encoder
from lucyte.networks.fusion import NetworkPlan, build_network, count_parameters
from lucyte.networks.pretrained import adapt_stem, load_pretrained
from lucyte.schema.errors import InputError, UsageError


@pytest.mark.parametrize(
    ("form", "dense", "published"), [("early", 1024, 25_638_918), ("intermediate", 256, 72_159_622)]
)
def test_published_parameter_counts(form, dense, published):
    with torch.device("meta"):
        network = build_network(
            NetworkPlan(form, "resnet50", ("a", "b", "c"), 1, 64, 6, dense=dense)
        )
    assert count_parameters(network) == published
    assert round(published / 1e6, 2) == {"early": 25.64, "intermediate": 72.16}[form]


@pytest.mark.parametrize("name", [row.name for row in ENCODERS])
def test_every_encoder_takes_any_channels_and_learns(name):
    torch.manual_seed(0)
    width = {"small": 8, "resnet50": 4, "vit": 64, "dinov2": 64, "convnext": 8}[name]
    encoder = build_encoder(name, 5, 32, width=width)
    x = torch.rand(3, 5, 32, 32)
    found = encoder(x)
    assert found.shape == (3, encoder.features)
    found.square().sum().backward()
    assert torch.isfinite(next(encoder.parameters()).grad).all()
    seen = {}
    for layer, module in encoder.layers().items():
        module.register_forward_hook(lambda m, i, o, layer=layer: seen.update({layer: o}))
    encoder(x)
    assert list(seen) == list(encoder.layers())


def test_pooled_features_of_sparse_pictures_vary_as_much_as_those_of_full_ones():
    torch.manual_seed(0)
    encoder = build_encoder("small", 1, 32, width=8).train()
    sparse = torch.zeros(16, 1, 32, 32)
    for k in range(16):
        sparse[k, 0, k : k + 2, 3:5] = 1.0
    before = encoder.body(sparse).mean(dim=(2, 3))
    assert before.std(dim=0).median() < 0.1, "test invalid: the features vary already"
    after = encoder(sparse)
    # Both divide by the deviation over the batch, up to the smallest that is taken for one.
    spread = before.var(dim=0, unbiased=False)
    wanted = (spread / (spread + 1e-5)).sqrt()
    assert torch.allclose(after.std(dim=0, unbiased=False), wanted, atol=1e-4)
    assert torch.allclose(after.mean(dim=0), torch.zeros(32), atol=1e-4)


def test_each_channel_has_its_own_encoder_and_sees_only_its_own():
    plan = NetworkPlan("intermediate", "small", ("a", "b"), 2, 16, 3, width=8, dropout=0)
    network = build_network(plan).eval()
    assert list(network.layers()) == [f"{c}/stage{k}" for c in "ab" for k in (1, 2, 3)]
    x = torch.rand(1, 4, 16, 16, requires_grad=True)
    network.encoders[1](x[:, network.planes[1]]).sum().backward()
    assert (x.grad[:, :2] == 0).all() and (x.grad[:, 2:] != 0).any()


def test_single_sees_one_channel_alone():
    network = build_network(NetworkPlan("single:b", "small", ("a", "b"), 1, 16, 3, width=8)).eval()
    x = torch.rand(1, 2, 16, 16, requires_grad=True)
    network(x).sum().backward()
    assert (x.grad[:, 0] == 0).all() and (x.grad[:, 1] != 0).any()


def test_late_fusion_is_the_weighted_mean_of_probabilities():
    network = build_network(NetworkPlan("late", "small", ("a", "b"), 1, 16, 3, width=8)).eval()
    network.set_weights([0.25, 0.75])
    x = torch.rand(2, 2, 16, 16)
    by = [torch.softmax(branch(x), 1) for branch in network.branches]
    assert torch.allclose(torch.softmax(network(x), 1), 0.25 * by[0] + 0.75 * by[1], atol=1e-6)
    with pytest.raises(UsageError, match=r"as many weights from 0, adding up to 1; got 0.5"):
        network.set_weights([0.5])


def test_what_is_refused():
    with pytest.raises(UsageError, match=r"unknown encoder 'resnet5', did you mean 'resnet50'"):
        build_encoder("resnet5", 1, 64)
    with pytest.raises(UsageError, match="unknown fusion form 'earl', did you mean 'early'"):
        NetworkPlan("earl", "small", ("a",), 1, 16, 2)
    with pytest.raises(UsageError, match=r"unknown channel 'c'.* Allowed: a, b"):
        NetworkPlan("single:c", "small", ("a", "b"), 1, 16, 2)
    with pytest.raises(UsageError, match="which 50 px is no multiple of; set network_px"):
        build_encoder("vit", 1, 50)
    with pytest.raises(UsageError, match="learned from scratch and takes no weights"):
        build_encoder("small", 1, 64, weights="x")


def test_weights_from_a_folder_and_what_is_refused(tmp_path):
    from transformers import ConvNextConfig, ConvNextModel

    small = ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1])
    ConvNextModel(small).save_pretrained(tmp_path / "right")
    encoder = build_encoder("convnext", 2, 64, weights=str(tmp_path / "right"))
    assert encoder(torch.rand(1, 2, 64, 64)).shape == (1, 32)
    with pytest.raises(InputError, match=r"nowhere: is not there\. Give the folder of a check"):
        build_encoder("vit", 1, 224, weights="nowhere")
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text((tmp_path / "right" / "config.json").read_text())
    (pickled / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(InputError, match="holds its weights as pickle only"):
        build_encoder("convnext", 1, 64, weights=str(pickled))


def test_an_adapted_stem_answers_grey_pictures_as_before(tmp_path):
    from transformers import ConvNextConfig, ConvNextModel

    config = ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1])
    ConvNextModel(config).save_pretrained(tmp_path)
    body = load_pretrained("ConvNextModel", str(tmp_path)).eval()
    grey = torch.rand(1, 1, 64, 64)
    before = body(grey.expand(1, 3, 64, 64)).pooler_output
    adapt_stem(body, 5)
    assert torch.allclose(body(grey.expand(1, 5, 64, 64)).pooler_output, before, atol=1e-4)
