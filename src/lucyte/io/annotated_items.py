"""Images and their pieces of truth, listed for each form in which truth may lie on disk."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lucyte.io.annotated_boxes import NOTES, YoloTruth, class_names, has_outlines, is_empty
from lucyte.io.annotated_image import Truth
from lucyte.io.annotated_labels import LabelTruth, MaskTruth
from lucyte.io.files import list_images
from lucyte.io.truth import mask_files
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.plate import Problem

TRUTH_NAMES = (
    "labels",
    "label",
    "masks",
    "mask",
    "boxes",
    "annotations",
    "annotation",
    "truth",
    "ground_truth",
    "gt",
)
IMAGES = "images"
LABEL_ENDING = re.compile(
    r"[_.-](?:cp_)?(?:masks?|labels?|labels?_?image|seg|segmentation|instances?|gt)$", re.IGNORECASE
)
"""``x_masks.tif`` and ``x_cp_masks.png`` belong to ``x``, as Cellpose and StarDist users write."""
IMAGE_ENDING = re.compile(r"[_.-](?:img|image|raw)$", re.IGNORECASE)
ACCEPTED = (
    "Accepted: images/ beside labels/, masks/ or boxes/; x.tif beside x_masks.tif; x.png beside "
    "x.txt; a COCO .json; 01 beside 01_GT. See docs/annotated-data.md, or say where with --images "
    "and --truth."
)


@dataclass(frozen=True)
class Item:
    """One piece of truth and the image that it is of.

    Attributes
    ----------
    key : str
        The image's path without its suffix, from below the folders of images, with ``/``; or the
        image file itself.
    truth : Truth
    """

    key: str | Path
    truth: Truth


@dataclass(frozen=True)
class Found:
    """What a folder of annotated images holds, before images are opened.

    Attributes
    ----------
    form : str
    root : Path
        The images lie below it.
    images : tuple of Path
    keys : tuple of str
        One per image, to compare with the keys of the items.
    items : tuple of Item
    classes : tuple of str
    has_masks : bool
    problems : tuple of Problem
    """

    form: str
    root: Path
    images: tuple[Path, ...]
    keys: tuple[str, ...]
    items: tuple[Item, ...]
    classes: tuple[str, ...] = ()
    has_masks: bool = True
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Unit:
    """A folder of images and the truth beside it; a data set has one or many.

    Attributes
    ----------
    prefix : str
        What tells it from the other units (``train``), or empty.
    images : Path
    truth : Path
    """

    prefix: str
    images: Path
    truth: Path


def paired_items(data: Path, form: str, units: Sequence[Unit], split_binary: bool) -> Found:
    """Folders of images beside folders of label images, masks or YOLO files.

    Parameters
    ----------
    data : Path
        The folder of the data set.
    form : {"labels", "masks", "yolo"}
    units : sequence of Unit
    split_binary : bool
        Handed to label images.
    """
    images: list[Path] = []
    keys: list[str] = []
    items: list[Item] = []
    names: tuple[str, ...] = ()
    for unit in units:
        listing = list_images(unit.images)
        mine = [key_of(path, listing.root, unit.prefix) for path in listing.images]
        images += listing.images
        keys += mine
        if form == "yolo":
            texts = text_files(unit.truth)
            places = [unit.truth, unit.truth.parent, data]
            names = names or class_names(places, texts)
            items += [Item(key_of(p, unit.truth, unit.prefix), YoloTruth(str(p))) for p in texts]
        elif form == "labels":
            for path in list_images(unit.truth).images:
                truth = LabelTruth(str(path), split_binary=split_binary)
                items.append(Item(key_of(path, unit.truth, unit.prefix), truth))
        elif one_image(unit, mask_files(unit.truth)) and not any(
            path.is_dir() for path in unit.truth.iterdir()
        ):
            items.append(Item(mine[0], MaskTruth(str(unit.truth))))
        else:
            items += _mask_items(unit)
    if form == "yolo":
        return _yolo(data, images, keys, items, names)
    classes = _mask_classes(items) if form == "masks" else ()
    return Found(form, data, tuple(images), tuple(keys), tuple(items), classes)


def _mask_items(unit: Unit) -> list[Item]:
    folders = sorted(each for each in unit.truth.iterdir() if each.is_dir())
    return [Item("/".join(p for p in (unit.prefix, each.name) if p), MaskTruth(str(each)))
            for each in folders]  # fmt: skip


def _mask_classes(items: Iterable[Item]) -> tuple[str, ...]:
    names = {
        path.name
        for item in items
        for path in Path(item.truth.path).iterdir()
        if path.is_dir() and path.name[0] != "."
    }
    return tuple(sorted(names))


def _yolo(
    data: Path, images: list[Path], keys: list[str], items: list[Item], names: tuple[str, ...]
) -> Found:
    items = [Item(item.key, YoloTruth(item.truth.path, names)) for item in items]
    full = [path for item in items if not is_empty(path := Path(item.truth.path))]
    outlined = bool(full) and all(has_outlines(path) for path in full)
    return Found("yolo", data, tuple(images), tuple(keys), tuple(items), names, outlined)


def beside_items(data: Path, images: Path | None, split_binary: bool) -> Found:
    """``x.tif`` beside ``x_masks.tif``, or beside ``x.txt``, in the same folders.

    Raises
    ------
    InputError
        No such pairs.
    UsageError
        Both kinds at once.
    """
    listing = list_images(images or data)
    keys = {path: key_of(path, listing.root) for path in listing.images}
    bare = {IMAGE_ENDING.sub("", key): path for path, key in keys.items()} | {
        key: path for path, key in keys.items()
    }
    labels = {
        path: LABEL_ENDING.sub("", key)
        for path, key in keys.items()
        if LABEL_ENDING.search(key) and LABEL_ENDING.sub("", key) in bare
    }
    texts = [
        path for path in text_files(listing.root) if key_of(path, listing.root) in keys.values()
    ]
    if labels and texts:
        raise UsageError(
            f"{data}: holds label images ({next(iter(labels)).name}) and boxes ({texts[0].name}) "
            "beside the images; move one kind away."
        )
    rest = [path for path in listing.images if path not in labels]
    own = [keys[path] for path in rest]
    if texts:
        items = [Item(key_of(path, listing.root), YoloTruth(str(path))) for path in texts]
        return _yolo(data, rest, own, items, class_names([listing.root, data], texts))
    if not labels:
        pickled = [path.name for path in sorted(data.rglob("*_seg.npy"))]
        advice = ACCEPTED
        if pickled:
            advice = f"{pickled[0]} is a pickle, which is never read: save masks as TIFF or PNG."
        raise InputError(data, "holds no images with truth.", advice)
    items = [
        Item(key, LabelTruth(str(path), split_binary=split_binary)) for path, key in labels.items()
    ]
    return Found("labels", data, tuple(rest), tuple(own), tuple(items))


def one_image(unit: Unit, pictures: Sequence[Path]) -> bool:
    """Whether a unit is one image whose masks lie together: ``<id>/images``, ``<id>/masks``.

    A single picture of another name may as well be a label image that belongs elsewhere, so it
    counts only where the image is called like its folder.
    """
    images = list_images(unit.images).images
    if len(images) > 1 or unit.truth.name.lower() not in ("masks", "mask"):
        return False
    names = {images[0].stem, IMAGE_ENDING.sub("", images[0].stem)}
    if any({p.stem, LABEL_ENDING.sub("", p.stem)} & names for p in pictures):
        return False
    return len(pictures) > 1 or images[0].stem == unit.images.parent.name


def text_files(root: Path) -> list[Path]:
    """Text files of boxes below a folder, without lists of classes and notes."""
    return sorted(
        path
        for path in root.rglob("*.txt")
        if path.name.lower() not in NOTES and path.name[0] != "."
    )


def subfolder(folder: Path, names: Sequence[str]) -> Path | None:
    """The subfolder of one of these names, in any case; None where there is none."""
    found = [each for each in folder.iterdir() if each.is_dir() and each.name.lower() in names]
    return sorted(found)[0] if found else None


def key_of(path: Path, root: Path, prefix: str = "") -> str:
    """What an image or its truth is called: the path below ``root`` without the suffix."""
    stem = re.sub(r"\.ome$", "", path.stem, flags=re.IGNORECASE)
    below = path.relative_to(root)
    return "/".join(part for part in (prefix, *below.parts[:-1], stem) if part)
