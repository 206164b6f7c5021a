from __future__ import annotations

import numpy as np
import pytest
import torch

from lucyte.explain.embedding import layer_features
from lucyte.schema.errors import UsageError


class Two:
    """A network of two encoders, one layer each, and a layer of tokens."""

    classes, channels, pixel_size_um, input_px = ("a", "b"), ("G", "R"), None, 6

    def __init__(self):
        torch.manual_seed(0)
        self.g, self.r = torch.nn.Conv2d(1, 3, 3), torch.nn.Conv2d(1, 3, 3)
        self.tokens = torch.nn.Linear(16, 4)
        self.head = torch.nn.Linear(4, 2)

        outer = self

        class Net(torch.nn.Module):
            def forward(self, x):
                both = torch.cat([outer.g(x[:, :1]), outer.r(x[:, 1:])], 1).flatten(2)
                return outer.head(outer.tokens(both).mean(1))

        self.net = Net()

    def logits(self, crops):
        with torch.inference_mode():
            return self.net(self.prepare(crops)).numpy().astype(float)

    def module(self):
        return self.net

    def prepare(self, crops):
        return torch.from_numpy(np.asarray(crops, dtype=np.float32))

    def layers(self):
        return {"G/stage1": self.g, "R/stage1": self.r, "tokens": self.tokens}


CROPS = np.random.default_rng(0).normal(size=(70, 2, 6, 6))


def test_a_layer_is_its_mean_over_places_and_a_stage_that_of_every_encoder():
    model = Two()
    one = layer_features(model, CROPS, "R/stage1")
    with torch.inference_mode():
        expected = model.r(model.prepare(CROPS)[:, 1:]).mean(dim=(2, 3)).numpy()
    assert one.to_numpy() == pytest.approx(expected, abs=1e-6)
    both = layer_features(model, CROPS, "stage1")
    assert both.shape == (70, 6)
    assert both.columns[3] == "layer_R/stage1_0"
    assert layer_features(model, CROPS, "tokens").shape == (70, 4)
    assert not model.g._forward_hooks


def test_what_has_no_such_layer_is_refused():
    with pytest.raises(UsageError, match="unknown layer 'stage2', did you mean"):
        layer_features(Two(), CROPS, "stage2")

    class Closed:
        classes, channels, pixel_size_um, input_px = ("a", "b"), ("G", "R"), None, 6

        def logits(self, crops):
            return np.zeros((len(crops), 2))

    with pytest.raises(UsageError, match="Closed has no layers to look at"):
        layer_features(Closed(), CROPS, "stage1")
