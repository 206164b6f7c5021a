"""Annotated images in memory, split by group, ready for training an object network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.io.annotated_image import AnnotatedImage, AnnotatedSet, Annotation
from lucyte.learn.object_crops import TrainingImage, prepare_image
from lucyte.schema.errors import InputError, UsageError, unknown
from lucyte.schema.image import select_channel


@dataclass(frozen=True)
class Split:
    """Whole groups for training and for validation."""

    training: tuple[AnnotatedImage, ...]
    validation: tuple[AnnotatedImage, ...]
    groups: tuple[str, ...]
    """Those kept for validation."""


def split_groups(
    images: Sequence[AnnotatedImage], share: float, named: Sequence[str], seed: int
) -> Split:
    """Keep whole groups for validation: those named, or a random share of them.

    Parameters
    ----------
    images : sequence of AnnotatedImage
    share : float
        Of the groups, above 0 and below 1; at least one group.
    named : sequence of str
        Groups to keep; empty draws them.
    seed : int

    Raises
    ------
    UsageError
        An unknown group, a single group, or a share out of range.
    """
    groups = sorted({image.group for image in images})
    for name in named:
        if name not in groups:
            raise unknown("group", name, groups)
    if not named:
        if not 0 < share < 1:
            raise UsageError(f"validation is a share between 0 and 1, got {share:g}.")
        if len(groups) < 2:
            raise UsageError(
                f"all {len(images)} images are of one group ({groups[0]}): none can be kept for "
                "validation. Annotate images of a second field or well, or name groups with "
                "--group-regex."
            )
        count = min(max(1, round(share * len(groups))), len(groups) - 1)
        order = np.random.default_rng(seed).permutation(len(groups))
        named = [groups[i] for i in order[:count]]
    kept = set(named)
    training = tuple(image for image in images if image.group not in kept)
    if not training:
        raise UsageError("every group is kept for validation; leave some to train on.")
    validation = tuple(image for image in images if image.group in kept)
    return Split(training, validation, tuple(sorted(kept)))


def load_images(
    images: Sequence[AnnotatedImage],
    channels: Sequence[str],
    classes: Sequence[str],
    first: int,
    done: Callable[[], object],
) -> tuple[list[TrainingImage], list[str]]:
    """Read and prepare images; those that cannot be used are named.

    Parameters
    ----------
    images : sequence of AnnotatedImage
    channels : sequence of str
        What the network looks at, in order; empty takes the image's only channel.
    classes : sequence of str
    first : int
        Halvings that no crop will ask to undo.
    done : callable
        Called after each image.

    Returns
    -------
    list of TrainingImage, list of str
        And what was left out, one line each.
    """
    ready, problems = [], []
    for image in images:
        try:
            truth = image.annotation()
            if not truth.complete:
                problems.append(
                    f"{image.name}: some of its objects are not outlined; it is left out, for what "
                    "is not labelled may not be taught as background."
                )
                continue
            pixels = pixels_of(image, channels)
            labels, names = _compact(truth)
            ready.append(
                prepare_image(
                    image.name,
                    image.group,
                    pixels,
                    labels,
                    truth.boxes,
                    _class_table(names, classes),
                    first,
                )
            )
        except InputError as error:
            problems.append(f"{error} It is left out.")
        finally:
            done()
    return ready, problems


def pixels_of(image: AnnotatedImage, channels: Sequence[str]) -> npt.NDArray[Any]:
    """C Y X of these channels."""
    opened = image.open()
    if not channels:
        return np.asarray(opened.values)
    return np.stack([np.asarray(select_channel(opened, name).values) for name in channels])


def _compact(
    truth: Annotation,
) -> tuple[npt.NDArray[np.int32] | None, tuple[str, ...] | None]:
    """Labels 1 to n in the order of the boxes."""
    if truth.labels is None:
        return None, truth.classes
    values, inverse = np.unique(truth.labels, return_inverse=True)
    start = 0 if len(values) and values[0] == 0 else 1
    labels = (inverse.reshape(truth.labels.shape) + start).astype(np.int32)
    return labels, truth.classes


def _class_table(
    names: tuple[str, ...] | None, classes: Sequence[str]
) -> npt.NDArray[np.int16] | None:
    if names is None or len(classes) < 2:
        return None
    place = {name: index for index, name in enumerate(classes)}
    return np.array([-1, *(place.get(name, -1) for name in names)], np.int16)


def common_channels(data: AnnotatedSet) -> tuple[str, ...]:
    """The channels that every image of a set has, in the order of the first.

    Raises
    ------
    UsageError
        Images with different channels; names two of them.
    """
    first = data.images[0]
    for image in data.images:
        if image.channels != first.channels:
            raise UsageError(
                f"{first.name} has channels {', '.join(first.channels)}, {image.name} has "
                f"{', '.join(image.channels)}. Say which to use with --use NAME,NAME."
            )
    return first.channels
