"""The same picture twice: pairs that would stand on both sides of a split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage as ndi

from lucyte.io.labelled_scratch import scratch_array
from lucyte.schema.errors import UsageError
from lucyte.schema.finding import Finding
from lucyte.schema.samples import Samples

Floats = npt.NDArray[np.float32]
COLUMNS = ("first", "second", "first_group", "second_group", "similarity", "exact", "same_label")
THUMB_PX = 16
DETAIL_PX = 64
BAND_PX = (1.0, 2.5)
BLOCK = 1024
CANDIDATE = 0.9
"""Cosine of thumbnails from which a pair is compared in detail."""
MOST = 20_000
"""Pairs that are compared in detail per block of rows; the most alike first."""


@dataclass(frozen=True)
class DuplicateSettings:
    """When two pictures are the same.

    Attributes
    ----------
    least : float
        Correlation of pictures at 64 px between two Gaussians (sigma 1 and 2.5 px), over all
        channels; gain, offset, grain and outline do not count. Smooth nuclei that are not the
        same stay below 0.89 (2,264 nuclei); copies saved as JPEG, or dimmed with noise, are above
        0.93.
    turned : bool
        Also quarter turns and mirrors, eight ways in all.
    """

    least: float = 0.92
    turned: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.least <= 1:
            raise UsageError(f"least is a correlation above 0, at most 1, got {self.least:g}.")


def near_duplicates(
    samples: Samples,
    folds: Sequence[int] | npt.NDArray[np.int64] | None = None,
    settings: DuplicateSettings | None = None,
) -> tuple[Finding, pd.DataFrame]:
    """Find pictures that are the same but in another group, or fold where folds are given.

    Thumbnails less the mean of all thumbnails are compared with one another block by block; what
    is alike there is compared in detail.

    Parameters
    ----------
    samples : Samples
    folds : int sequence N, optional
    settings : DuplicateSettings

    Returns
    -------
    Finding
        ``data.duplicates``; the statistic is the number of pairs. Fails with one pair.
    DataFrame
        `COLUMNS`, the most alike first.
    """
    how = settings or DuplicateSettings()
    if folds is not None and len(folds) != len(samples):
        raise UsageError(f"got {len(folds)} folds for {len(samples)} samples.")
    sides: Any = samples.groups if folds is None else [str(each) for each in folds]
    codes = np.unique(np.asarray(sides, dtype=str), return_inverse=True)[1].astype(np.int64)
    pairs, copies = _exact(samples, codes)
    pairs |= _alike(samples, codes, how, copies)
    table = _table(samples, pairs)
    return _finding(samples, table, folds is not None), table


def _exact(
    samples: Samples, codes: npt.NDArray[np.int64]
) -> tuple[dict[tuple[int, int], float], npt.NDArray[np.bool_]]:
    """Pairs with the very same pixels, and which rows repeat an earlier one."""
    seen: dict[bytes, list[int]] = {}
    for row in range(len(samples)):
        pixels = np.ascontiguousarray(samples.images[row])
        seen.setdefault(hashlib.blake2b(pixels.tobytes(), digest_size=16).digest(), []).append(row)
    found = {}
    copies = np.zeros(len(samples), dtype=np.bool_)
    for rows in seen.values():
        copies[rows[1:]] = True
        # Of many copies each is named once, beside the first one of another group.
        for row in rows[1:]:
            first = next((each for each in rows if codes[each] != codes[row]), None)
            if first is not None:
                found[(min(first, row), max(first, row))] = 1.0
    return found, copies


def _alike(
    samples: Samples,
    codes: npt.NDArray[np.int64],
    how: DuplicateSettings,
    copies: npt.NDArray[np.bool_],
) -> dict[tuple[int, int], float]:
    thumbs = _thumbnails(samples)
    mean = thumbs.mean(axis=0)
    detail = _detail(samples)
    plain = _unit((thumbs - mean).reshape(len(thumbs), -1))
    found: dict[tuple[int, int], float] = {}
    for way in range(8 if how.turned else 1):
        views = plain if way == 0 else _unit((_way(thumbs, way) - mean).reshape(len(thumbs), -1))
        for start in range(0, len(plain), BLOCK):
            rows = views[start : start + BLOCK] @ plain.T
            a, b = np.nonzero(rows > CANDIDATE)
            likeness = rows[a, b]
            a = a + start
            wanted = (codes[a] != codes[b]) & ((a < b) if way == 0 else (a != b))
            wanted &= ~copies[a] & ~copies[b]  # of exact copies the first one speaks for all
            order = np.argsort(-likeness[wanted], kind="stable")[:MOST]
            a, b = a[wanted][order], b[wanted][order]
            for first, second, value in zip(a, b, _likeness(detail, a, b, way), strict=True):
                pair = (int(min(first, second)), int(max(first, second)))
                if value >= how.least:
                    found[pair] = max(float(value), found.get(pair, 0.0))
    return found


def _likeness(
    detail: Floats, a: npt.NDArray[np.int64], b: npt.NDArray[np.int64], way: int
) -> Floats:
    """Correlation of what pictures show in detail, for pairs of rows."""
    out = np.empty(len(a), np.float32)
    for start in range(0, len(a), BLOCK):
        at = slice(start, start + BLOCK)
        first = _way(detail[a[at]], way).reshape(len(a[at]), -1)
        out[at] = np.einsum("nk,nk->n", first, detail[b[at]].reshape(len(first), -1))
    return out


def _thumbnails(samples: Samples) -> Floats:
    """Small pictures, each channel of mean 0 and all together of length 1 (N C 16 16)."""
    out = _pooled(samples, THUMB_PX)
    out -= out.mean(axis=(2, 3), keepdims=True)
    return _unit(out.reshape(len(out), -1)).reshape(out.shape)


def _detail(samples: Samples) -> Floats:
    """Structure between the grain and the outline, all channels together of length 1."""
    side = min(DETAIL_PX, max(samples.images.shape[2:]))
    out = _pooled(samples, side)
    for start in range(0, len(out), BLOCK):
        part = out[start : start + BLOCK]
        fine, coarse = (ndi.gaussian_filter(part, (0, 0, each, each)) for each in BAND_PX)
        band = fine - coarse
        out[start : start + BLOCK] = _unit(band.reshape(len(band), -1)).reshape(band.shape)
    return out


def _pooled(samples: Samples, side: int) -> Floats:
    height, width = samples.images.shape[2:]
    rows, columns = _pooling(height, side), _pooling(width, side).T
    out = scratch_array((len(samples), len(samples.channels), side, side), np.float32)
    for start in range(0, len(samples), BLOCK):
        part = samples.images[start : start + BLOCK].astype(np.float32)
        out[start : start + BLOCK] = rows @ part @ columns
    return out


def _pooling(length: int, parts: int) -> Floats:
    """Weights that average an axis into so many parts, px on their borders in proportion."""
    edges = np.linspace(0, length, parts + 1)
    px = np.arange(length)
    low = np.maximum(edges[:-1, None], px[None])
    high = np.minimum(edges[1:, None], px[None] + 1)
    share = np.clip(high - low, 0, None)
    out: Floats = (share / share.sum(axis=1, keepdims=True)).astype(np.float32)
    return out


def _unit(rows: Floats) -> Floats:
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    out: Floats = np.divide(rows, norm, out=np.zeros_like(rows), where=norm > 1e-6)
    return out


def _way(images: npt.NDArray[Any], way: int) -> npt.NDArray[Any]:
    """One of eight: quarter turns, then mirrored."""
    turned = np.rot90(images, way % 4, axes=(-2, -1))
    return turned[..., ::-1] if way >= 4 else turned


def _table(samples: Samples, pairs: dict[tuple[int, int], float]) -> pd.DataFrame:
    rows = []
    for (a, b), value in sorted(pairs.items(), key=lambda each: (-each[1], each[0])):
        rows.append(
            (
                samples.names[a],
                samples.names[b],
                samples.groups[a],
                samples.groups[b],
                value,
                bool(np.array_equal(samples.images[a], samples.images[b])),
                samples.labels[a] == samples.labels[b],
            )
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _finding(samples: Samples, table: pd.DataFrame, by_fold: bool) -> Finding:
    where = "fold" if by_fold else samples.unit
    n = len(set(samples.groups))
    if table.empty:
        why = f"No picture was found again in another {where}, of {len(samples)} compared."
    else:
        first = table.iloc[0]
        both = len(set(table["first"]) | set(table["second"]))
        why = (
            f"{len(table)} pairs of pictures ({both} of {len(samples)}) are the same but in "
            f"different {where}s, for instance {first['first']} and {first['second']} "
            f"({'to the pixel' if first['exact'] else format(first['similarity'], '.3f')}): a test "
            "would be asked what was learned by heart. Remove one of each, or put both in one "
            "group."
        )
        apart = int((~table["same_label"]).sum())
        if apart:
            why += f" {apart} of the pairs carry different labels."
    return Finding(
        name="data.duplicates",
        question=f"Is every picture in one {where} only?",
        verdict="pass" if table.empty else "fail",
        statistic=float(len(table)),
        low=None,
        high=None,
        n=n,
        unit=samples.unit,
        assumed=("copies that are shifted or cut otherwise are not looked for",),
        why=why,
        statistic_name="pairs",
        group="data",
        details={"pairs": table.head(100).to_dict("records")},
    )
