"""bf16 only where it is worth it, the CPU has it, and no answer changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lucyte.networks import half_precision
from lucyte.networks.half_precision import halved


class Told:
    """A model whose bf16 twin answers as it is told."""

    def __init__(self, engine: str, shift: float) -> None:
        self.engine, self.shift, self.device = engine, shift, "cpu"

    def with_engine(self, engine: str, device: str = "cpu") -> Told:
        return Told(engine, self.shift)

    def probabilities(self, crops: Any) -> Any:
        p = 0.6 + (self.shift if self.engine.endswith("bf16") else 0.0)
        return np.tile([p, 1 - p], (len(crops), 1))


CROPS = np.zeros((8, 1, 4, 4))


@pytest.fixture(autouse=True)
def native(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(half_precision, "computes_bf16", lambda device: True)


@pytest.mark.parametrize(
    ("shift", "engine", "words"),
    [
        (0.001, "openvino-bf16", "Computed in bf16: on 8 crops 0 answers changed"),
        (0.05, "openvino", "Computed in f32: in bf16 on 8 crops 0 answers changed"),
        (-0.2, "openvino", "8 answers changed"),
    ],
)
def test_a_look_decides(shift: float, engine: str, words: str) -> None:
    model: Any = Told("openvino", shift)
    found, said = halved(model, CROPS, 5000)
    assert found.engine == engine and words in said


def test_few_crops_and_other_engines_are_left_alone() -> None:
    few: Any = Told("openvino", 0.0)
    torch: Any = Told("torch", 0.0)
    assert halved(few, CROPS, 100) == (few, "")
    assert halved(torch, CROPS, 5000) == (torch, "")


def test_a_cpu_without_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(half_precision, "computes_bf16", lambda device: False)
    model: Any = Told("openvino", 0.0)
    assert halved(model, CROPS, 5000) == (model, "")
