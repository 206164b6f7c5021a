"""The reference of ``lucyte validate``: label images, or any annotated folder or list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lucyte.io.annotated import open_annotated
from lucyte.io.annotated_coco import CocoTruth, is_coco, read_coco
from lucyte.io.annotated_image import AnnotatedImage, AnnotatedSet
from lucyte.io.annotated_items import IMAGES, LABEL_ENDING, subfolder, text_files
from lucyte.io.annotated_paint import boxes_of
from lucyte.io.open import is_image, read_labels
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.objects import Labels

Boxes = npt.NDArray[np.float64]
TRACKS = ("man_track.txt", "res_track.txt")
"""Tables of tracks beside label images; no boxes."""


@dataclass(frozen=True)
class Reference:
    """The truth of one image; nothing is read before it is asked for.

    Attributes
    ----------
    name : str
        The image's stem.
    path : str
        For messages.
    boxes : callable
        Boxes, n x 4, px.
    labels : callable
        The label image; refuses where only boxes are known.
    group : str
        Empty where it is not known.
    complete : callable
        Whether every object is annotated.
    classes : tuple of str
        What objects are called, where it is known.
    """

    name: str
    path: str
    boxes: Callable[[], Boxes]
    labels: Callable[[], Labels]
    group: str = ""
    complete: Callable[[], bool] = lambda: True
    classes: tuple[str, ...] = ()


def label_files(folder: Path) -> list[Path]:
    """Label images of a folder, by name; refuses the folder above them.

    Raises
    ------
    InputError
        No images in there; says where they are.
    """
    if folder.is_file():
        return [folder]
    found = sorted(path for path in folder.iterdir() if is_image(path))
    inner = subfolder(folder, ("labels", "masks"))
    held = [path for path in inner.iterdir() if is_image(path)] if inner else []
    if inner and held and {path.name for path in found} <= {"overview.png"}:
        raise InputError(
            folder, f"holds no label images, {inner.name}/ in it does.", f"Give {inner}."
        )
    if not found:
        there = sorted({path.suffix for path in folder.iterdir() if path.is_file()})
        what = f" (only {', '.join(there)})" if there else ""
        raise InputError(
            folder, f"holds no label images{what}.", "Give a folder of TIFF or PNG label images."
        )
    return found


def open_references(
    path: Path, *, binary: str = "refuse", group_regex: str = ""
) -> list[Reference]:
    """Recognise the reference and list its images.

    Parameters
    ----------
    path : Path
        A label image; a folder of them; a COCO file; a folder of YOLO files beside its images; any
        folder that ``lucyte train`` reads.
    binary : {"refuse", "components"}
        What to do with masks that only tell inside from outside.
    group_regex : str
        Left to the caller where given.

    Raises
    ------
    InputError
        Nothing that is known; YOLO files without images, whose sizes they need.
    """
    if path.is_file() and path.suffix.lower() == ".json":
        return _coco(path)
    if path.is_file():
        return [_of_file(path)]
    texts = [each for each in text_files(path) if each.name not in TRACKS]
    own = [each for each in path.iterdir() if is_image(each)]
    if texts and not own and subfolder(path, (IMAGES,)) is None:
        return _yolo(path, texts)
    if own and not texts and subfolder(path, (IMAGES,)) is None and not _beside(own):
        return [_of_file(each) for each in label_files(path)]
    lists = [each for each in path.glob("*.json") if is_coco(each)]
    if len(lists) == 1 and not own and subfolder(path, (IMAGES,)) is None:
        return _coco(lists[0])
    return _annotated(open_annotated(path, binary=binary), known=not group_regex)


def _beside(files: list[Path]) -> bool:
    """Whether images and their label images lie together, ``x.tif`` beside ``x_masks.tif``."""
    stems = {path.stem for path in files}
    return any(LABEL_ENDING.search(s) and LABEL_ENDING.sub("", s) in stems for s in stems)


def _of_file(path: Path) -> Reference:
    read = partial(read_labels, path)

    def boxes() -> Boxes:
        labels = read()
        if labels.ndim != 2:
            raise InputError(path, "is a volume; boxes are compared in planes.")
        return boxes_of(labels).astype(np.float64)

    return Reference(path.stem, str(path), boxes, read)


def _yolo(path: Path, texts: list[Path]) -> list[Reference]:
    try:
        found = open_annotated(path.parent, truth=path)
    except (InputError, UsageError) as error:
        raise InputError(
            path,
            f"holds YOLO files ({texts[0].name}), whose boxes are relative to images that are not "
            f"beside it ({error}).",
            "Put images/ beside the folder of boxes, or give the folder that holds both.",
        ) from None
    return _annotated(found, known=True)


def _annotated(found: AnnotatedSet, *, known: bool) -> list[Reference]:
    grouped = known and found.group_known
    return [_of_image(each, grouped=grouped) for each in found.images]


def _of_image(image: AnnotatedImage, *, grouped: bool) -> Reference:
    def labels() -> Labels:
        found = image.annotation().labels
        if found is None:
            raise InputError(
                image.truth_path,
                "holds boxes, and this task compares outlines.",
                "Use --task detection, or give label images.",
            )
        return found

    return Reference(
        image.name,
        image.truth_path,
        lambda: image.annotation().boxes.astype(np.float64),
        labels,
        image.group if grouped else "",
        lambda: image.annotation().complete,
    )


def _coco(path: Path) -> list[Reference]:
    return [_of_coco(each) for each in read_coco(path).truths]


def _of_coco(truth: CocoTruth) -> Reference:
    if truth.size is None:
        raise InputError(truth.path, f"does not say how large {truth.file_name} is.")
    size = truth.size

    def labels() -> Labels:
        found = truth.read(size).labels
        if found is None:
            raise InputError(
                truth.path, "holds boxes, and this task compares outlines.", "Use --task detection."
            )
        return found

    return Reference(
        truth.file_name,
        truth.path,
        lambda: truth.read(size).boxes.astype(np.float64),
        labels,
    )
