"""Truth in the COCO form: one JSON file for many images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lucyte.io.annotated_boxes import counted
from lucyte.io.annotated_image import Annotation, named
from lucyte.io.annotated_labels import from_labels
from lucyte.io.annotated_paint import Piece, overlap_problems, paint, piece_of, present
from lucyte.io.coco import decode_runs, polygon_piece
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.plate import Problem

ADVICE = "Export it again in the COCO form (images, annotations, categories)."
Entry = Mapping[str, Any]


@dataclass(frozen=True)
class CocoTruth:
    """What a COCO file says about one image.

    Attributes
    ----------
    path : str
        The JSON file.
    file_name : str
        The image as the file calls it.
    size : tuple of int or None
        Height and width (px) as the file says.
    entries : tuple of mapping
        Its annotations.
    names : mapping of category id to name
    """

    path: str
    file_name: str
    size: tuple[int, int] | None = None
    entries: tuple[Entry, ...] = ()
    names: Mapping[int, str] = field(default_factory=dict)

    @property
    def outlined(self) -> bool:
        """Whether every object has an outline."""
        return all(each.get("segmentation") for each in self._wanted())

    def check(self, shape_yx: tuple[int, int]) -> None:
        """Compare the size in the file with the image."""
        if self.size is not None and self.size != shape_yx:
            raise InputError(
                self.path,
                f"says that {self.file_name} is {self.size[0]} x {self.size[1]} px, it is "
                f"{shape_yx[0]} x {shape_yx[1]} px.",
            )

    def read(self, shape_yx: tuple[int, int]) -> Annotation:
        """Decode outlines where every object has one, else boxes."""
        wanted = self._wanted()
        crowds = len(self.entries) - len(wanted)
        problems = [f"crowd regions (iscrowd) left out: {crowds}"] if crowds else []
        told = self._outlines(wanted, shape_yx) if self.outlined else self._boxes(wanted, shape_yx)
        every = (*problems, *told.problems)
        return Annotation(told.labels, told.boxes, told.classes, every, complete=not crowds)

    def _wanted(self) -> list[Entry]:
        return [each for each in self.entries if not each.get("iscrowd")]

    def _outlines(self, wanted: list[Entry], shape_yx: tuple[int, int]) -> Annotation:
        pieces: list[Piece] = []
        kept: list[Entry] = []
        problems: list[str] = []
        for each in wanted:
            piece = self._piece(each, shape_yx)
            if piece is None:
                problems.append(f"annotation {each.get('id')} covers no pixel and was left out")
            else:
                pieces.append(piece)
                kept.append(each)
        painted = paint(pieces, shape_yx)
        problems += overlap_problems(painted.overlaps)
        there = present(painted.labels)
        if len(there) < len(pieces):
            problems.append(f"objects wholly under others left out: {len(pieces) - len(there)}")
        told = from_labels(painted.labels, problems)
        classes = self._classes([kept[k - 1] for k in there])
        return Annotation(told.labels, told.boxes, classes, told.problems)

    def _piece(self, entry: Entry, shape_yx: tuple[int, int]) -> Piece | None:
        outline = entry["segmentation"]
        try:
            if isinstance(outline, list):
                return polygon_piece(outline, shape_yx)
            if not isinstance(outline, dict) or not isinstance(outline.get("counts"), list | str):
                raise UsageError("a segmentation is a list of polygons or run lengths.")
            if list(outline.get("size", shape_yx)) != list(shape_yx):
                raise UsageError(
                    f"run lengths are of an image of {outline['size']}, this one is "
                    f"{list(shape_yx)} (height, width)."
                )
            return piece_of(decode_runs(outline["counts"], shape_yx))
        except UsageError as error:
            raise InputError(self.path, f"annotation {entry.get('id')}: {error}") from None

    def _boxes(self, wanted: list[Entry], shape_yx: tuple[int, int]) -> Annotation:
        height, width = shape_yx
        boxes: list[tuple[float, float, float, float]] = []
        kept: list[Entry] = []
        problems: list[str] = []
        bare = 0
        for each in wanted:
            x, y, w, h = self._bbox(each)
            if w == 0 or h == 0:
                bare += 1
                continue
            cut = (max(x, 0.0), max(y, 0.0), min(x + w, width), min(y + h, height))
            if cut[0] >= cut[2] or cut[1] >= cut[3]:
                problems.append(f"box {each.get('id')} lies outside the image and was left out")
                continue
            if w - (cut[2] - cut[0]) > 0.5 or h - (cut[3] - cut[1]) > 0.5:
                problems.append(f"box {each.get('id')} reaches outside the image and was cut")
            boxes.append(cut)
            kept.append(each)
        if bare:
            problems.append(f"{counted(bare)} of no area left out")
        array = np.array(boxes, dtype=np.float32).reshape(-1, 4)
        return Annotation(None, array, self._classes(kept), tuple(problems))

    def _bbox(self, entry: Entry) -> tuple[float, float, float, float]:
        box = entry.get("bbox")
        try:
            x, y, w, h = (float(each) for each in box or ())
        except (TypeError, ValueError):
            x = y = w = h = float("nan")
        if not np.isfinite([x, y, w, h]).all() or w < 0 or h < 0:
            where = f"annotation {entry.get('id')}"
            raise InputError(self.path, f"{where}: bbox is not x, y, width, height: {box!r}.")
        return (x, y, w, h)

    def _classes(self, kept: list[Entry]) -> tuple[str, ...] | None:
        if not self.names:
            return None
        return tuple(self.names[each["category_id"]] for each in kept)


@dataclass(frozen=True)
class CocoFile:
    """A COCO file, read.

    Attributes
    ----------
    path : Path
    truths : tuple of CocoTruth
        One per image that it lists.
    classes : tuple of str
        By rising category id.
    problems : tuple of Problem
    """

    path: Path
    truths: tuple[CocoTruth, ...]
    classes: tuple[str, ...]
    problems: tuple[Problem, ...] = ()


def is_coco(path: Path) -> bool:
    """Whether a JSON file may be COCO: all of its three keys occur in it."""
    try:
        text = path.read_bytes()
    except OSError:
        return False
    return b'"images"' in text and b'"annotations"' in text and b'"file_name"' in text


def read_coco(path: Path) -> CocoFile:
    """Read the images of a COCO file; outlines are decoded when an image is asked for.

    Raises
    ------
    InputError
        No JSON, not the COCO form, an image listed twice, a category that is not listed.
    """
    data = _json(path)
    images, annotations = _listed(path, data, "images"), _listed(path, data, "annotations")
    names = _names(path, data)
    by_image: dict[Any, list[Entry]] = {}
    for each in annotations:
        if names and each.get("category_id") not in names:
            known = ", ".join(f"{key} {name}" for key, name in names.items())
            raise InputError(
                path,
                f"annotation {each.get('id')} is of category {each.get('category_id')!r}; "
                f"listed are {known}.",
                ADVICE,
            )
        by_image.setdefault(each.get("image_id"), []).append(each)
    truths: dict[Any, CocoTruth] = {}
    for each in images:
        key, file_name = each.get("id"), each.get("file_name")
        if not isinstance(key, int | str) or not isinstance(file_name, str) or not file_name:
            raise InputError(path, f"an image has no id or no file_name: {str(each)[:80]}.", ADVICE)
        if key in truths:
            raise InputError(path, f"lists two images with the id {key!r}.", ADVICE)
        height, width = each.get("height"), each.get("width")
        known_size = isinstance(height, int) and isinstance(width, int)
        size = (int(height), int(width)) if known_size else None  # type: ignore[arg-type]
        entries = tuple(by_image.pop(key, ()))
        truths[key] = CocoTruth(str(path), file_name, size, entries, names)
    problems = []
    if by_image:
        count = sum(map(len, by_image.values()))
        ids = named([str(key) for key in by_image])
        text = f"annotations of images that are not listed (id {ids}), left out: {count} in all."
        problems.append(Problem(str(path), "unmatched", text))
    return CocoFile(path, tuple(truths.values()), tuple(names.values()), tuple(problems))


def _json(path: Path) -> Entry:
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InputError(path, f"is no readable JSON ({str(error)[:120]}).", ADVICE) from None
    if not isinstance(data, dict):
        raise InputError(path, "is JSON but not in the COCO form.", ADVICE)
    return data


def _listed(path: Path, data: Entry, key: str) -> list[Entry]:
    found = data.get(key)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise InputError(path, f"is JSON without a list of {key}.", ADVICE)
    return found


def _names(path: Path, data: Entry) -> dict[int, str]:
    found = {}
    for each in _listed(path, data, "categories") if data.get("categories") else []:
        key, name = each.get("id"), each.get("name")
        if not isinstance(key, int) or not isinstance(name, str) or key in found:
            raise InputError(path, f"a category has no id or name of its own: {each}.", ADVICE)
        found[key] = name
    return dict(sorted(found.items()))
