"""Images with their truth, for training and for scoring: the nouns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import xarray as xr

from lucyte.schema.objects import Labels
from lucyte.schema.plate import ImageSource, Problem

FORMS = ("labels", "masks", "yolo", "coco", "ctc")
"""How truth may lie on disk; see ``docs/annotated-data.md``."""

UNNAMED = "C0"
"""The channel of an image that has one and does not name it."""

MOST_NAMED = 8


@dataclass(frozen=True)
class Annotation:
    """The truth of one image.

    Attributes
    ----------
    labels : int32 array Y X, or None
        0 is background; None where only boxes are known.
    boxes : float32 array, n x 4
        ``x0 y0 x1 y1`` in px, half-open. Where labels are known, row i encloses the i-th rising
        label.
    classes : tuple of str, or None
        One per box, where classes are annotated.
    problems : tuple of str
        What is odd in this truth, one line each.
    complete : bool
        False where cells are known to be there that this truth does not outline, so that what is
        not labelled is not always background.
    """

    labels: Labels | None
    boxes: npt.NDArray[np.float32]
    classes: tuple[str, ...] | None
    problems: tuple[str, ...] = ()
    complete: bool = True


class Truth(Protocol):
    """Something that reads as an annotation. Picklable, cheap to hold."""

    @property
    def path(self) -> str:
        """The file or folder it reads, for messages."""

    def check(self, shape_yx: tuple[int, int]) -> None:
        """Raise InputError where headers alone show that the image has another size."""

    def read(self, shape_yx: tuple[int, int]) -> Annotation:
        """The annotation of an image of this height and width, px."""


@dataclass(frozen=True)
class AnnotatedImage:
    """One image and where its truth lies; nothing is read before it is asked for.

    Attributes
    ----------
    name : str
        The image's stem; unique in a set.
    group : str
        The unit for splits: plate position, field, movie; else the image itself.
    channels : tuple of str
    image_paths : tuple of str
        One file, or one per channel.
    truth_path : str
    shape_yx : tuple of int
        Height and width, px.
    source : ImageSource
    position : int
        Which frame of the source.
    truth : Truth
    """

    name: str
    group: str
    channels: tuple[str, ...]
    image_paths: tuple[str, ...]
    truth_path: str
    shape_yx: tuple[int, int]
    source: ImageSource
    position: int
    truth: Truth

    def open(self) -> xr.DataArray:
        """The image, ``C Y X`` in raw units, lazily.

        Raises
        ------
        InputError
            Names the damaged file; while computing where the pixels themselves are damaged.
        """
        image = self.source.open()
        if "T" in image.dims:
            image = image.isel(T=self.position, drop=True)
        if "C" not in image.dims:
            return image.expand_dims({"C": list(self.channels)})
        return image.assign_coords(C=list(self.channels))

    def annotation(self) -> Annotation:
        """What is known about this image; read anew at every call.

        Raises
        ------
        InputError
            The truth is damaged or does not fit the image; names the file and the place in it.
        UsageError
            A label image with fractions or negative numbers.
        """
        return self.truth.read(self.shape_yx)


@dataclass(frozen=True)
class AnnotatedSet:
    """Images that have truth.

    Attributes
    ----------
    images : tuple of AnnotatedImage
    form : {"labels", "masks", "yolo", "coco", "ctc"}
    has_masks : bool
        False where some images, or all, have boxes only.
    classes : tuple of str
        Every class that may occur; empty where classes are not annotated.
    group_known : bool
        False: each image is its own group, and whether images are independent is unknown.
    problems : tuple of Problem
        What was left out and why.
    """

    images: tuple[AnnotatedImage, ...]
    form: str
    has_masks: bool
    classes: tuple[str, ...]
    group_known: bool
    problems: tuple[Problem, ...] = ()


def named(names: list[str]) -> str:
    """The first names and how many there are beyond."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
