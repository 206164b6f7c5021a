"""Masks from prompts: every box or point asks a network of the Segment Anything family."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.networks.sam import Embedded, Floats, PromptModel
from lucyte.schema.errors import UsageError
from lucyte.schema.objects import Labels
from lucyte.segment.box_crops import windows
from lucyte.segment.colour_picture import three_colours
from lucyte.segment.foreign_boxes import Tile, tiles

Window = tuple[int, int, int, int]


@dataclass(frozen=True)
class PromptedObjects:
    """Masks of one frame.

    Attributes
    ----------
    labels : int32 array, Y X
        Prompt row k as label k + 1; 0 is background. A prompt may have lost all its px.
    scores : float64 array ``n``
        IoU that the network expects of each mask; nan where it was not asked, because the prompt
        lies outside the image.
    """

    labels: Labels
    scores: npt.NDArray[np.float64]


def segment_boxes(
    model: PromptModel,
    image: npt.NDArray[Any],
    boxes: npt.ArrayLike,
    *,
    margin: float = 0.1,
    tile_px: int | None = None,
    batch: int = 64,
) -> PromptedObjects:
    """One mask per box, from ``detect_boxes`` or elsewhere.

    Parameters
    ----------
    model : PromptModel
        From ``read_sam``.
    image : uint8 array Y X 3, or array C Y X or Y X
        A colour picture, or channels in any units that ``three_colours`` makes one from.
    boxes : array ``n x 4``
        ``x0, y0, x1, y1`` in px of the image, half-open.
    margin : float
        A mask is cut where its box, larger by this share of its sides, ends.
    tile_px : int, optional
        Show the network tiles of this side rather than the whole image: small cells in a large
        image are otherwise a few px on its coarse grid. At least twice the largest box.
    batch : int
        Prompts at a time.

    Returns
    -------
    PromptedObjects
        Where masks overlap, the one of the higher score is on top.

    Raises
    ------
    UsageError
        Not boxes, not an image, a tile too small.

    References
    ----------
    Kirillov et al. 2023, doi 10.1109/ICCV51070.2023.00371.
    """
    picture = _picture(image)
    limits = windows(boxes, picture.shape[:2], margin)
    given = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    inside = (limits[:, 2] > limits[:, 0]) & (limits[:, 3] > limits[:, 1])
    given = np.clip(given, 0, np.array([picture.shape[1], picture.shape[0]] * 2))
    largest = float((given[inside, 2:] - given[inside, :2]).max()) if inside.any() else 0.0
    if tile_px is not None and tile_px < 2 * largest:
        raise UsageError(
            f"tile_px must be at least twice the largest box ({largest:.0f} px), got {tile_px}."
        )
    asking = _Asking(model, picture, limits, batch, tile_px)
    return asking.run(given, np.flatnonzero(inside), several=False)


def segment_points(
    model: PromptModel,
    image: npt.NDArray[Any],
    points: npt.ArrayLike,
    *,
    tile_px: int | None = None,
    batch: int = 64,
) -> PromptedObjects:
    """One mask per point, for example the middle of a nucleus.

    Parameters
    ----------
    model, image, tile_px, batch
        As in ``segment_boxes``; an object should fit into half a tile.
    points : array ``n x 2``
        ``x, y`` in px of the image.

    Returns
    -------
    PromptedObjects
    """
    picture = _picture(image)
    given = np.asarray(points, dtype=np.float64)
    given = np.zeros((0, 2)) if given.size == 0 else given
    if given.ndim != 2 or given.shape[1] != 2 or not np.isfinite(given).all():
        raise UsageError(f"points are rows x, y of finite px, got shape {given.shape}.")
    size = np.array([picture.shape[1], picture.shape[0]])
    rows = np.flatnonzero(((given >= 0) & (given < size)).all(1))
    limits = np.tile(np.array([0, 0, *size]), (len(given), 1))
    return _Asking(model, picture, limits, batch, tile_px).run(given, rows, several=True)


@dataclass(frozen=True)
class _Asking:
    """What stays the same from prompt to prompt on one picture."""

    model: PromptModel
    picture: npt.NDArray[np.uint8]
    limits: npt.NDArray[np.int64]
    batch: int
    tile_px: int | None

    def run(
        self, prompts: npt.NDArray[np.float64], rows: npt.NDArray[np.intp], several: bool
    ) -> PromptedObjects:
        if self.batch < 1:
            raise UsageError(f"batch must be at least 1, got {self.batch}.")
        scores = np.full(len(prompts), np.nan)
        found: dict[int, tuple[Window, npt.NDArray[np.bool_]]] = {}
        for tile, here in self._by_tile(prompts, rows):
            part = self.picture[tile.y0 : tile.y1, tile.x0 : tile.x1]
            seen = self.model.embed(part)
            for start in range(0, len(here), self.batch):
                some = here[start : start + self.batch]
                shift = np.tile([tile.x0, tile.y0], prompts.shape[1] // 2)
                name = "boxes" if prompts.shape[1] == 4 else "points"
                asked = {name: prompts[some] - shift}
                answer = self.model.ask(seen, several=several, **asked)
                scores[some] = answer.scores
                for row, logits in zip(some, answer.logits, strict=True):
                    found[int(row)] = self._mask(tile, seen, logits, self.limits[row])
        labels = np.zeros(self.picture.shape[:2], dtype=np.int32)
        # The surest is painted last; of equally sure ones the first.
        for row in sorted(found, key=lambda each: (scores[each], -each)):
            (x0, y0, x1, y1), mask = found[row]
            labels[y0:y1, x0:x1][mask] = row + 1
        return PromptedObjects(labels, scores)

    def _by_tile(
        self, prompts: npt.NDArray[np.float64], rows: npt.NDArray[np.intp]
    ) -> Iterator[tuple[Tile, npt.NDArray[np.intp]]]:
        """Each tile with the prompts whose middle is nearest to its own."""
        if not len(rows):
            return
        every = list(tiles(self.picture.shape[:2], self.tile_px, 0.5))
        middle = np.array([[(t.x0 + t.x1) / 2, (t.y0 + t.y1) / 2] for t in every])
        ends = prompts[rows]
        centre = (ends[:, :2] + ends[:, -2:]) / 2
        # The larger of both distances, since tiles are squares.
        away = np.abs(centre[:, None] - middle[None]).max(-1)
        nearest = away.argmin(1)
        for at in np.unique(nearest):
            yield every[at], rows[nearest == at]

    def _mask(
        self, tile: Tile, seen: Embedded, logits: Floats, limit: npt.NDArray[np.int64]
    ) -> tuple[Window, npt.NDArray[np.bool_]]:
        """The mask inside its limit, and the window of the picture that it fills."""
        ys, xs = np.nonzero(logits > 0)
        if not len(ys):
            return (0, 0, 0, 0), np.zeros((0, 0), dtype=bool)
        # Bilinear logits are above 0 only beside a coarse px that is.
        side = np.array(self._px_per_coarse(seen, logits))
        low = np.floor((np.array([xs.min(), ys.min()]) - 1) * side).astype(np.int64)
        high = np.ceil((np.array([xs.max(), ys.max()]) + 2) * side).astype(np.int64)
        corner = np.array([tile.x0, tile.y0])
        low = np.maximum(np.maximum(low, 0) + corner, limit[:2])
        size = np.array([tile.x1 - tile.x0, tile.y1 - tile.y0])
        high = np.maximum(np.minimum(np.minimum(high, size) + corner, limit[2:]), low)
        x0, y0, x1, y1 = (int(v) for v in (*low, *high))
        inner = (x0 - tile.x0, y0 - tile.y0, x1 - tile.x0, y1 - tile.y0)
        return (x0, y0, x1, y1), self.model.window(seen, logits, inner) > 0

    def _px_per_coarse(self, seen: Embedded, logits: Floats) -> tuple[float, float]:
        full = self.model.side_px
        return (
            seen.shape[1] / seen.inner[1] * full / logits.shape[1],
            seen.shape[0] / seen.inner[0] * full / logits.shape[0],
        )


def _picture(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    array = np.asarray(image)
    if array.ndim == 3 and array.shape[2] == 3 and array.dtype == np.uint8:
        return array
    return three_colours(array)
