"""Images and truth that are found by a list or a number, not by a name: COCO files, sequences."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from lucyte.io.annotated_coco import CocoFile, is_coco, read_coco
from lucyte.io.annotated_image import named
from lucyte.io.annotated_items import (
    ACCEPTED,
    IMAGES,
    TRUTH_NAMES,
    Found,
    Item,
    key_of,
    subfolder,
)
from lucyte.io.annotated_labels import SegTruth
from lucyte.io.files import list_images
from lucyte.io.truth import read_ctc_truth
from lucyte.schema.errors import InputError
from lucyte.schema.plate import Problem


def ctc_items(data: Path, sequences: Sequence[tuple[Path, Path]]) -> Found:
    """Sequences of the Cell Tracking Challenge (``01``) with their truth (``01_GT``).

    Raises
    ------
    InputError
        No frame is outlined.
    """
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


def coco_items(data: Path, images: Path | None, lists: Sequence[Path]) -> Found:
    """COCO files, and the images that they name below ``images`` or ``data``.

    Raises
    ------
    InputError
        No such file, or a damaged one.
    """
    files = [read_coco(path) for path in lists if len(lists) == 1 or is_coco(path)]
    if not files:
        raise InputError(data, "holds no JSON file in the COCO form.", ACCEPTED)
    root = images or subfolder(data, (IMAGES,)) or data
    if not images and root == data and data.name.lower() in TRUTH_NAMES:
        root = subfolder(data.parent, (IMAGES,)) or data.parent
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
        text = (
            f"images listed but not there, or not told apart: {named(lost)} ({len(lost)} in all)."
        )
        problems.append(Problem(str(root), "unmatched", text))
    masks = all(truth.outlined for file in files for truth in file.truths)
    return Found(
        "coco",
        listing.root,
        listing.images,
        tuple(key_of(path, listing.root) for path in listing.images),
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
