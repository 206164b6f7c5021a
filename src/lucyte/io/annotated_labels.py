"""Truth that outlines every object: label images, one mask per object, challenge SEG frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lucyte.io.annotated_image import Annotation, named
from lucyte.io.annotated_paint import (
    boxes_of,
    components,
    label_problems,
    overlap_problems,
    parts,
    present,
)
from lucyte.io.open import How, read_labels, scenes
from lucyte.io.truth import mask_files, read_mask_folder
from lucyte.schema.errors import InputError
from lucyte.schema.objects import Labels

FULL = (255, 65535)
"""What masks hold where programs write inside as the largest number."""


def from_labels(labels: Labels, problems: list[str] | None = None) -> Annotation:
    """The annotation that a label image (Y X) is, with what is odd about it."""
    found = [*(problems or []), *label_problems(labels)]
    return Annotation(labels, boxes_of(labels), None, tuple(found))


@dataclass(frozen=True)
class LabelTruth:
    """A label image, or one page of a stack of them.

    Attributes
    ----------
    path : str
    page : int or None
        None where the file is one image.
    pages : int or None
        How many there must be.
    split_binary : bool
        Whether a mask that only tells inside from outside is split into connected parts.
    """

    path: str
    page: int | None = None
    pages: int | None = None
    split_binary: bool = False

    def check(self, shape_yx: tuple[int, int]) -> None:
        """Compare the header with the image."""
        found = scenes(self.path, How(pages="Z", empty_chunks=True))
        if len(found) > 1:
            raise InputError(self.path, f"holds {len(found)} images, a label file holds one.")
        sizes = found[0].sizes
        if sizes.get("C", 1) > 1:
            raise InputError(
                self.path,
                "is a picture in colours, not a label image.",
                "Save the numbers of the objects as one channel.",
            )
        if (sizes["Y"], sizes["X"]) != shape_yx:
            raise InputError(self.path, _unlike((sizes["Y"], sizes["X"]), shape_yx))
        if sizes.get("Z", 1) > 1:
            self._check_pages(sizes["Z"])

    def read(self, shape_yx: tuple[int, int]) -> Annotation:
        """Read, check and describe the labels."""
        labels = read_labels(self.path)
        if labels.ndim == 3:
            self._check_pages(len(labels))
            labels = labels[self.page or 0]
        if labels.shape != shape_yx:
            raise InputError(self.path, _unlike((labels.shape[0], labels.shape[1]), shape_yx))
        if not looks_binary(labels):
            return from_labels(labels)
        value, count = int(labels.max()), parts(labels)[int(labels.max())]
        if not self.split_binary:
            raise InputError(
                self.path,
                f"is a mask, not labels: one value ({value}) in {count} parts.",
                "Number the objects, or accept that touching ones count as one with "
                "--binary components.",
            )
        return from_labels(components(labels), [f"a mask, split into its {count} connected parts"])

    def _check_pages(self, count: int) -> None:
        if self.page is None:
            raise InputError(
                self.path,
                f"holds {count} planes, its image one.",
                "Choose a plane of both with --select Z=0.",
            )
        if (self.pages or count) != count or self.page >= count:
            wanted = self.pages or f"more than {self.page}"
            raise InputError(self.path, f"holds {count} planes, its image {wanted}.")


@dataclass(frozen=True)
class MaskTruth:
    """A folder with one mask image per object, in subfolders named after classes or not.

    Attributes
    ----------
    path : str
    """

    path: str

    def check(self, shape_yx: tuple[int, int]) -> None:
        """Compare the header of the first mask with the image."""
        files = mask_files(Path(self.path))
        if files:
            LabelTruth(str(files[0]), page=0).check(shape_yx)

    def read(self, shape_yx: tuple[int, int]) -> Annotation:
        """Read every mask; the smaller object is on top where they overlap."""
        if not mask_files(Path(self.path)):
            return from_labels(np.zeros(shape_yx, dtype=np.int32))
        found = read_mask_folder(self.path, skip_empty=True)
        labels, table = found.labels, found.table
        if labels.shape != shape_yx:
            raise InputError(self.path, _unlike((labels.shape[0], labels.shape[1]), shape_yx))
        problems = overlap_problems(table.attrs["overlaps"])
        hidden = table.loc[table["hidden_px"] == table["area_px"], "file"].tolist()
        if hidden:
            problems.append(f"hidden under other masks and left out: {named(hidden)}")
        if table.attrs["empty_files"]:
            empty = list(table.attrs["empty_files"])
            problems.append(f"masks without a pixel, left out: {named(empty)}")
        told = from_labels(labels, problems)
        states = table["state"].tolist()
        classes = tuple(states[k - 1] for k in present(labels)) if any(states) else None
        return Annotation(told.labels, told.boxes, classes, told.problems)


@dataclass(frozen=True)
class SegTruth:
    """An outlined frame of the Cell Tracking Challenge.

    Attributes
    ----------
    path : str
        ``man_seg*.tif``.
    markers : str
        ``man_track*.tif`` of the same frame, which marks every cell; empty where there is none.
    """

    path: str
    markers: str = ""

    def check(self, shape_yx: tuple[int, int]) -> None:
        """Compare the header with the image."""
        LabelTruth(self.path).check(shape_yx)

    def read(self, shape_yx: tuple[int, int]) -> Annotation:
        """Read the outlines, and say whether marked cells are without one."""
        labels = read_labels(self.path)
        if labels.shape != shape_yx:
            raise InputError(self.path, _unlike((labels.shape[0], labels.shape[-1]), shape_yx))
        told = from_labels(labels)
        if not self.markers:
            return told
        marked = read_labels(self.markers)
        if marked.shape != labels.shape:
            raise InputError(self.markers, f"is {marked.shape}, {self.path} is {labels.shape}.")
        every, outlined = set(present(marked)), set(present(marked * (labels > 0)))
        bare = len(every - outlined)
        if not bare:
            return told
        problem = f"{bare} of {len(every)} marked cells have no outline"
        return Annotation(told.labels, told.boxes, None, (*told.problems, problem), complete=False)


def looks_binary(labels: Labels) -> bool:
    """Whether a label image only tells inside from outside.

    One value that lies in three parts or more, or in two where it is the largest that 8 or 16
    bits hold.
    """
    values = present(labels)
    if len(values) != 1:
        return False
    count = parts(labels)[int(values[0])]
    return count >= 3 or (count == 2 and int(values[0]) in FULL)


def _unlike(got: tuple[int, int], due: tuple[int, int]) -> str:
    return f"is {got[0]} x {got[1]} px, its image {due[0]} x {due[1]} px."
