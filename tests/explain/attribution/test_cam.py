from __future__ import annotations

import numpy as np
import pytest
import torch

from lucyte.explain.attribution.explained import Coordinate, bind
from lucyte.explain.attribution.inside import as_maps, find_sites, look
from lucyte.explain.attribution.methods import Settings, attribute
from lucyte.schema.errors import UsageError
from reference import cam as slow

KEEP = Settings(keep_negative=True)


def seen(model, crops, target="b", layer=None):
    score = bind(model, target, len(crops))
    sites = find_sites(score, layer)
    answers, slopes, _ = look(score, sites, model.prepare(crops), np.arange(len(crops)))
    a = [as_maps(s, x).double().numpy() for s, x in zip(sites, answers, strict=True)]
    g = [as_maps(s, x).double().numpy() for s, x in zip(sites, slopes, strict=True)]
    return sites, a, g


@pytest.mark.parametrize("name", ["grad_cam", "grad_cam_plus_plus", "xgrad_cam", "layer_cam"])
@pytest.mark.parametrize(
    ("form", "encoder"), [("intermediate", "small"), ("late", "small"), ("intermediate", "vit")]
)
def test_every_map_is_what_the_paper_says(network, name, form, encoder):
    model, crops = network(form, encoder)
    found = attribute(model, crops[:2], "b", name)
    sites, a, g = seen(model, crops[:2])
    assert [site.channels for site in sites] == [("A",), ("B",), ("C",)]
    for n in range(2):
        for c in range(3):
            told = slow.enlarge(getattr(slow, name)(a[c][n], g[c][n]), 24)
            assert np.allclose(found.maps[n, c], told, rtol=1e-4, atol=1e-7)
    assert found.maps.max() > 0


def test_the_slopes_are_those_of_the_score(network):
    model, crops = network("intermediate")
    sites, a, g = seen(model, crops[:1])
    module, step = model.module(), 0.5
    x, score = model.prepare(crops[:1]), bind(model, "b", 1)

    def told(change):
        handle = sites[1].module.register_forward_hook(lambda _m, _i, out: out + change)
        with torch.no_grad():
            found = score.of_tensor(module(x), np.array([0]))
        handle.remove()
        return float(found)

    change = torch.zeros(a[1].shape)
    change[0, 2, 1, 1] = step
    assert (told(change) - told(-change)) / (2 * step) == pytest.approx(
        g[1][0, 2, 1, 1], rel=1e-3, abs=1e-6
    )


def test_maps_of_all_encoders_add_up_to_the_score_but_for_the_constant(network):
    model, crops = network("intermediate", outputs=2)
    found = attribute(model, crops, "b", "grad_cam", KEEP)
    bias = model.network.head[-1].bias.detach().numpy()
    constant = float(bias[1] - bias[0])
    # 3 x 3 places on 24 px: enlarging keeps the sum to a few per cent, not to a bit.
    small = seen(model, crops)
    exact = sum(
        (g.mean((2, 3))[:, :, None, None] * a).sum((1, 2, 3))
        for a, g in zip(*small[1:], strict=True)
    )
    assert np.allclose(exact, found.score - constant, atol=1e-5)
    assert np.allclose(found.maps.sum((1, 2, 3)), exact, atol=0.2 * np.abs(exact).max())


def test_shares_are_of_all_that_speaks_for_the_target(network):
    model, crops = network("late")
    found = attribute(model, crops, "b", "layer_cam")
    mass = found.maps.clip(0).sum((2, 3))
    assert np.allclose(found.shares(), mass / mass.sum(1, keepdims=True))
    assert found.why_no_shares() == ""
    assert found.joined == ()


def test_late_fusion_gives_a_channel_without_weight_no_share(network):
    model, crops = network("late")
    model.network.set_weights([0.5, 0.0, 0.5])
    found = attribute(model, crops, "b", "layer_cam")
    assert not found.maps[:, 1].any()
    assert np.allclose(found.shares()[:, 1], 0)
    assert (found.shares()[:, [0, 2]] > 0).all()


