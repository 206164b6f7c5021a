"""Maps must change with the model: gradients do, edges and constants do not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from torch import nn

from lucyte.evidence.explanation.examined import Examined, ExamSettings
from lucyte.evidence.explanation.exams import examine
from lucyte.evidence.explanation.randomised import HEAD, REST, cascade, stages
from lucyte.schema.errors import UsageError
from lucyte.schema.samples import Samples

PX = 16
FAST = ExamSettings(draws=2)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.stage1 = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6))
        self.stage2 = nn.Conv2d(6, 6, 3, padding=1)
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = torch.relu(self.stage2(torch.relu(self.stage1(x))))
        return self.head(x.mean((2, 3)))


@dataclass
class Model:
    """The smallest Differentiable; its answers may come from a compiled copy."""

    network: Network = field(default_factory=Network)
    compiled: object = None
    channels: tuple[str, ...] = ("R", "G")
    classes: tuple[str, ...] = ("a", "b")
    input_px: int = PX
    pixel_size_um: float | None = None

    def module(self):
        return self.network.eval()

    def prepare(self, crops):
        return torch.tensor(np.asarray(crops), dtype=torch.float32) / 40

    def layers(self):
        return {"stage1": self.network.stage1, "stage2": self.network.stage2}

    def logits(self, crops):
        answer = self.compiled or self.module()
        with torch.no_grad():
            return answer(self.prepare(crops)).double().numpy()


class Engined(Model):
    def with_engine(self, engine):
        assert engine == "torch"
        return Model(self.network)


def gradients(predictor, crops, targets):
    x = predictor.prepare(crops).requires_grad_()
    at = [predictor.classes.index(name) for name in targets]
    predictor.module()(x)[range(len(x)), at].sum().backward()
    return x.grad.double().numpy()


def edges(predictor, crops, targets):
    return np.hypot(*np.gradient(np.asarray(crops, dtype=float), axis=(2, 3)))


def case(attribute, wells=8, model=None):
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    n = 2 * wells
    crops = rng.poisson(30, (n, 2, PX, PX)).astype(float)
    model = model or Model(Network())
    targets = ("a", "b") * wells
    return Examined(
        "m",
        model,
        crops,
        attribute(model, crops, targets),
        np.ones((n, PX, PX), bool),
        tuple(f"P/{k // 2}" for k in range(n)),
        targets,
        attribute=attribute,
    )


def test_gradients_change_with_the_weights():
    found = examine(case(gradients), FAST, ["model_randomisation"])[0]
    assert (found.name, found.verdict) == ("m.model_randomisation", "pass"), found.why
    assert found.high < 0.5
    assert list(found.details["cascade"]) == [HEAD, "stage2", "stage1", REST]
    last = found.details["cascade"][REST]
    assert last["absolute_rank_correlation"] == pytest.approx(found.statistic, abs=1e-9)
    assert last["maps"] == 16
    assert found.details["controls"]["edge"] == 1
    assert found == examine(case(gradients), FAST, ["model_randomisation"])[0]


@pytest.mark.parametrize("sign", [1, -1])
def test_edges_do_not_and_fail(sign):
    turned = [1.0]

    def sham(predictor, crops, targets):
        turned[0] *= sign  # a map with its sign turned is still the same map
        return turned[0] * edges(predictor, crops, targets)

    found = examine(case(sham), FAST, ["model_randomisation"])[0]
    assert (found.verdict, found.statistic) == ("fail", pytest.approx(1))
    assert "it shows the picture, not the model" in found.why


def test_a_model_that_keeps_its_weights_elsewhere_is_no_subject():
    kept = Network().eval()
    found = examine(
        case(gradients, model=Model(Network(), compiled=kept)), FAST, ["model_randomisation"]
    )[0]
    assert found.verdict == "inconclusive"
    assert "Drawing the weights anew changed no answer" in found.why


def test_a_method_that_refuses_a_random_model_is_heard():
    given = case(gradients)

    def refuses(predictor, crops, targets):
        raise UsageError("every map is constant.")

    found = examine(replace(given, attribute=refuses), FAST, ["model_randomisation"])[0]
    assert found.verdict == "inconclusive"
    assert found.why == (
        "The changed model has no map at all (all flat): there is nothing to compare. "
        "The method says: every map is constant."
    )


def test_a_compiled_engine_is_left_behind():
    kept = Network().eval()
    model = Engined(Network(), compiled=kept)
    for _, drawn in cascade(model, 0):
        assert type(drawn) is Model
        assert drawn.compiled is None


def test_the_cascade_goes_back_from_the_head_and_leaves_the_model_alone():
    torch.manual_seed(0)
    model = Model(Network())
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    changed = []
    for stage, drawn in cascade(model, 3):
        now = drawn.network.state_dict()
        changed.append((stage, [k for k in before if not torch.equal(before[k], now[k])]))
        spread = {k: float(v.std()) for k, v in now.items() if v.ndim > 1}
        for name, value in spread.items():
            assert value == pytest.approx(float(before[name].std()), rel=0.5)
    assert {k: not torch.equal(v, before[k]) for k, v in model.network.state_dict().items()} == (
        dict.fromkeys(before, False)
    )
    names = [{each.split(".")[0] for each in keys} for _, keys in changed]
    assert names == [
        {"head"},
        {"head", "stage2"},
        {"head", "stage2", "stage1"},
        {"head", "stage2", "stage1", "stem"},
    ]


def test_encoders_of_several_channels_are_drawn_stage_by_stage():
    class Two(Model):
        def layers(self):
            own = self.network
            return {"R/last": own.stage1, "G/last": own.stage2}

    found = stages(Two(Network()))
    assert [name for name, _ in found] == [HEAD, "last", REST]
    assert len(found[1][1]) == 3


@dataclass
class Taught:
    """Fits a network quickly; with ``blind`` it returns the same one whatever the labels."""

    model: Model
    blind: bool = False

    def fit(self, samples, labels, groups, seed):
        assert sorted(labels) == sorted(["a"] * 8 + ["b"] * 8)
        if self.blind:
            return self.model
        torch.manual_seed(seed + 7)
        return Model(Network())


@pytest.mark.parametrize(("blind", "verdict"), [(False, "pass"), (True, "fail")])
def test_shuffled_labels(blind, verdict):
    given = case(gradients)
    samples = Samples(
        given.crops,
        ("R", "G"),
        tuple(str(k) for k in range(16)),
        given.targets,
        given.groups,
        masks=given.masks,
    )
    taught = replace(given, learner=Taught(given.predictor, blind), training=samples)
    found = examine(taught, FAST, ["label_randomisation"])[0]
    assert found.verdict == verdict, found.why
    assert (found.statistic == pytest.approx(1)) == blind


def test_one_cell_has_no_other_map_beside_it():
    one = case(gradients)
    one = replace(
        one, crops=one.crops[:1], maps=one.maps[:1], masks=one.masks[:1], groups=one.groups[:1],
        targets=one.targets[:1] if one.targets else one.targets,
        names=one.names[:1] if one.names else one.names,
    )  # fmt: skip
    found = examine(one, FAST, ["sensitivity"])[0]
    assert found.verdict == "inconclusive"
    assert "one cell only" in found.why


def test_gradients_that_are_steady_pass_sensitivity_and_noise_fails():
    found = examine(case(gradients), replace(FAST, radius=0.001), ["sensitivity"])[0]
    assert found.verdict == "pass"
    assert found.details["noise"] < found.details["between_cells"]
    assert found.details["controls"]["a spot in the centre"] == 0
    assert found.details["controls"]["edges of the picture"] > 0
    rng = np.random.default_rng(0)
    shaken = case(lambda predictor, crops, targets: rng.normal(size=crops.shape))
    assert examine(shaken, FAST, ["sensitivity"])[0].verdict == "fail"
    fixed = case(
        lambda predictor, crops, targets: np.tile(
            edges(0, crops[:1] * 0 + spot(), 0), (16, 1, 1, 1)
        )
    )
    one = examine(fixed, FAST, ["sensitivity"])[0]
    assert (one.verdict, one.statistic) == ("fail", 0)


def spot():
    out = np.zeros((2, PX, PX))
    out[:, 6:9, 6:9] = 5
    return out
