r"""Occlusion: cover a patch of one channel, and see how far the answer falls.

.. math:: R_c(p) = \frac{1}{|\{k : p \in P_k\}|} \sum_{k : p \in P_k} [s(x) - s(x_{c, P_k})]

with :math:`s` the logit margin of the target, :math:`P_k` the patches and :math:`x_{c, P_k}` the
crop whose patch k of channel c is taken from the baseline.

References
----------
Zeiler and Fergus 2014, doi 10.1007/978-3-319-10590-1_53.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.learn.erasing import baseline_image, light_channels
from lucyte.learn.margins import class_margin
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.explanation import Explanation
from lucyte.schema.protocols import Predictor

Floats = npt.NDArray[np.float64]
Slices = tuple[slice, slice]

BATCH = 128
"""Covered crops that are predicted at once; bounds the memory."""


def occlusion(
    predictor: Predictor,
    crops: npt.NDArray[Any],
    target: str | Sequence[str],
    patch_px: int,
    stride_px: int,
    baseline: str | npt.NDArray[Any] = "local_background",
    per_channel: bool = True,
) -> Floats:
    """Relevance maps by covering patches.

    Parameters
    ----------
    predictor : Predictor
    crops : array N C Y X
        Raw units, channels as the predictor's.
    target : str or sequence of N str
        The class asked about, for all crops or for each.
    patch_px, stride_px : int
        Side of the square patches, and the step between them (at most the side, so that every
        pixel is covered). The last patch ends at the edge.
    baseline : str or array
        What the patch is filled with; see `lucyte.learn.erasing.baseline_image`.
    per_channel : bool
        Cover one channel at a time, or all together.

    Returns
    -------
    float array N L Y X
        In units of the logit margin; L is the channels of light in the predictor's order, or 1.
        Positive: covering it takes away from the target. Mask channels are never covered.

    Raises
    ------
    UsageError
        A class never seen, a patch larger than the crop, a step larger than the patch, or an
        answer of the predictor that is not a number.
    """
    targets = target_index(predictor, target, len(crops))
    patches = patch_grid(crops.shape[2:], patch_px, stride_px)
    light = light_channels(predictor.channels)
    covers = [(at,) for at in light] if per_channel else [light]
    fill = baseline_image(crops, predictor.channels, baseline)
    whole = crops.astype(np.float64)
    score = finite_margin(predictor, whole, targets)
    total = np.zeros((len(crops), len(covers), *crops.shape[2:]))
    for jobs in _batches(_jobs(predictor, crops, len(covers), patches)):
        covered = whole[jobs[:, 0]]
        for row, (n, c, k) in enumerate(jobs):
            for at in covers[c]:
                covered[row, at][patches[k]] = fill[n, at][patches[k]]
        fall = score[jobs[:, 0]] - finite_margin(predictor, covered, targets[jobs[:, 0]])
        for (n, c, k), each in zip(jobs, fall, strict=True):
            total[n, c][patches[k]] += each
    times = np.zeros(crops.shape[2:])
    for patch in patches:
        times[patch] += 1
    out: Floats = total / times
    return out


def occlusion_explanations(
    predictor: Predictor,
    crops: npt.NDArray[Any],
    object_ids: Sequence[str],
    targets: Sequence[str],
    patch_px: int,
    stride_px: int,
) -> list[Explanation]:
    """Occlusion maps of named channels as the noun that reports show.

    ``baseline`` of each is the score of the crop with every channel of light replaced by its
    local background.
    """
    at = target_index(predictor, targets, len(crops))
    maps = occlusion(predictor, crops, targets, patch_px, stride_px)
    names = [predictor.channels[k] for k in light_channels(predictor.channels)]
    score = finite_margin(predictor, crops, at)
    empty = finite_margin(predictor, baseline_image(crops, predictor.channels), at)
    return [
        Explanation(
            object_id=object_ids[n],
            method="occlusion",
            target=targets[n],
            score=float(score[n]),
            maps=dict(zip(names, maps[n], strict=True)),
            baseline=float(empty[n]),
        )
        for n in range(len(crops))
    ]


def patch_grid(shape_yx: tuple[int, ...], patch_px: int, stride_px: int) -> list[Slices]:
    """Patches that cover a crop; the last in each direction ends at the edge.

    Raises
    ------
    UsageError
        A patch larger than the crop, or a step that leaves gaps.
    """
    if not 1 <= patch_px <= min(shape_yx):
        raise UsageError(
            f"an occlusion patch of {patch_px} px does not fit crops of {shape_yx[0]} x "
            f"{shape_yx[1]} px; choose 1 to {min(shape_yx)}."
        )
    if not 1 <= stride_px <= patch_px:
        raise UsageError(
            f"a step of {stride_px} px leaves gaps between patches of {patch_px} px; "
            f"choose 1 to {patch_px}."
        )
    starts = [sorted({*range(0, n - patch_px, stride_px), n - patch_px}) for n in shape_yx]
    return [(slice(y, y + patch_px), slice(x, x + patch_px)) for y in starts[0] for x in starts[1]]


def target_index(
    predictor: Predictor, target: str | Sequence[str], count: int
) -> npt.NDArray[np.int64]:
    """Position of each crop's target among the predictor's classes."""
    names = [target] * count if isinstance(target, str) else list(target)
    if len(names) != count:
        raise UsageError(f"got {len(names)} targets for {count} crops.")
    for name in names:
        if name not in predictor.classes:
            raise unknown("class", name, predictor.classes, "The model has never seen it.")
    return np.array([predictor.classes.index(name) for name in names], dtype=np.int64)


def finite_margin(
    predictor: Predictor, crops: npt.NDArray[Any], targets: npt.NDArray[np.int64]
) -> Floats:
    """Margin of each crop's target; refuses an answer that is not a number."""
    margin = class_margin(predictor.logits(crops), targets)
    wrong = np.flatnonzero(~np.isfinite(margin))
    if len(wrong):
        raise UsageError(
            f"the model's answer for crop {int(wrong[0])} is not a number "
            f"({len(wrong)} of {len(crops)}); nothing can be explained there."
        )
    return margin


def _jobs(
    predictor: Predictor, crops: npt.NDArray[Any], covers: int, patches: list[Slices]
) -> npt.NDArray[np.int64]:
    """Rows of (crop, cover, patch) that can change the answer.

    A predictor that looks at the cell alone says so by a method ``sees(crops) -> N Y X``; covering
    what it does not see changes nothing, and need not be asked.
    """
    sees = getattr(predictor, "sees", None)
    seen = np.ones((len(crops), len(patches)), dtype=np.bool_)
    if sees is not None:
        where = sees(crops)
        seen = np.stack([where[:, patch[0], patch[1]].any(axis=(1, 2)) for patch in patches], 1)
    n, k = np.nonzero(seen)
    cover = np.repeat(np.arange(covers), len(n))
    return np.stack([np.tile(n, covers), cover, np.tile(k, covers)], axis=1)


def _batches(jobs: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    for start in range(0, len(jobs), BATCH):
        yield jobs[start : start + BATCH]
