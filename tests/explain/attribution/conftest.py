"""Networks with random weights on little crops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lucyte.networks.fusion import NetworkPlan, build_network
from lucyte.networks.image_classifier import ImageClassifier
from lucyte.networks.image_input import fit_input

CHANNELS = ("A", "B", "C")


@pytest.fixture(scope="session")
def network():
    """A maker of classifiers: ``network(form, encoder)`` gives a model and 4 crops."""

    def make(form="early", encoder="small", *, turns=1, px=24, outputs=3, seen=None):
        rng = np.random.default_rng(3)
        crops = rng.integers(10, 2000, (4, 3, px, px)).astype(np.uint16)
        given = fit_input(crops, np.arange(4), CHANNELS, **(seen or {}))
        width = {"vit": 64, "dinov2": 64}.get(encoder, 4)
        plan = NetworkPlan(
            form, encoder, CHANNELS, given.planes_per_channel, given.network_px, outputs, width
        )
        with torch.random.fork_rng():
            torch.manual_seed(1)
            built = build_network(plan).eval()
            for module in built.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    # Fresh blocks begin as their way around, and would test nothing.
                    torch.nn.init.uniform_(module.weight, 0.5, 1.5)
                    torch.nn.init.uniform_(module.bias, -0.2, 0.2)
        names = ("a", "b", "c", "d")[:outputs]
        return ImageClassifier(built, plan, given, names, turns=turns), crops

    return make
