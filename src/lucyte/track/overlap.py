"""How much of one object lies on another of a later frame, the field's movement taken off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lucyte.schema.objects import Labels
from lucyte.track.candidates import Pairs
from lucyte.track.detections import Detections, Floats, Ints

LabelsAt = Callable[[int], Labels]

MASK_TRUST, BOX_TRUST = 0.25, 0.1
"""Weights of the evidence: overlap repeats in part what distance says, and boxes are coarse."""


@dataclass(frozen=True)
class Overlap:
    """Common area of the members of each pair.

    Attributes
    ----------
    px : float64 array
        In px.
    trust : float
        Weight of what follows from it, 0 to 1.
    """

    px: Floats
    trust: float


def shared_area(
    found: Detections, pairs: Pairs, shifts: Floats, labels: LabelsAt | None
) -> Overlap:
    """Common area of both members of each pair, in px.

    Parameters
    ----------
    labels : callable, optional
        Time index to label image. Without it, boxes stand for masks: the common area of the boxes
        times the share of its box that each mask fills.
    """
    if labels is None:
        return Overlap(_shared_boxes(found, pairs, shifts), BOX_TRUST)
    return Overlap(_shared_masks(found, pairs, shifts, labels), MASK_TRUST)


def _shared_boxes(found: Detections, pairs: Pairs, shifts: Floats) -> Floats:
    moved = found.box - np.tile(shifts[found.frame][:, ::-1], 2)
    a, b = moved[pairs.source], moved[pairs.target]
    sides = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    common = np.clip(sides, 0, None).prod(axis=1)
    full = np.maximum((found.box[:, 2:] - found.box[:, :2]).prod(axis=1), 1.0)
    fill = np.minimum(found.area / full, 1.0)
    return np.asarray(common * fill[pairs.source] * fill[pairs.target])


def _shared_masks(found: Detections, pairs: Pairs, shifts: Floats, labels: LabelsAt) -> Floats:
    shared = np.zeros(len(pairs))
    if not len(pairs):
        return shared
    frames = found.frame[pairs.source]
    ahead = pairs.skipped + 1
    held: dict[int, Labels] = {}
    for frame in range(len(found.times)):
        held = {key: image for key, image in held.items() if key >= frame}
        rows = np.flatnonzero(frames == frame)
        for step in np.unique(ahead[rows]).tolist():
            for key in (frame, frame + step):
                if key not in held:
                    held[key] = np.asarray(labels(int(found.times[key])))
            chosen = rows[ahead[rows] == step]
            move = np.round(shifts[frame + step] - shifts[frame]).astype(int)
            move = np.concatenate([np.zeros(held[frame].ndim - 2, dtype=int), move])
            a, b = _aligned(held[frame], held[frame + step], move)
            names = found.label[pairs.source[chosen]], found.label[pairs.target[chosen]]
            shared[chosen] = _common(a, b, *names)
    return shared


def _aligned(a: Labels, b: Labels, move: Ints) -> tuple[Labels, Labels]:
    """The parts of both images that show the same place."""
    cut_a, cut_b = [], []
    for size_a, size_b, step in zip(a.shape, b.shape, move.tolist(), strict=True):
        start = max(0, -step)
        stop = max(min(size_a, size_b - step), start)
        cut_a.append(slice(start, stop))
        cut_b.append(slice(start + step, stop + step))
    return a[tuple(cut_a)], b[tuple(cut_b)]


def _common(a: Labels, b: Labels, first: Ints, second: Ints) -> Floats:
    both = (a > 0) & (b > 0)
    width = int(max(b.max(initial=0), second.max(initial=0))) + 1
    codes, counts = np.unique(a[both].astype(np.int64) * width + b[both], return_counts=True)
    wanted = first * width + second
    if not len(codes):
        return np.zeros(len(wanted))
    place = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
    return np.where(codes[place] == wanted, counts[place], 0).astype(np.float64)
