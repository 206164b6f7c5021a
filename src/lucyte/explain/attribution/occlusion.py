r"""Occlusion: cover a patch of one channel, and see how far the answer falls.

.. math:: R_c(p) = \frac{1}{|\{k : p \in P_k\}|} \sum_{k : p \in P_k} [s(x) - s(x_{c, P_k})]

with :math:`s` the score (a logit margin), :math:`P_k` the patches and :math:`x_{c, P_k}` the crop
whose patch k of channel c is taken from the baseline.

References
----------
Zeiler and Fergus 2014, doi 10.1007/978-3-319-10590-1_53.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lucyte.explain.attribution.explained import Explained, Floats, Ints, bind
from lucyte.explain.attribution.fills import fill_image
from lucyte.schema.errors import UsageError
from lucyte.schema.explanation import Explanation
from lucyte.schema.protocols import Predictor

if TYPE_CHECKING:
    from lucyte.explain.attribution.methods import Case
    from lucyte.explain.attribution.questions import Questions, Slices
    from lucyte.explain.attribution.relevance import Relevance


def occlusion(
    predictor: Predictor,
    crops: npt.NDArray[Any],
    target: Explained,
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
    target : str, sequence of N str, ClassMargin or Coordinate
        What is explained: a class, for all crops or for each.
    patch_px, stride_px : int
        Side of the square patches, and the step between them (at most the side, so that every
        pixel is covered). The last patch ends at the edge.
    baseline : str or array
        What the patch is filled with; see `fill_image`.
    per_channel : bool
        Cover one channel at a time, or all together.

    Returns
    -------
    float array N L Y X
        In units of the score; L is the channels of light in the predictor's order, or 1.
        Positive: covering it takes away from the target. Mask channels are never covered.

    Raises
    ------
    UsageError
        A class never seen, a patch larger than the crop, a step larger than the patch, or an
        answer of the predictor that is not a number.
    """
    from lucyte.explain.attribution.questions import Questions

    score = bind(predictor, target, len(crops))
    patches = patch_grid(crops.shape[2:], patch_px, stride_px)
    fill = fill_image(crops, predictor.channels, baseline)
    return _maps(Questions(score, crops, fill), patches, per_channel)


def occlude(case: Case) -> Relevance:
    """`occlusion` as a row of the table of methods; patches half a side apart."""
    patch = case.settings.patch_px or max(3, case.crops.shape[-1] // 6)
    stride = case.settings.stride_px or max(1, patch // 2)
    maps = _maps(case.questions(), patch_grid(case.crops.shape[2:], patch, stride), True)
    return case.found(maps, "fall", note=f"Patches of {patch} px, {stride} px apart.")


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
    from lucyte.explain.attribution.methods import Case, Settings

    score = bind(predictor, targets, len(crops))
    fill = fill_image(crops, predictor.channels, "local_background")
    settings = Settings(patch_px=patch_px, stride_px=stride_px)
    # Flat maps are let through: the exam says of them what is to be said.
    found = occlude(Case("occlusion", score, crops, fill, settings))
    return found.explanations(object_ids)


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


def _maps(questions: Questions, patches: list[Slices], per_channel: bool) -> Floats:
    import torch

    count, _, *yx = questions.raw.shape
    light = len(questions.light)
    covers = light if per_channel else 1
    inside = np.zeros((len(patches), *yx), dtype=np.bool_)
    for k, patch in enumerate(patches):
        inside[k][patch] = True
    whole = questions.whole()
    answers = questions.without(patches, not per_channel)
    if answers is not None:
        fall = whole[:, None, None] - answers
    else:
        kept = np.ones((covers, len(patches), light if per_channel else 1, *yx), dtype=np.bool_)
        for c in range(covers):
            kept[c, :, c] = ~inside
        rows, cover, at = _jobs(questions, covers, patches)
        table = torch.from_numpy(kept.reshape(-1, *kept.shape[2:]))
        fall = np.zeros((count, covers, len(patches)))
        fall[rows, cover, at] = whole[rows] - questions.ask(rows, table, cover * len(patches) + at)
    total = fall.reshape(-1, len(patches)) @ inside.reshape(len(patches), -1)
    out: Floats = total.reshape(count, covers, *yx) / inside.sum(axis=0)
    return out


def _jobs(questions: Questions, covers: int, patches: list[Slices]) -> tuple[Ints, Ints, Ints]:
    """Crop, cover and patch of all that can change the answer.

    A predictor that looks at the cell alone says so by a method ``sees(crops) -> N Y X``; covering
    what it does not see changes nothing, and need not be asked.
    """
    sees = getattr(questions.score.model, "sees", None)
    seen = np.ones((len(questions.raw), len(patches)), dtype=np.bool_)
    if sees is not None:
        where = sees(questions.raw.numpy())
        seen = np.stack([where[:, patch[0], patch[1]].any(axis=(1, 2)) for patch in patches], 1)
    n, k = np.nonzero(seen)
    return np.tile(n, covers), np.repeat(np.arange(covers), len(n)), np.tile(k, covers)
