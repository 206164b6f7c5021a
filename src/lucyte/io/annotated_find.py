"""Recognise how truth lies beside images: which form, which images, which files of truth."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lucyte.io.annotated_boxes import NOTES, YoloTruth, class_names, has_outlines, is_empty
from lucyte.io.annotated_coco import CocoFile, is_coco, read_coco
from lucyte.io.annotated_image import Truth, named
from lucyte.io.annotated_labels import LabelTruth, MaskTruth, SegTruth
from lucyte.io.files import list_images
from lucyte.io.open import is_image
from lucyte.io.truth import mask_files, read_ctc_truth
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


def find_annotated(
    data: Path, images: Path | None = None, truth: Path | None = None, *, split_binary: bool = False
) -> Found:
    """Recognise the form of annotated images.

    Parameters
    ----------
    data : Path
        A folder, or a COCO file.
    images, truth : Path, optional
        Where they lie, where ``data`` alone does not tell; relative to it or to here.
    split_binary : bool
        Handed to label images.

    Raises
    ------
    InputError
        Nothing that is known; damaged lists.
    UsageError
        Two forms side by side: says which option decides.
    """
    if not data.exists():
        raise InputError(data, "no such file or folder.", ACCEPTED)
    images, truth = (_placed(data, given) for given in (images, truth))
    if data.is_file():
        truth, data = truth or data, data.parent
    sequences = [] if images else _sequences(truth or data)
    if sequences:
        return _ctc(data, sequences)
    if truth is not None and truth.is_file():
        return _coco(data, images, [truth])
    units = _units(data, images, truth)
    forms = {form_of(unit): unit for unit in units}
    if len(forms) > 1:
        said = " and ".join(f"{u.truth} ({form})" for form, u in forms.items())
        raise UsageError(f"{data}: holds truth in two forms, {said}; say which with --truth.")
    form = next(iter(forms), "")
    if form == "ctc":
        return _ctc(data, [(unit.images, unit.truth) for unit in units])
    if form == "coco":
        return _coco(data, images, [p for u in units for p in sorted(u.truth.glob("*.json"))])
    if form:
        return _paired(data, form, units, split_binary)
    lists = [path for path in sorted(data.glob("*.json")) if is_coco(path)]
    lists += [path for path in sorted(data.glob("annotations/*.json")) if is_coco(path)]
    if lists:
        return _coco(data, images, lists)
    return _beside(data, images, split_binary)


def form_of(unit: Unit) -> str:
    """Which form the truth of a unit has.

    Raises
    ------
    InputError
        A folder that holds no truth.
    UsageError
        Text files and pictures side by side.
    """
    root = unit.truth
    if not root.is_dir():
        raise InputError(root, "no such folder of truth.", ACCEPTED)
    if (root / "SEG").is_dir() or any(root.glob("man_seg*")):
        return "ctc"
    texts = _texts(root)
    pictures = [path for path in root.rglob("*") if path.name[0] != "." and is_image(path)]
    if texts and pictures:
        raise UsageError(
            f"{root}: holds text files ({texts[0].name}) and pictures ({pictures[0].name}); keep "
            "one kind there, or name another folder with --truth."
        )
    if texts:
        return "yolo"
    if not pictures and any(is_coco(path) for path in root.glob("*.json")):
        return "coco"
    if not pictures and not any(path.is_dir() for path in root.iterdir()):
        raise InputError(root, "holds no truth: no label images, masks or text files.", ACCEPTED)
    stems = {path.stem for path in list_images(unit.images).images}
    inside = sum(path.relative_to(root).parts[0] in stems for path in pictures)
    if inside * 2 > len(pictures) or not pictures:
        return "masks"
    return "masks" if _one_image(unit, pictures) else "labels"


def _one_image(unit: Unit, pictures: Sequence[Path]) -> bool:
    """A unit of one image whose masks lie together, as in ``<id>/images`` and ``<id>/masks``."""
    images = list_images(unit.images).images
    if len(images) > 1:
        return False
    names = {images[0].stem, IMAGE_ENDING.sub("", images[0].stem)}
    return not any({p.stem, LABEL_ENDING.sub("", p.stem)} & names for p in pictures)


def _placed(data: Path, given: Path | None) -> Path | None:
    if given is None:
        return None
    inside = data / given
    if not given.exists() and not given.is_absolute() and inside.exists():
        return inside
    if not given.exists() and not any(sign in str(given) for sign in "*?["):
        raise InputError(given, "no such file or folder.", "Check the path.")
    return given


def _units(data: Path, images: Path | None, truth: Path | None) -> list[Unit]:
    if truth is not None:
        return [Unit("", images or _child(data, (IMAGES,)) or data, truth)]
    if images is not None:
        place = _truth_beside(data) or _truth_beside(images.parent)
        return [Unit("", images, place)] if place else []
    units = []
    for folder in [data, *sorted(each for each in data.iterdir() if each.is_dir())]:
        inside = _child(folder, (IMAGES,))
        place = _truth_beside(folder) if inside else None
        if inside and place:
            units.append(Unit("" if folder == data else folder.name, inside, place))
        if units and folder == data:
            break
    return units


def _truth_beside(folder: Path) -> Path | None:
    """The one folder of truth in here. Masks say more than boxes; else two are one too many."""
    there = [place for name in TRUTH_NAMES if (place := _child(folder, (name,)))]
    holding = [place for place in there if any(place.iterdir())] or there
    if len(holding) > 1:
        texts = [place for place in holding if _texts(place)]
        outlined = [place for place in holding if place not in texts]
        if len(outlined) != 1:
            names = " and ".join(place.name for place in holding)
            raise UsageError(
                f"{folder}: holds truth in {names}; say which with --truth {holding[0].name}."
            )
        return outlined[0]
    return holding[0] if holding else None


def _child(folder: Path, names: Sequence[str]) -> Path | None:
    found = [each for each in folder.iterdir() if each.is_dir() and each.name.lower() in names]
    return sorted(found)[0] if found else None


def _texts(root: Path) -> list[Path]:
    return sorted(
        path
        for path in root.rglob("*.txt")
        if path.name.lower() not in NOTES and path.name[0] != "."
    )


def _key(path: Path, root: Path, prefix: str = "") -> str:
    below = path.relative_to(root)
    return "/".join(part for part in (prefix, *below.parts[:-1], path.stem) if part)


def _paired(data: Path, form: str, units: Sequence[Unit], split_binary: bool) -> Found:
    images: list[Path] = []
    keys: list[str] = []
    items: list[Item] = []
    names: tuple[str, ...] = ()
    for unit in units:
        listing = list_images(unit.images)
        mine = [_key(path, listing.root, unit.prefix) for path in listing.images]
        images += listing.images
        keys += mine
        if form == "yolo":
            texts = _texts(unit.truth)
            places = [unit.truth, unit.truth.parent, data]
            names = names or class_names(places, texts)
            items += [Item(_key(p, unit.truth, unit.prefix), YoloTruth(str(p))) for p in texts]
        elif form == "labels":
            for path in list_images(unit.truth).images:
                truth = LabelTruth(str(path), split_binary=split_binary)
                items.append(Item(_key(path, unit.truth, unit.prefix), truth))
        elif _one_image(unit, mask_files(unit.truth)) and not any(
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


def _beside(data: Path, images: Path | None, split_binary: bool) -> Found:
    """``x.tif`` beside ``x_masks.tif``, or beside ``x.txt``, in the same folders."""
    listing = list_images(images or data)
    keys = {path: _key(path, listing.root) for path in listing.images}
    bare = {IMAGE_ENDING.sub("", key): path for path, key in keys.items()} | {
        key: path for path, key in keys.items()
    }
    labels = {
        path: LABEL_ENDING.sub("", key)
        for path, key in keys.items()
        if LABEL_ENDING.search(key) and LABEL_ENDING.sub("", key) in bare
    }
    texts = [path for path in _texts(listing.root) if _key(path, listing.root) in keys.values()]
    if labels and texts:
        raise UsageError(
            f"{data}: holds label images ({next(iter(labels)).name}) and boxes ({texts[0].name}) "
            "beside the images; move one kind away."
        )
    rest = [path for path in listing.images if path not in labels]
    own = [keys[path] for path in rest]
    if texts:
        items = [Item(_key(path, listing.root), YoloTruth(str(path))) for path in texts]
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


def _sequences(place: Path) -> list[tuple[Path, Path]]:
    """Pairs like ``01`` and ``01_GT``, where outlines are."""
    if re.fullmatch(r"\d\d_(?:GT|ST)", place.name):
        truths = [place]
    elif re.fullmatch(r"\d\d", place.name) and (place.parent / f"{place.name}_GT").is_dir():
        truths = [place.parent / f"{place.name}_GT"]
    elif place.is_dir():
        truths = sorted([*place.glob("[0-9][0-9]_GT"), *place.glob("*/[0-9][0-9]_GT")])
    else:
        truths = []
    return [(each.parent / each.name[:2], each) for each in truths]


def _ctc(data: Path, sequences: Sequence[tuple[Path, Path]]) -> Found:
    images: list[Path] = []
    items: list[Item] = []
    problems: list[Problem] = []
    for folder, place in sequences:
        told = read_ctc_truth(place)
        if not told.masks:
            text = f"{place} marks cells but outlines none (no SEG/man_seg*.tif); left out."
            problems.append(Problem(str(place), "unmatched", text))
            continue
        frames = {
            int(match[1]): path
            for path in list_images(folder).images
            if (match := re.fullmatch(r"t(\d+)", path.stem))
        }
        images += frames.values()
        for time_index, path in told.masks.items():
            if time_index in frames:
                truth = SegTruth(path, told.markers.get(time_index, ""))
                items.append(Item(frames[time_index], truth))
            else:
                text = f"{Path(path).name} is of a frame that is not in {folder}; left out."
                problems.append(Problem(path, "unmatched", text))
    if not items:
        why = problems[0].message if problems else ""
        raise InputError(data, "no frame is outlined.", why)
    several = len({folder.parent for folder, _ in sequences}) > 1
    keys = tuple("_".join([*p.parts[-3 if several else -2 : -1], p.stem]) for p in images)
    return Found("ctc", data, tuple(images), keys, tuple(items), problems=tuple(problems))


def _coco(data: Path, images: Path | None, lists: Sequence[Path]) -> Found:
    files = [read_coco(path) for path in lists if len(lists) == 1 or is_coco(path)]
    if not files:
        raise InputError(data, "holds no JSON file in the COCO form.", ACCEPTED)
    root = images or _child(data, (IMAGES,)) or data
    if not images and root == data and data.name.lower() in TRUTH_NAMES:
        root = _child(data.parent, (IMAGES,)) or data.parent
    listing = list_images(root)
    locate = _locator(listing.root, listing.images)
    items: list[Item] = []
    lost: list[str] = []
    for file in files:
        for truth in file.truths:
            path = locate(truth.file_name)
            if path is None:
                lost.append(truth.file_name)
            else:
                items.append(Item(path, truth))
    problems = [problem for file in files for problem in file.problems]
    if lost:
        text = f"{len(lost)} images that the list names are not there or not told apart: "
        problems.append(Problem(str(root), "unmatched", text + named(lost)))
    masks = all(truth.outlined for file in files for truth in file.truths)
    return Found(
        "coco",
        listing.root,
        listing.images,
        tuple(_key(path, listing.root) for path in listing.images),
        tuple(items),
        _merged_classes(files),
        masks,
        tuple(problems),
    )


def _merged_classes(files: Sequence[CocoFile]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for file in files for name in file.classes))


def _locator(root: Path, images: Sequence[Path]) -> Callable[[str], Path | None]:
    """Find images by what a list calls them: the whole path, else the name where it is alone."""
    by_name: dict[str, list[Path]] = {}
    for path in images:
        by_name.setdefault(path.name, []).append(path)

    def locate(file_name: str) -> Path | None:
        parts = Path(file_name.replace("\\", "/")).parts
        same = by_name.get(parts[-1], []) if parts else []
        whole = [p for p in same if p.relative_to(root.parent).parts[-len(parts) :] == parts]
        chosen = whole or same
        return chosen[0] if len(chosen) == 1 else None

    return locate
