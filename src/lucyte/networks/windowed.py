r"""Answers of a network to pictures that changed within one window, without computing the rest.

What a layer tells of a window :math:`[a, b)` of what it sees, by a kernel of :math:`k` px, a stride
:math:`s` and a border of :math:`p` px, are the px

.. math:: \lceil (a + p - k + 1) / s \rceil \dots \lfloor (b - 1 + p) / s \rfloor

and no others. So the states of the unchanged picture are kept, the window is followed from layer
to layer, and only what it reaches is computed. Exact, but for rounding: batch normalisations are
folded into the convolutions before them.

References
----------
Nakandala et al. 2019, doi 10.1145/3299869.3319874 (incremental inference of occluded pictures).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lucyte.networks.encoders import Encoder
from lucyte.networks.fusion import Branch, Fused
from lucyte.networks.residual import ResidualBlock, SmallResidual

Span = tuple[int, int]
"""From, and up to but without."""
Window = tuple[Span, Span]
LAST = torch.channels_last
"""The order of values in memory in which small windows are convolved fastest."""


class WindowedNetwork:
    """A network that remembers pictures, and answers when a window of some planes is another.

    Pays where a small part of what is computed hangs on the window: with an encoder of its own for
    every channel, or with the small residual encoder. See `pays`.

    Parameters
    ----------
    network : Branch or LateFusion
        In evaluation mode, on the CPU.
    pictures : Tensor N P H W
        Prepared.
    """

    def __init__(self, network: Fused, pictures: Tensor) -> None:
        branches = [network] if isinstance(network, Branch) else list(network.branches)
        self.network = network
        self.parts: list[list[tuple[_Remembering, list[int]]]] = []
        self.features: list[list[Tensor]] = []
        with torch.inference_mode():
            for branch in branches:
                assert isinstance(branch, Branch)
                own = [
                    (_remembering(encoder, pictures[:, planes]), planes)
                    for encoder, planes in zip(branch.encoders, branch.planes, strict=True)
                ]
                self.parts.append(own)
                self.features.append([encoder.features() for encoder, _ in own])

    @staticmethod
    def pays(network: Fused) -> bool:
        """Whether less is computed than by asking the network anew."""
        branches = [network] if isinstance(network, Branch) else list(network.branches)
        encoders: list[Any] = [e for b in branches for e in b.encoders]  # type: ignore[union-attr]
        return len(encoders) > 1 or isinstance(encoders[0].body, SmallResidual)

    def logits(self, planes: Sequence[int], window: Window, values: Tensor) -> Tensor:
        """Logits ``N K`` of the pictures with ``values N planes h w`` in the window."""
        (y0, y1), (x0, x1) = window
        if values.shape[2:] != (y1 - y0, x1 - x0):
            raise ValueError(f"values of shape {tuple(values.shape)} for the window {window}")
        at = {plane: k for k, plane in enumerate(planes)}
        with torch.inference_mode():
            told = []
            for own, known in zip(self.parts, self.features, strict=True):
                found = []
                for (encoder, seen), before in zip(own, known, strict=True):
                    here = [k for k, plane in enumerate(seen) if plane in at]
                    given = [at[seen[k]] for k in here]
                    found.append(
                        encoder.changed(here, window, values[:, given]) if here else before
                    )
                told.append(torch.cat(found, dim=1))
            return self.network.of_features(told)


class _Remembering(Protocol):
    """An encoder with pictures that it knows."""

    def features(self) -> Tensor: ...

    def changed(self, planes: list[int], window: Window, values: Tensor) -> Tensor: ...


def _remembering(encoder: nn.Module, pictures: Tensor) -> _Remembering:
    assert isinstance(encoder, Encoder)
    if isinstance(encoder.body, SmallResidual):
        return _Small(encoder, encoder.body, pictures)
    return _Whole(encoder, pictures)


class _Whole:
    """Any encoder: computed whole, but only if it sees what changed."""

    def __init__(self, encoder: Encoder, pictures: Tensor) -> None:
        self.encoder, self.pictures = encoder, _Bordered(pictures, 0)

    def features(self) -> Tensor:
        found: Tensor = self.encoder(self.pictures.padded)
        return found

    def changed(self, planes: list[int], window: Window, values: Tensor) -> Tensor:
        with self.pictures.holding(window, values, planes):
            return self.features()


class _Small:
    """The small residual encoder, layer by layer."""

    def __init__(self, encoder: Encoder, body: SmallResidual, pictures: Tensor) -> None:
        self.pooled = encoder.pooled
        self.stem = _fold(body.stem[0], body.stem[1])
        self.pictures = _Bordered(pictures, self.stem.border)
        x = torch.relu_(self.stem(self.pictures.padded))
        self.blocks: list[_Block] = []
        for stage in (body.stage1, body.stage2, body.stage3):
            for block in stage:
                assert isinstance(block, ResidualBlock)
                self.blocks.append(_Block(block, x))
                x = self.blocks[-1].whole()
        self.last = _Bordered(x, 0)

    def features(self) -> Tensor:
        found: Tensor = self.pooled(self.last.padded.mean(dim=(2, 3)))
        return found

    def changed(self, planes: list[int], window: Window, values: Tensor) -> Tensor:
        with self.pictures.holding(window, values, planes):
            window = self.stem.reach(window, self.blocks[0].sides)
            x = torch.relu_(self.stem.of(self.pictures, window))
        for block in self.blocks:
            window, x = block.changed(window, x)
        with self.last.holding(window, x):
            return self.features()


class _Block:
    """A residual block that knows what it saw."""

    def __init__(self, block: ResidualBlock, seen: Tensor) -> None:
        self.first = _fold(block.first, block.first_norm)
        self.second = _fold(block.second, block.second_norm)
        self.shrink = block.first.stride[0]
        self.around: _Convolution | None = None
        if isinstance(block.around, nn.Sequential):
            self.around = _fold(block.around[1], block.around[2])
        self.seen = _Bordered(seen, self.first.border)
        self.sides = self.seen.sides
        self.inner = _Bordered(torch.relu_(self.first(self.seen.padded)), self.second.border)

    def whole(self) -> Tensor:
        """Answer to what it saw."""
        return self._answer(tuple((0, side) for side in self.inner.sides))  # type: ignore[arg-type]

    def changed(self, window: Window, values: Tensor) -> tuple[Window, Tensor]:
        """What it answers, and in which window, where it sees other values in one."""
        with self.seen.holding(window, values):
            middle = self.first.reach(window, self.inner.sides)
            inner = torch.relu_(self.first.of(self.seen, middle))
            with self.inner.holding(middle, inner):
                end = self.second.reach(middle, self.inner.sides)
                return end, self._answer(end)

    def _answer(self, window: Window) -> Tensor:
        inner = self.second.of(self.inner, window)
        side = self.shrink
        own = [(a * side, min(b * side, n)) for (a, b), n in zip(window, self.sides, strict=True)]
        around = self.seen.within((own[0], own[1]))
        if side > 1:
            around = F.avg_pool2d(around, side, ceil_mode=True)
        if self.around is not None:
            around = self.around(around)
        return torch.relu_(inner.add_(around))


@dataclass(frozen=True, eq=False)
class _Convolution:
    """A convolution with the normalisation that follows it, of pictures with their border on."""

    weight: Tensor
    bias: Tensor
    kernel: int
    stride: int
    border: int

    def __call__(self, bordered: Tensor) -> Tensor:
        return F.conv2d(bordered, self.weight, self.bias, self.stride)

    def reach(self, window: Window, sides: tuple[int, int]) -> Window:
        """The px of the answer that hang on a window."""
        k, s, p = self.kernel, self.stride, self.border
        found = [
            (max(0, -((k - 1 - a - p) // s)), min(n, (b - 1 + p) // s + 1))
            for (a, b), n in zip(window, sides, strict=True)
        ]
        return found[0], found[1]

    def of(self, seen: _Bordered, window: Window) -> Tensor:
        """The answer within a window."""
        rows, columns = (
            slice(a * self.stride, (b - 1) * self.stride + self.kernel) for a, b in window
        )
        return self(seen.padded[:, :, rows, columns])


def _fold(convolution: nn.Module, norm: nn.Module) -> _Convolution:
    assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return _Convolution(
        (convolution.weight * scale[:, None, None, None]).detach().contiguous(memory_format=LAST),
        (norm.bias - norm.running_mean * scale).detach(),
        convolution.kernel_size[0],
        convolution.stride[0],
        int(convolution.padding[0]),
    )


class _Bordered:
    """Pictures in a border of zeros, in which a window may hold other values for a while."""

    def __init__(self, pictures: Tensor, border: int) -> None:
        self.border = border
        self.sides: tuple[int, int] = (pictures.shape[2], pictures.shape[3])
        whole = F.pad(pictures, (border,) * 4) if border else pictures.clone()
        self.padded = whole.contiguous(memory_format=LAST)

    def within(self, window: Window) -> Tensor:
        """What a window shows."""
        rows, columns = (slice(a + self.border, b + self.border) for a, b in window)
        return self.padded[:, :, rows, columns]

    @contextmanager
    def holding(
        self, window: Window, values: Tensor, planes: list[int] | None = None
    ) -> Iterator[None]:
        """The values are there within, and gone after."""
        whole = self.within(window)
        before = whole.clone()
        if planes is None:
            whole.copy_(values)
        else:
            whole[:, planes] = values
        try:
            yield
        finally:
            whole.copy_(before)
