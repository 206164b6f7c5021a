"""Movies with a known lineage for ``linking.py``: read, damaged by dice, scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import tifffile
from scipy import ndimage

from lucyte.schema.tracks import Tracks
from lucyte.stats.tracking import tracking_scores
from lucyte.stats.tracking_graph import ctc_lineage
from lucyte.stats.tracking_match import FrameMatch, match_frame

Image = npt.NDArray[np.int32]
SHOWN = ("DET", "LNK", "TRA", "CHOTA", "division_f1(0)", "division_f1(1)")
TOUCHING_PX = 2


@dataclass(frozen=True)
class Movie:
    """Label images whose lineage is known.

    Attributes
    ----------
    name : str
    true : dict of int to int array Y X
        The reference labels by time.
    seen : dict of int to int array Y X
        What a linker gets: other names in every frame, perhaps damaged.
    lbep : int64 array, n x 4
        The reference lineage.
    """

    name: str
    true: dict[int, Image]
    seen: dict[int, Image]
    lbep: npt.NDArray[np.int64]

    @cached_property
    def table(self) -> pd.DataFrame:
        """The objects of ``seen`` as a linker reads them."""
        rows = [row for time, image in self.seen.items() for row in _measure(time, image)]
        return pd.DataFrame(rows)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in px."""
        height, width = next(iter(self.seen.values())).shape
        return int(height), int(width)

    @property
    def diameter_px(self) -> float:
        """Median diameter of a disc of the same area."""
        return float(2 * np.sqrt(self.table["area_px"].median() / np.pi))

    @cached_property
    def _matches(self) -> list[FrameMatch]:
        return [match_frame(self.true[t], self.seen[t]) for t in self.true]

    def score(self, tracks: Tracks, images: Mapping[int, Image] | None = None) -> dict[str, float]:
        """The measures of ``SHOWN``; ``images`` where the tracks are of other labels."""
        matches = list(self._matches)
        for t, image in (images or {}).items():
            if image is not self.seen[t]:
                matches[t] = match_frame(self.true[t], image)
        own, names = ctc_lineage(tracks, times=sorted(self.true))
        matches = [each.renamed(computed=names[t]) for t, each in enumerate(matches)]
        values = tracking_scores(self.lbep, own, matches).values
        return {name: float(values[name]) for name in SHOWN}


def read_movie(sequence: Path, seed: int = 0) -> Movie:
    """A sequence of the Cell Tracking Challenge, its masks under names drawn anew per frame."""
    folder = sequence / "01_GT" / "TRA"
    true = {
        time: tifffile.imread(path).astype(np.int32)
        for time, path in enumerate(sorted(folder.glob("man_track*.tif")))
    }
    rng = np.random.default_rng(seed)
    lbep = np.loadtxt(folder / "man_track.txt", dtype=np.int64, ndmin=2)
    return Movie(sequence.name, true, {t: _shuffled(each, rng) for t, each in true.items()}, lbep)


def damaged(movie: Movie, seed: int, deleted: float = 0.05, merged: float = 0.02) -> Movie:
    """Some objects gone, some touching pairs (two px apart at most) one."""
    rng = np.random.default_rng(seed)
    seen = {}
    for time, image in movie.true.items():
        names = _names(image)
        kept = np.arange(int(image.max()) + 1, dtype=np.int32)
        kept[names[rng.random(len(names)) < deleted]] = 0
        left = kept[image]
        for a, b in _touching(left):
            if rng.random() < merged:
                left[left == b] = a
        seen[time] = _shuffled(left, rng)
    return Movie(movie.name, movie.true, seen, movie.lbep)


def _names(image: Image) -> npt.NDArray[np.int64]:
    return np.flatnonzero(np.bincount(image.ravel()))[1:]


def _shuffled(image: Image, rng: np.random.Generator) -> Image:
    names = _names(image)
    drawn = np.zeros(int(image.max()) + 1, np.int32)
    drawn[names] = rng.permutation(len(names)) + 1
    return drawn[image]


def _touching(image: Image) -> list[tuple[int, int]]:
    """Pairs of labels with pixels ``TOUCHING_PX`` apart or nearer along an axis or a diagonal."""
    pairs = set()
    height, width = image.shape
    for far in range(1, TOUCHING_PX + 1):
        for dy, dx in ((0, far), (far, 0), (far, far), (far, -far)):
            one = image[: height - dy, max(-dx, 0) : width - max(dx, 0)]
            two = image[dy:, max(dx, 0) : width + min(dx, 0)]
            at = (one != two) & (one > 0) & (two > 0)
            found = np.column_stack([one[at], two[at]]).tolist()
            pairs |= {(min(each), max(each)) for each in found}
    return sorted(pairs)


def _measure(time: int, labels: Image) -> list[dict[str, object]]:
    rows = []
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        y, x = np.nonzero(labels[box] == label)
        (y0, y1), (x0, x1) = ((side.start, side.stop) for side in box)
        row = {"object_id": f"{time}/{label}", "time_index": time, "label": label}
        row |= {"centroid_y_px": y.mean() + y0, "centroid_x_px": x.mean() + x0, "area_px": len(y)}
        rows.append(row | {"x0_px": x0, "y0_px": y0, "x1_px": x1, "y1_px": y1})
    return rows