def test_early_fusion_has_one_map_and_says_so(network):
    model, crops = network("early")
    found = attribute(model, crops, "b", "layer_cam")
    assert np.array_equal(found.maps[:, 0], found.maps[:, 2])
    assert found.joined == ("A", "B", "C")
    assert np.isnan(found.shares()).all()
    assert found.why_no_shares().startswith("One map for A, B, C: the network joins them")
    single, crops = network("single:B")
    alone = attribute(single, crops, "b", "layer_cam")
    assert not alone.maps[:, [0, 2]].any()
    assert np.allclose(alone.shares(), [0, 1, 0])


@pytest.mark.parametrize("form", ["early", "intermediate"])
def test_eigen_cam_is_the_first_singular_vector_over_all_encoders(network, form):
    model, crops = network(form)
    found = attribute(model, crops[:2], "b", "eigen_cam", KEEP)
    _, a, _ = seen(model, crops[:2])
    for n in range(2):
        together = np.concatenate([own[n] for own in a])
        _, _, vectors = np.linalg.svd(together.reshape(len(together), -1).T)
        first = vectors[0] * np.sign(vectors[0] @ together.sum((1, 2)))
        at = 0
        for c, own in enumerate(a):
            part = np.tensordot(first[at : at + own.shape[1]], own[n], 1)
            at += own.shape[1]
            told = slow.enlarge(part, 24) / len(found.joined or (1,))
            assert np.allclose(found.maps[n, c], told, rtol=1e-3, atol=1e-5)
    if form == "early":
        told = slow.enlarge(slow.eigen_cam(a[0][0]), 24) / 3
        assert np.allclose(found.maps[0, 0].clip(0), told.clip(0), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("form", ["intermediate", "early"])
def test_score_cam_tries_every_map_as_a_window(network, form):
    model, crops = network(form)
    found = attribute(model, crops[:1], "b", "score_cam")
    sites, a, _ = seen(model, crops[:1])
    score = bind(model, "b", 1)
    x = model.prepare(crops[:1])[0].numpy()
    rim = np.r_[0 : 24 * 24].reshape(24, 24)
    rim = np.r_[rim[0], rim[-1], rim[1:-1, 0], rim[1:-1, -1]]
    fill = np.median(crops[:1].reshape(1, 3, -1)[:, :, rim], axis=2)[:, :, None, None]
    b = model.prepare(np.broadcast_to(fill, crops[:1].shape).astype(np.float32))[0].numpy()

    def ask(picture):
        with torch.no_grad():
            answer = model.module()(torch.from_numpy(picture[None]).float())
        z = answer[0].double().tolist()
        other = found_against(model, crops[:1])
        return z[1] - z[other]

    told = slow.score_cam(ask, [own[0] for own in a], x, b, [site.planes for site in sites])
    for c, own in enumerate(told):
        large = slow.enlarge(own, 24) / len(found.joined or (1,))
        assert np.allclose(found.maps[0, c], large, rtol=1e-3, atol=1e-6)
    assert score.against is None


def found_against(model, crops):
    z = model.logits(crops)[0]
    return max((k for k in range(3) if k != 1), key=lambda k: z[k])


@pytest.mark.parametrize(("form", "encoder"), [("late", "small"), ("intermediate", "vit")])
def test_ablation_cam_takes_every_map_away(network, form, encoder):
    model, crops = network(form, encoder)
    found = attribute(model, crops[:2], "b", "ablation_cam")
    sites, a, _ = seen(model, crops[:2])
    module, score = model.module(), bind(model, "b", 2).fixed(model.logits(crops[:2]))
    x, rows = model.prepare(crops[:2]), np.arange(2)
    c, features = 1, min(6, a[1].shape[1])
    weights = np.zeros((2, a[1].shape[1]))
    for k in range(a[1].shape[1]):

        def away(_m, _i, out, k=k):
            out = out.clone()
            if out.ndim == 3:
                out[:, 1:, k] = 0
            else:
                out[:, k] = 0
            return out

        with torch.no_grad():
            before = score.of_tensor(module(x), rows)
            handle = sites[c].module.register_forward_hook(away)
            weights[:, k] = (before - score.of_tensor(module(x), rows)).numpy()
            handle.remove()
    assert np.abs(weights[:, :features]).max() > 0
    for n in range(2):
        told = slow.enlarge(slow.weighted(a[c][n], weights[n]), 24)
        assert np.allclose(found.maps[n, c], told, rtol=1e-3, atol=1e-5)


def test_of_a_transformer_the_last_block_but_one_is_looked_at(network):
    model, crops = network("intermediate", "vit")
    found = attribute(model, crops, "b", "grad_cam")
    assert found.note == "Layer A/block11, B/block11, C/block11."
    with pytest.raises(UsageError, match="of a transformer's last block only the class token"):
        attribute(model, crops, "b", "grad_cam", Settings(layer="block12"))


def test_one_encoder_can_be_asked_alone(network):
    model, crops = network("intermediate")
    every = attribute(model, crops, "b", "ablation_cam", Settings(layer="stage2"))
    alone = attribute(model, crops, "b", "ablation_cam", Settings(layer="B/stage2"))
    assert np.allclose(alone.maps[:, 1], every.maps[:, 1])
    assert not alone.maps[:, [0, 2]].any()


def test_turned_views_are_explained_as_they_are_averaged(network):
    model, crops = network("intermediate", turns=8)
    found = attribute(model, crops, "b", "layer_cam")
    turned = attribute(model, np.rot90(crops, 1, (2, 3)), "b", "layer_cam")
    assert np.allclose(np.rot90(found.maps, 1, (2, 3)), turned.maps, atol=1e-9)
    plain, _ = network("intermediate")
    moved = attribute(plain, np.rot90(crops, 1, (2, 3)), "b", "layer_cam")
    still = attribute(plain, crops, "b", "layer_cam")
    apart = np.abs(np.rot90(still.maps, 1, (2, 3)) - moved.maps).max()
    assert apart > 0.05 * still.maps.max()


def test_weights_and_hooks_are_left_as_they_were(network):
    model, crops = network("late")
    before = {name: p.requires_grad for name, p in model.network.named_parameters()}
    logits = model.logits(crops)
    for name in ("grad_cam", "ablation_cam", "score_cam", "deep_lift"):
        attribute(model, crops, "b", name, KEEP)
    assert {name: p.requires_grad for name, p in model.network.named_parameters()} == before
    assert all(before.values())
    assert not any(module._forward_hooks for module in model.network.modules())
    assert all(p.grad is None for p in model.network.parameters())
    assert np.array_equal(model.logits(crops), logits)


def test_a_coordinate_of_the_embedding_is_explained(network):
    model, crops = network("intermediate")
    # The first 16 features are means of the maps of channel A's encoder.
    at = int(model.embed(crops)[:, :16].mean(0).argmax())
    found = attribute(model, crops, Coordinate(at), "grad_cam", KEEP)
    assert found.targets == (f"coordinate {at}",) * 4
    assert np.allclose(found.score, model.embed(crops)[:, at])
    assert not found.maps[:, 1:].any()
    assert np.allclose(found.maps[:, 0].sum((1, 2)), found.score, rtol=0.25)


def test_a_layer_that_is_not_there_is_refused(network):
    model, crops = network("intermediate")
    with pytest.raises(UsageError) as caught:
        attribute(model, crops, "b", "grad_cam", Settings(layer="stage9"))
    assert str(caught.value).startswith("unknown layer 'stage9', did you mean 'stage")
    assert "stage1, stage2, stage3, A/stage1" in str(caught.value)


def test_a_broken_network_is_refused_in_one_line(network):
    model, crops = network("early")
    with torch.no_grad():
        model.network.head[-1].weight.fill_(float("nan"))
    with pytest.raises(UsageError, match="answer for crop 0 is not a number"):
        attribute(model, crops, "b", "grad_cam")
