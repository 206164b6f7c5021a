"""Finding objects with a trained network: any image size, any object size, seamless tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.networks.engine import Answer, choose_engine, start_engine
from lucyte.networks.grouping import find_peaks, suppress, turned_back
from lucyte.networks.model_folder import StoredModel
from lucyte.networks.object_network import restore
from lucyte.networks.resample import halvings, sample_window
from lucyte.networks.tidying import tidy
from lucyte.networks.views import Scale, scale_of, views
from lucyte.schema.errors import UsageError
from lucyte.segment.dense import Dense, changes, joined, moved, owned, room, tiles
from lucyte.segment.finder import named_channels
from lucyte.segment.found import Found, mask_boxes, rename
from lucyte.segment.object_size import (
    AIM,
    MAY_REPEAT_PX,
    find_scale,
    fits,
    typical_size,
    working_ratio,
)
from lucyte.segment.stand_out import CLEAR, clearness

Floats = npt.NDArray[np.float32]
TILE_PX = 1024
"""Side of a tile's core in network px."""
MIRRORS: tuple[tuple[int, ...], ...] = ((), (1,), (2,), (1, 2))
"""Axes of C Y X that a look turns over."""
FLOOR = 0.05
"""Lowest score that is looked at at all."""


class ObjectFinder:
    """A trained network, ready to find objects.

    Parameters
    ----------
    model : StoredModel
    name : str
        For messages.
    engine, device : str
        See :func:`lucyte.networks.engine.choose_engine`.
    threads : int or None
        CPU threads of the engine.
    tile_px : int
        Side of a tile's core in network px; more memory, fewer seams to pay for.
    tta : bool
        Look at the image mirrored in all four ways, take the mean, and tell how far each object
        moves between the looks.
    """

    def __init__(
        self,
        model: StoredModel,
        name: str = "model",
        engine: str = "auto",
        device: str = "auto",
        threads: int | None = None,
        tile_px: int = TILE_PX,
        tta: bool = False,
    ) -> None:
        network, self.config = restore(model)
        self.name = name
        self.engine, self.device = choose_engine(engine, device)
        self.multiple = network.multiple
        self.halo_px = -(-network.reach_px // network.multiple) * network.multiple
        self.mirrors = MIRRORS if tta else MIRRORS[:1]
        self.tile_px = max(network.multiple, tile_px // network.multiple * network.multiple)
        self.answer: Answer = start_engine(network, self.engine, self.device, threads)

    def channels_for(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The model's own channels; the one of a one-channel model stands for a role."""
        own = self.config.channels
        return own if len(own) == 1 else named_channels(own, names, self.name)

    def find(
        self,
        image: npt.NDArray[Any],
        diameter_px: float | None = None,
        confidence: float | None = None,
        channels: tuple[str, ...] = (),
        hint_px: float | None = None,
    ) -> Found:
        """Find the objects of one image.

        Parameters
        ----------
        image : array C Y X
            Raw units, the channels the model asks for in its order.
        diameter_px : float or None
            Typical diameter of the objects; None estimates it from the image.
        confidence : float or None
            Lowest score; None takes the model's own.
        channels : tuple of str
            Names of what was given, for messages.
        hint_px : float or None
            Where no diameter is given: the diameter found in an image like this one, as an earlier
            frame of the movie. Taken where the objects turn out to be of about that size,
            otherwise forgotten.

        Returns
        -------
        Found
            Without objects where nothing stands out.

        Raises
        ------
        UsageError
            Another number of channels, a diameter that is not positive.
        """
        config = self.config
        if image.ndim != 3 or len(image) != len(config.channels):
            raise UsageError(
                f"model {self.name} looks at {', '.join(config.channels)}, got "
                f"{', '.join(channels) or 'an array'} of shape {image.shape}; C Y X is needed."
            )
        if diameter_px is not None and not diameter_px > 0:
            raise UsageError(f"diameter_px must be above 0, got {diameter_px}.")
        scales = [scale_of(plane) for plane in image]
        if all(scale.flat for scale in scales):
            return self._nothing(image, diameter_px)
        lowest = max(config.confidence if confidence is None else confidence, FLOOR)
        if diameter_px is not None:
            dense = self._dense(image, scales, diameter_px / config.diameter_px, lowest)
            return self._drawn(image, scales, dense, diameter_px, False)
        known = self._scaled(image, scales, hint_px, lowest)
        if known is None:
            return self._nothing(image, None)
        size = typical_size(known.peaks, config) or AIM * config.diameter_px
        return self._drawn(image, scales, known, size * known.ratio, True)

    def _drawn(
        self,
        image: npt.NDArray[Any],
        scales: list[Scale],
        dense: Dense,
        diameter: float,
        estimated: bool,
    ) -> Found:
        """Objects that stand out."""
        result = self._objects(image.shape[1:], dense, diameter, estimated)
        return self._clear(image, scales, result) if self.config.has_masks else result

    def _scaled(
        self, image: npt.NDArray[Any], scales: list[Scale], hint_px: float | None, lowest: float
    ) -> Dense | None:
        """The answer at a scale that suits the objects; None where nothing is seen."""
        config = self.config
        if hint_px is not None and hint_px > 0:
            dense = self._dense(image, scales, working_ratio(hint_px, config), lowest)
            if fits(typical_size(dense.peaks, config), config):
                return dense
        look = find_scale(image, scales, config, self._maps_of)
        if look is None:
            return None
        dense = self._dense(image, scales, look.ratio, lowest, look.whole)
        size = typical_size(dense.peaks, config)
        if size is None or fits(size, config) or image[0].size > MAY_REPEAT_PX * look.ratio**2:
            return dense
        return self._dense(image, scales, working_ratio(size * look.ratio, config), lowest)

    def _maps_of(self, window: Floats, scales: list[Scale]) -> Floats:
        """The raw answer over one window of resampled raw pixels."""
        return self._looks_at(window, scales, MIRRORS[:1])[0]

    def _looks_at(
        self, window: Floats, scales: list[Scale], mirrors: Sequence[tuple[int, ...]]
    ) -> list[Floats]:
        """The raw answer over one window as each mirrored look gives it, turned back."""
        _, height, width = window.shape
        grow = ((0, 0), (0, -height % self.multiple), (0, -width % self.multiple))
        seen = np.pad(views(window, scales), grow)
        stride = self.config.stride
        rows, columns = -(-height // stride), -(-width // stride)
        answers = [turned_back(self.answer(np.flip(seen, m)[None])[0], m) for m in mirrors]
        return [np.asarray(each[:, :rows, :columns]) for each in answers]

    def _dense(
        self,
        image: npt.NDArray[Any],
        scales: list[Scale],
        ratio: float,
        lowest: float,
        known: Floats | None = None,
    ) -> Dense:
        """The answer to the whole image; ``known`` is what one look at all of it gave before."""
        stride = self.config.stride
        height, width = (max(1, int(np.ceil(side / ratio))) for side in image.shape[1:])
        shape = (height, width)
        size = (4, -(-shape[0] // stride), -(-shape[1] // stride))
        several = len(self.mirrors) > 1
        kept = [room(size, np.float16) for _ in range(len(self.mirrors) + several)]
        seen = [scale.averaged(2 ** halvings(ratio)) for scale in scales]
        parts = []
        for core, outer in tiles(shape, self.tile_px, self.halo_px):
            if known is not None and not several:
                looks = [known]
            else:
                extent = (outer[2] - outer[0], outer[3] - outer[1])
                window = sample_window(image, ratio, (outer[0], outer[1]), extent)
                looks = self._looks_at(window, seen, self.mirrors)
            if several:
                looks = [np.mean(looks, axis=0, dtype=np.float32), *looks]
            y, x = ((core[k] - outer[k]) // stride for k in (0, 1))
            y1, x1 = (-(-(core[k + 2] - outer[k]) // stride) for k in (0, 1))
            top, left = core[0] // stride, core[1] // stride
            for maps, answer in zip(kept, looks, strict=True):
                inner = answer[:4, y:y1, x:x1]
                maps[:, top : top + inner.shape[1], left : left + inner.shape[2]] = inner
            peaks = find_peaks(looks[0], lowest)
            cell = peaks.cell
            own = (cell[:, 0] >= y) & (cell[:, 0] < y1) & (cell[:, 1] >= x) & (cell[:, 1] < x1)
            parts.append(
                moved(peaks.take(np.flatnonzero(own)), outer[0] // stride, outer[1] // stride)
            )
        every = joined(parts)
        return Dense(ratio, kept, every.take(suppress(every)))

    def _objects(
        self,
        shape: tuple[int, ...],
        dense: Dense,
        diameter: float,
        estimated: bool,
    ) -> Found:
        """Masks, boxes and scores from the dense answer."""
        config, ratio, looks, peaks = self.config, dense.ratio, dense.looks, dense.peaks
        to_image = config.stride * ratio
        labels = room((int(shape[0]), int(shape[1])), np.int32)
        for window, piece in owned(looks[0], peaks, labels.shape, 1 / to_image):
            labels[window] = piece
        smallest = max(4, int(12 * ratio**2)) if config.has_masks else 1
        areas = tidy(labels, len(peaks), smallest)[1:]
        boxes = peaks.boxes * np.float32(to_image)
        boxes[:, 0::2] = np.clip(boxes[:, 0::2], 0, shape[1])
        boxes[:, 1::2] = np.clip(boxes[:, 1::2], 0, shape[0])
        whole = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        keep = (areas > 0.15 * whole) if config.has_masks else (whole > 0)
        index = np.flatnonzero(keep)
        table = np.zeros(len(peaks) + 1, np.int32)
        table[index + 1] = np.arange(1, len(index) + 1)
        rename(labels, table)
        kept = peaks.take(index)
        change = None
        if len(looks) > 1:
            change = changes(looks[1:], kept, labels, 1 / to_image)
        known = len(config.classes) > 0
        return Found(
            labels=labels,
            boxes=mask_boxes(labels, len(index)) if config.has_masks else boxes[index],
            scores=kept.score,
            classes=tuple(config.classes[k] for k in kept.class_index) if known else (),
            diameter_px=float(diameter),
            estimated=estimated,
            uncertainty=change,
            outline="mask" if config.has_masks else "guess",
        )

    def _clear(self, image: npt.NDArray[Any], scales: list[Scale], found: Found) -> Found:
        """Leave out what does not stand out of the noise."""
        noise = np.array([scale.noise for scale in scales])
        keep = clearness(image, found.labels, found.boxes, noise) >= CLEAR
        if keep.all():
            return found
        table = np.zeros(len(keep) + 1, np.int32)
        table[1:][keep] = np.arange(1, int(keep.sum()) + 1)
        rename(found.labels, table)
        change = found.uncertainty
        return replace(
            found,
            boxes=found.boxes[keep],
            scores=found.scores[keep],
            classes=tuple(n for n, k in zip(found.classes, keep, strict=False) if k),
            uncertainty=None if change is None else change[keep],
            diameter_px=found.diameter_px if keep.any() or not found.estimated else float("nan"),
        )

    def _nothing(self, image: npt.NDArray[Any], diameter_px: float | None) -> Found:
        return Found(
            labels=room((image.shape[1], image.shape[2]), np.int32),
            boxes=np.zeros((0, 4), np.float32),
            scores=np.zeros(0, np.float32),
            classes=(),
            diameter_px=float(diameter_px or np.nan),
            estimated=diameter_px is None,
            outline="mask" if self.config.has_masks else "guess",
        )
