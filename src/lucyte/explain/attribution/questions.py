r"""Crops in which some px come from a fill, put to a model many at a time.

.. math:: x' = m \odot x + (1 - m) \odot b

with :math:`m` from 0 (taken away) to 1 (kept), per channel of light and px, and :math:`b` the fill.

Where :math:`m` is 0 or 1 and the model prepares every px by itself, preparing commutes with
choosing, so crop and fill are prepared once and the answer is the same to the bit. Everything else
is blended in raw units and prepared anew. Where, besides, only one window is taken away, a network
on the CPU computes no more than the window reaches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lucyte.explain.attribution.explained import Floats, Ints, Score
from lucyte.learn.erasing import light_channels
from lucyte.networks.bf16 import computes_bf16
from lucyte.networks.engine import choose_engine
from lucyte.networks.image_classifier import ImageClassifier
from lucyte.networks.windowed import WindowedNetwork
from lucyte.schema.protocols import Differentiable

BATCH_VALUES = 2**23
"""Values of the pictures that are asked about at once (32 MB)."""
REMEMBERED = 32
"""Pictures whose states are kept at once (some 30 MB at 64 px)."""
Slices = tuple[slice, slice]


class Questions:
    """Puts blends of crops and fill to a model.

    Parameters
    ----------
    score : Score
    crops, fill : array N C Y X
        Raw units.
    """

    def __init__(self, score: Score, crops: npt.NDArray[Any], fill: npt.NDArray[Any]) -> None:
        self.score = score
        self.light = list(light_channels(score.model.channels))
        # A network computes in single precision anyway; models on features do not.
        kind = np.float32 if isinstance(score.model, Differentiable) else np.float64
        self.raw = torch.from_numpy(np.ascontiguousarray(crops, dtype=kind))
        self.fill = torch.from_numpy(np.ascontiguousarray(fill, dtype=kind))
        self._prepared: tuple[Tensor, Tensor, list[int]] | None = None

    def whole(self) -> Floats:
        """Score of the crops as they are."""
        return self._raw(self.raw, np.arange(len(self.raw)))

    def empty(self) -> Floats:
        """Score of the fill."""
        return self._raw(self.fill, np.arange(len(self.fill)))

    def ask(self, rows: Ints, kept: Tensor, which: Ints) -> Floats:
        """Scores of M blends.

        Parameters
        ----------
        rows : int array M
            The crop of each.
        kept : Tensor K L Y X or K 1 Y X
            What is kept of each channel of light, or of all alike; bool, or from 0 to 1.
        which : int array M
            Its place in ``kept``.
        """
        prepared = kept.dtype == torch.bool and prepares_px_alone(self.score)
        side = self.raw.shape[-1]
        planes = self._pictures()[0].shape[1] if prepared else self.raw.shape[1]
        batch = max(16, BATCH_VALUES // (planes * side * side))
        out = np.empty(len(rows))
        for at in range(0, len(rows), batch):
            some, mask = rows[at : at + batch], kept[which[at : at + batch]]
            answer = self._ask_prepared if prepared else self._ask_raw
            out[at : at + batch] = answer(some, mask)
        return out

    def without(self, windows: Sequence[Slices], together: bool) -> Floats | None:
        """Scores with one window at a time taken away, from one channel of light or from all.

        Parameters
        ----------
        windows : sequence of K pairs of slices
            Rows and columns.
        together : bool
            From all channels.

        Returns
        -------
        float array N L K, or N 1 K; or None
            None: this model has no shorter way than `ask`.
        """
        if not answers_by_window(self.score):
            return None
        model: Any = self.score.model
        x, fill, channel_of = self._pictures()
        covers = [list(range(len(channel_of)))] if together else list(model.planes().values())
        out = np.empty((len(x), len(covers), len(windows)))
        for at in range(0, len(x), REMEMBERED):
            rows = np.arange(at, min(at + REMEMBERED, len(x)))
            known, empty = WindowedNetwork(model.network.eval(), x[rows]), fill[rows]
            for k, (ys, xs) in enumerate(windows):
                window = (ys.start, ys.stop), (xs.start, xs.stop)
                for c, planes in enumerate(covers):
                    found = known.logits(planes, window, empty[:, planes, ys, xs])
                    logits = found.double().numpy() / model.calibration.temperature
                    out[rows, c, k] = self.score.of(logits, rows)
        return out

    def _ask_raw(self, rows: Ints, kept: Tensor) -> Floats:
        blend = self.raw[rows]
        if len(self.light) == blend.shape[1]:
            blend = mix(kept, blend, self.fill[rows])
        else:
            own, other = blend[:, self.light], self.fill[rows][:, self.light]
            blend[:, self.light] = mix(kept, own, other)
        return self._raw(blend, rows)

    def _ask_prepared(self, rows: Ints, kept: Tensor) -> Floats:
        x, fill, channel_of = self._pictures()
        if kept.shape[1] > 1:
            kept = kept[:, channel_of]
        return self.score.ask_prepared(torch.where(kept, x[rows], fill[rows]), rows)

    def _pictures(self) -> tuple[Tensor, Tensor, list[int]]:
        if self._prepared is None:
            model: Any = self.score.model
            x, fill = model.prepare(self.raw.numpy()), model.prepare(self.fill.numpy())
            if str(getattr(model, "engine", "")).startswith("openvino"):
                x, fill = x.contiguous(), fill.contiguous()
            owner = {plane: k for k, own in enumerate(model.planes().values()) for plane in own}
            self._prepared = x, fill, [owner[plane] for plane in range(x.shape[1])]
        return self._prepared

    def _raw(self, crops: Tensor, rows: Ints) -> Floats:
        return self.score.ask(crops.numpy(), rows)


def mix(kept: Tensor, own: Tensor, other: Tensor) -> Tensor:
    """``own`` where kept, ``other`` elsewhere, in between in between."""
    if kept.dtype == torch.bool:
        return torch.where(kept, own, other)
    return torch.lerp(other, own, kept.to(own.dtype))


def prepares_px_alone(score: Score) -> bool:
    """Whether a prepared px depends on nothing but the same px of the crop."""
    seen = getattr(score.model, "seen", None)
    if seen is None or score.embedded or not hasattr(score.model, "logits_of_prepared"):
        return False
    alone = seen.normalisation == "training" and not seen.subtracts
    return bool(alone and seen.network_px == seen.input_px)


def _in_single_precision(model: ImageClassifier) -> bool:
    """Whether it runs on the CPU without half precision, which would be faster still."""
    engine, device = choose_engine(model.engine, model.device)
    half = engine == "openvino-bf16" and computes_bf16("cpu")
    return device == "cpu" and not half


def answers_by_window(score: Score) -> bool:
    """Whether a window of a picture can be changed at less than the price of a whole answer."""
    model = score.model
    return (
        isinstance(model, ImageClassifier)
        and _in_single_precision(model)
        and model.turns == 1
        and prepares_px_alone(score)
        and WindowedNetwork.pays(model.network)
    )
