"""Write boxes and outlines in the forms that other tools read: YOLO text files, COCO JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.io.annotated_image import Annotation
from lucyte.io.annotated_paint import piece_of, present
from lucyte.io.atomic import write_text
from lucyte.io.coco import compress_runs, encode_runs
from lucyte.schema.errors import UsageError, unknown


def write_yolo_boxes(
    path: str | Path,
    boxes: npt.NDArray[Any],
    shape_yx: tuple[int, int],
    class_ids: Sequence[int] | None = None,
) -> None:
    """Write the boxes of one image, a line each: class, centre x and y, width, height.

    Parameters
    ----------
    path : str or Path
        The text file; without boxes it is empty, which says that there is nothing to see.
    boxes : array, n x 4
        ``x0 y0 x1 y1`` in px, half-open, inside the image.
    shape_yx : tuple of int
        Height and width of the image, px; the file's numbers are relative to them.
    class_ids : sequence of int, optional
        One per box; 0 by default.

    Raises
    ------
    UsageError
        A box that reaches outside the image, or not one class per box.
    """
    height, width = shape_yx
    array = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    kinds = [0] * len(array) if class_ids is None else list(class_ids)
    if len(kinds) != len(array):
        raise UsageError(f"{path}: got {len(kinds)} classes for {len(array)} boxes.")
    lines = []
    for kind, (x0, y0, x1, y1) in zip(kinds, array, strict=True):
        if not (0 <= x0 <= x1 <= width and 0 <= y0 <= y1 <= height):
            raise UsageError(
                f"{path}: box {x0:g} {y0:g} {x1:g} {y1:g} is not inside {width} x {height} px."
            )
        numbers = ((x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width)
        text = " ".join(f"{number:.10g}" for number in (*numbers, (y1 - y0) / height))
        lines.append(f"{int(kind)} {text}\n")
    write_text(path, "".join(lines))


def write_coco(
    path: str | Path,
    images: Iterable[tuple[str, tuple[int, int], Annotation]],
    classes: Sequence[str] = ("cell",),
) -> None:
    """Write a COCO file: boxes, and compressed run lengths where labels are known.

    Parameters
    ----------
    path : str or Path
    images : iterable of (file name, (height, width), Annotation)
        Read one by one.
    classes : sequence of str
        Category i + 1 is class i; the first one is that of annotations without classes.

    Raises
    ------
    UsageError
        A class that is not listed.
    """
    listed: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    for number, (name, (height, width), told) in enumerate(images, start=1):
        listed.append({"id": number, "file_name": name, "height": height, "width": width})
        keys = present(told.labels) if told.labels is not None else None
        for index, (x0, y0, x1, y1) in enumerate(told.boxes.tolist()):
            entry: dict[str, Any] = {
                "id": len(entries) + 1,
                "image_id": number,
                "category_id": 1 + _class(told, index, classes),
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "area": (x1 - x0) * (y1 - y0),
                "iscrowd": 0,
            }
            if told.labels is not None and keys is not None:
                left, top, right, bottom = (int(side) for side in (x0, y0, x1, y1))
                piece = piece_of(told.labels[top:bottom, left:right] == keys[index], top, left)
                runs = compress_runs(encode_runs(piece, (height, width)))
                entry["segmentation"] = {"size": [height, width], "counts": runs}
                entry["area"] = piece.area if piece else 0
            entries.append(entry)
    categories = [{"id": i, "name": name} for i, name in enumerate(classes, start=1)]
    whole = {"images": listed, "annotations": entries, "categories": categories}
    write_text(path, json.dumps(whole) + "\n")


def _class(told: Annotation, index: int, classes: Sequence[str]) -> int:
    if told.classes is None:
        return 0
    name = told.classes[index]
    if name not in classes:
        raise unknown("class", name, classes)
    return list(classes).index(name)
