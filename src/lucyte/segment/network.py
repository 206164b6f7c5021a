"""Finding objects with a trained network: any image size, any object size, seamless tiles."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.networks.engine import Answer, choose_engine, start_engine
from lucyte.networks.grouping import Peaks, find_peaks, own_pixels, suppress, turned_back
from lucyte.networks.model_folder import StoredModel
from lucyte.networks.object_network import restore
from lucyte.networks.resample import sample_window
from lucyte.networks.tidying import tidy
from lucyte.networks.views import Scale, scale_of, views
from lucyte.schema.errors import UsageError
from lucyte.schema.objects import Labels
from lucyte.segment.finder import named_channels
from lucyte.segment.found import Found
from lucyte.segment.object_size import estimate_diameter
from lucyte.segment.stand_out import CLEAR, clearness

Floats = npt.NDArray[np.float32]
TILE_PX = 1024
"""Side of a tile's core in network px."""
Window = tuple[int, int, int, int]
"""y0, x0, y1, x1, half-open."""
IN_MEMORY_PX = 64_000_000
"""Larger maps and label images are kept on disk."""
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
        found = diameter_px or estimate_diameter(image, scales, config, self._maps_of)
        if not found or all(scale.flat for scale in scales):
            return self._nothing(image, diameter_px)
        lowest = config.confidence if confidence is None else confidence
        looks, peaks = self._dense(image, scales, found / config.diameter_px, max(lowest, FLOOR))
        result = self._objects(image.shape[1:], looks, peaks, found, diameter_px is None)
        return self._clear(image, scales, result) if config.has_masks else result

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
        self, image: npt.NDArray[Any], scales: list[Scale], ratio: float, lowest: float
    ) -> tuple[list[Floats], Peaks]:
        """Foreground and votes of the whole image, and its peaks after suppression.

        With several looks the first of the maps is their mean and the others are each look's.
        """
        stride = self.config.stride
        height, width = (max(1, int(np.ceil(side / ratio))) for side in image.shape[1:])
        shape = (height, width)
        size = (4, -(-shape[0] // stride), -(-shape[1] // stride))
        several = len(self.mirrors) > 1
        kept = [_room(size, np.float16) for _ in range(len(self.mirrors) + several)]
        parts = []
        for core, outer in self._tiles(shape):
            extent = (outer[2] - outer[0], outer[3] - outer[1])
            window = sample_window(image, ratio, (outer[0], outer[1]), extent)
            looks = self._looks_at(window, scales, self.mirrors)
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
                _moved(peaks.take(np.flatnonzero(own)), outer[0] // stride, outer[1] // stride)
            )
        every = _joined(parts)
        return kept, every.take(suppress(every))

    def _tiles(self, shape: tuple[int, int]) -> Iterator[tuple[Window, Window]]:
        """Core and outer window (y0, x0, y1, x1) of each tile, in network px."""
        tile, halo = self.tile_px, self.halo_px
        if max(shape) <= tile + halo:
            yield (0, 0, *shape), (0, 0, *shape)
            return
        for y in range(0, shape[0], tile):
            for x in range(0, shape[1], tile):
                core = (y, x, min(y + tile, shape[0]), min(x + tile, shape[1]))
                outer = (
                    max(0, y - halo),
                    max(0, x - halo),
                    min(core[2] + halo, shape[0]),
                    min(core[3] + halo, shape[1]),
                )
                yield core, outer

    def _objects(
        self,
        shape: tuple[int, ...],
        looks: list[Floats],
        peaks: Peaks,
        diameter: float,
        estimated: bool,
    ) -> Found:
        """Masks, boxes and scores from the dense answer."""
        config = self.config
        ratio = diameter / config.diameter_px
        to_image = config.stride * ratio
        labels = _room((int(shape[0]), int(shape[1])), np.int32)
        for window, piece in self._owned(looks[0], peaks, labels.shape, 1 / to_image):
            labels[window] = piece
        smallest = max(4, int(12 * ratio**2)) if config.has_masks else 1
        areas = tidy(labels, len(peaks), smallest)[1:]
        boxes = peaks.boxes * np.float32(to_image)
        boxes[:, 0::2] = np.clip(boxes[:, 0::2], 0, shape[1])
        boxes[:, 1::2] = np.clip(boxes[:, 1::2], 0, shape[0])
        whole = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        keep = (areas > 0.15 * whole) if config.has_masks else (whole > 0)
        index = np.flatnonzero(keep)
        rename = np.zeros(len(peaks) + 1, np.int32)
        rename[index + 1] = np.arange(1, len(index) + 1)
        _rename(labels, rename)
        kept = peaks.take(index)
        moved = None
        if len(looks) > 1:
            moved = self._moves(looks[1:], kept, labels, 1 / to_image)
        known = len(config.classes) > 0
        return Found(
            labels=labels,
            boxes=_mask_boxes(labels, len(index)) if config.has_masks else boxes[index],
            scores=kept.score,
            classes=tuple(config.classes[k] for k in kept.class_index) if known else (),
            diameter_px=float(diameter),
            estimated=estimated,
            uncertainty=moved,
            outline="mask" if config.has_masks else "guess",
        )

    def _clear(self, image: npt.NDArray[Any], scales: list[Scale], found: Found) -> Found:
        """Leave out what does not stand out of the noise."""
        noise = np.array([scale.noise for scale in scales])
        keep = clearness(image, found.labels, found.boxes, noise) >= CLEAR
        if keep.all():
            return found
        rename = np.zeros(len(keep) + 1, np.int32)
        rename[1:][keep] = np.arange(1, int(keep.sum()) + 1)
        _rename(found.labels, rename)
        moved = found.uncertainty
        return replace(
            found,
            boxes=found.boxes[keep],
            scores=found.scores[keep],
            classes=tuple(n for n, k in zip(found.classes, keep, strict=False) if k),
            uncertainty=None if moved is None else moved[keep],
            diameter_px=found.diameter_px if keep.any() or not found.estimated else float("nan"),
        )

    def _moves(self, looks: list[Floats], peaks: Peaks, labels: Labels, step: float) -> Floats:
        """One minus the mean IoU of each object with itself in each look."""
        alike = np.zeros(len(peaks), np.float64)
        whole = np.bincount(labels.ravel(), minlength=len(peaks) + 1)[1:]
        for maps in looks:
            both, theirs = np.zeros((2, len(peaks) + 1), np.int64)
            for window, piece in self._owned(maps, peaks, labels.shape, step):
                theirs += np.bincount(piece.ravel(), minlength=len(theirs))
                same = piece[(piece > 0) & (piece == labels[window])]
                both += np.bincount(same, minlength=len(both))
            alike += both[1:] / np.maximum(whole + theirs[1:] - both[1:], 1)
        return np.asarray(1 - alike / len(looks), np.float32)

    def _owned(
        self, maps: Floats, peaks: Peaks, shape: tuple[int, ...], step: float
    ) -> Iterator[tuple[tuple[slice, slice], npt.NDArray[np.int32]]]:
        """Pieces of the label image."""
        sides = peaks.boxes[:, 2:] - peaks.boxes[:, :2]
        margin = int(np.ceil(sides.max(initial=0))) + 3
        piece = 2048
        for y in range(0, shape[0], piece):
            for x in range(0, shape[1], piece):
                y1, x1 = min(y + piece, shape[0]), min(x + piece, shape[1])
                a, b = (max(0, int(v * step) - margin) for v in (y, x))
                c, d = (int(np.ceil(v * step)) + margin for v in (y1, x1))
                window = np.asarray(maps[:, a:c, b:d], np.float32)
                far = peaks.place
                near = (far[:, 0] > a - margin) & (far[:, 0] < c + margin)
                near &= (far[:, 1] > b - margin) & (far[:, 1] < d + margin)
                index = np.flatnonzero(near)
                names = (index + 1).astype(np.int32)
                local = _moved(peaks.take(index), -a, -b)
                origin = (y * step - a, x * step - b)
                found = own_pixels(window, local, names, (y1 - y, x1 - x), step, origin)
                yield (slice(y, y1), slice(x, x1)), found

    def _nothing(self, image: npt.NDArray[Any], diameter_px: float | None) -> Found:
        return Found(
            labels=_room((image.shape[1], image.shape[2]), np.int32),
            boxes=np.zeros((0, 4), np.float32),
            scores=np.zeros(0, np.float32),
            classes=(),
            diameter_px=float(diameter_px or np.nan),
            estimated=diameter_px is None,
            outline="mask" if self.config.has_masks else "guess",
        )


def _moved(peaks: Peaks, y: int, x: int) -> Peaks:
    """The same peaks in a window whose corner lies at (-y, -x) of theirs."""
    box = np.array([x, y, x, y], np.float32)
    place = peaks.place + np.array([y, x], np.float32)
    cell = peaks.cell + np.array([y, x], np.int32)
    return Peaks(place, peaks.boxes + box, peaks.score, cell, peaks.class_index)


def _joined(parts: list[Peaks]) -> Peaks:
    names = Peaks.__dataclass_fields__
    return Peaks(
        **{name: np.concatenate([getattr(each, name) for each in parts]) for name in names}
    )


def _room(shape: tuple[int, ...], kind: type) -> Any:
    """Zeros in memory, or in a file that goes away with them where they are many."""
    if np.prod(shape, dtype=np.int64) <= IN_MEMORY_PX:
        return np.zeros(shape, kind)
    with tempfile.NamedTemporaryFile(prefix="lucyte-", suffix=".maps") as file:
        return np.memmap(Path(file.name), kind, "w+", shape=shape)


def _mask_boxes(labels: Labels, count: int) -> Floats:
    from scipy import ndimage as ndi

    boxes = np.zeros((count, 4), np.float32)
    for k, place in enumerate(ndi.find_objects(labels, count)):
        if place is not None:
            boxes[k] = place[1].start, place[0].start, place[1].stop, place[0].stop
    return boxes


def _rename(labels: Labels, table: npt.NDArray[np.int32]) -> None:
    for y in range(0, len(labels), 1024):
        labels[y : y + 1024] = table[labels[y : y + 1024]]
