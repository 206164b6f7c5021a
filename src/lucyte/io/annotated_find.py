"""Recognise how truth lies beside images: which form, which images, which files of truth."""

from __future__ import annotations

import re
from pathlib import Path

from lucyte.io.annotated_coco import is_coco
from lucyte.io.annotated_items import (
    ACCEPTED,
    IMAGES,
    TRUTH_NAMES,
    Found,
    Unit,
    beside_items,
    one_image,
    paired_items,
    subfolder,
    text_files,
)
from lucyte.io.annotated_listed import coco_items, ctc_items
from lucyte.io.files import list_images
from lucyte.io.open import is_image
from lucyte.schema.errors import InputError, UsageError


def find_annotated(
    data: Path, images: Path | None = None, truth: Path | None = None, *, split_binary: bool = False
) -> Found:
    """Recognise the form of annotated images.

    Parameters
    ----------
    data : Path
        A folder, a COCO file, or the ``data.yaml`` of a folder.
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
    if data.is_file() and data.suffix.lower() in (".yaml", ".yml"):
        data = data.parent
    elif data.is_file():
        if data.suffix.lower() != ".json":
            raise InputError(data, "is neither a folder nor a COCO file (.json).", ACCEPTED)
        truth, data = truth or data, data.parent
    sequences = [] if images else _sequences(truth or data)
    if sequences:
        return ctc_items(data, sequences)
    if truth is not None and truth.is_file():
        return coco_items(data, images, [truth])
    units = _units(data, images, truth)
    forms = {form_of(unit): unit for unit in units}
    if len(forms) > 1:
        said = " and ".join(f"{u.truth} ({form})" for form, u in forms.items())
        raise UsageError(f"{data}: holds truth in two forms, {said}; say which with --truth.")
    form = next(iter(forms), "")
    if form == "ctc":
        return ctc_items(data, [(unit.images, unit.truth) for unit in units])
    if form == "coco":
        return coco_items(data, images, [p for u in units for p in sorted(u.truth.glob("*.json"))])
    if form:
        return paired_items(data, form, units, split_binary)
    lists = [path for path in sorted(data.glob("*.json")) if is_coco(path)]
    lists += [path for path in sorted(data.glob("annotations/*.json")) if is_coco(path)]
    if lists:
        return coco_items(data, images, lists)
    return beside_items(data, images, split_binary)


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
    texts = text_files(root)
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
    inside = sum(_inside_image(path.relative_to(root), stems) for path in pictures)
    if inside * 2 > len(pictures) or not pictures:
        return "masks"
    return "masks" if one_image(unit, pictures) else "labels"


def _inside_image(path: Path, stems: set[str]) -> bool:
    """Whether a picture lies in a folder called like an image, or like its channels' files."""
    if len(path.parts) < 2 or path.stem in stems:
        return False
    top = path.parts[0]
    return top in stems or any(stem.startswith((f"{top}_", f"{top}-")) for stem in stems)


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
        return [Unit("", images or subfolder(data, (IMAGES,)) or data, truth)]
    if images is not None:
        place = _truth_beside(data) or _truth_beside(images.parent)
        return [Unit("", images, place)] if place else []
    units = []
    for folder in [data, *sorted(each for each in data.iterdir() if each.is_dir())]:
        inside = subfolder(folder, (IMAGES,))
        place = _truth_beside(folder) if inside else None
        if inside and place:
            units.append(Unit("" if folder == data else folder.name, inside, place))
        if units and folder == data:
            break
    place = None if units else _truth_beside(data)
    if place and any(is_image(path) for path in data.iterdir()):
        return [Unit("", data, place)]
    return units


def _truth_beside(folder: Path) -> Path | None:
    """The one folder of truth in here. Masks say more than boxes; else two are one too many."""
    there = [place for name in TRUTH_NAMES if (place := subfolder(folder, (name,)))]
    holding = [place for place in there if any(place.iterdir())] or there
    if len(holding) > 1:
        texts = [place for place in holding if text_files(place)]
        outlined = [place for place in holding if place not in texts]
        if len(outlined) != 1:
            names = " and ".join(place.name for place in holding)
            raise UsageError(
                f"{folder}: holds truth in {names}; say which with --truth {holding[0].name}."
            )
        return outlined[0]
    return holding[0] if holding else None


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
