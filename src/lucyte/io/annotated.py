"""Open images with their truth, in any form that annotation tools write."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lucyte.io.annotated_find import find_annotated
from lucyte.io.annotated_groups import Grouping, groups_of
from lucyte.io.annotated_image import (
    FORMS,
    UNNAMED,
    AnnotatedImage,
    AnnotatedSet,
    Annotation,
    Truth,
    named,
)
from lucyte.io.annotated_items import Found, Item
from lucyte.io.annotated_labels import LabelTruth
from lucyte.io.annotated_pairs import Frames, frames_of, pair
from lucyte.io.assemble import open_plate
from lucyte.io.field_source import renaming
from lucyte.io.files import Listing
from lucyte.io.open import How
from lucyte.schema.errors import InputError, UsageError, unknown
from lucyte.schema.plan import InputSettings
from lucyte.schema.plate import Plate, Problem

__all__ = ["FORMS", "AnnotatedImage", "AnnotatedSet", "Annotation", "Truth", "open_annotated"]

BINARY = ("refuse", "components")
TRAINING = ("train", "training")
TEST = ("test", "testing")
NOT_HERE = ("missing_frame", "missing_well")
"""Problems of plates that are none of annotated images."""


def open_annotated(
    data: str | Path,
    *,
    images: str | Path | None = None,
    truth: str | Path | None = None,
    channels: Mapping[str, str] | None = None,
    group_regex: str = "",
    group_column: str = "",
    layout: str = "auto",
    select: Mapping[str, int] | None = None,
    pages: str | None = None,
    binary: str = "refuse",
) -> AnnotatedSet:
    """Open a folder of annotated images; headers are read, pixels and outlines are not.

    The form is recognised: label images, one mask per object, YOLO text files, COCO JSON, Cell
    Tracking Challenge SEG. ``docs/annotated-data.md`` shows each as a tree.

    Parameters
    ----------
    data : path
        A folder, a COCO file, or the ``data.yaml`` of a folder.
    images, truth : path, optional
        The folder of images, and the folder or file of truth, where ``data`` holds several.
    channels : mapping of new name to name in the files, optional
    group_regex : str
        Searched in the path of an image below ``data``; what it catches is the group.
    group_column : str
        A column of ``images.csv``.
    layout : str
        How image names are read, as in a plan.
    select : mapping of axis to position, optional
        ``{"Z": 3}`` takes one plane of images and of labels alike.
    pages : {"T", "Z", "C"}, optional
        What the pages of a plain TIFF stack are.
    binary : {"refuse", "components"}
        What to do with masks that only tell inside from outside.

    Returns
    -------
    AnnotatedSet
        Images that have truth, in the order of plate, well, site, time.

    Raises
    ------
    InputError
        Nothing that is known, or no image with truth; damaged lists.
    UsageError
        Truth in two forms side by side; unknown options.
    """
    folder = Path(data).expanduser()
    if binary not in BINARY:
        raise unknown("treatment of binary masks", binary, BINARY)
    How(pages=pages)  # refuses an unknown meaning
    places = [None if each is None else Path(each).expanduser() for each in (images, truth)]
    found = find_annotated(folder, *places, split_binary=binary == "components")
    found = _without_test(found)
    plate = _plate(found, layout, dict(select or {}), pages)
    pairs, problems = pair(frames_of(plate.fields, found), found)
    problems = [*found.problems, *(p for p in plate.problems if p.kind not in NOT_HERE), *problems]
    pairs, wrong = _fitting(pairs, dict(select or {}))
    problems += wrong
    if not pairs:
        reason = problems[0].message if problems else ""
        raise InputError(folder, "holds no image with truth that fits it.", reason)
    root = folder if folder.is_dir() else folder.parent
    groups = groups_of(
        [f for f, _ in pairs], root, plate.layout, Grouping(group_regex, group_column)
    )
    opened = _images(pairs, groups, dict(channels or {}))
    return AnnotatedSet(
        images=opened,
        form=found.form,
        has_masks=found.has_masks,
        classes=found.classes,
        group_known=groups is not None,
        problems=tuple(problems),
    )


def _plate(found: Found, layout: str, select: dict[str, int], pages: str | None) -> Plate:
    settings = InputSettings.model_validate(
        {"path": str(found.root), "layout": layout, "select": select, "pages": pages}
    )
    if found.form == "ctc" and layout == "auto":
        settings = settings.model_copy(update={"layout": "ctc"})
    paths = sorted(set(found.images))
    inside = all(path.is_relative_to(found.root) for path in paths)
    root = found.root if inside else Path(os.path.commonpath([path.parent for path in paths]))
    return open_plate(settings, Path(), Listing(root, tuple(paths)))


def _without_test(found: Found) -> Found:
    """Where folders say train and test, what is kept for the test is not read with the rest."""
    tops = [{part.lower() for part in key.split("/")[:-1]} for key in found.keys]
    training = any(top & set(TRAINING) for top in tops)
    aside = {
        path for path, top in zip(found.images, tops, strict=True) if training and top & set(TEST)
    }
    if not aside:
        return found
    kept = [(p, k) for p, k in zip(found.images, found.keys, strict=True) if p not in aside]
    gone = set(found.keys) - {key for _, key in kept}
    text = (
        f"images in folders called test are kept aside, as others are called train ({len(aside)} "
        "in all); give that folder itself to read them."
    )
    return replace(
        found,
        images=tuple(path for path, _ in kept),
        keys=tuple(key for _, key in kept),
        items=tuple(i for i in found.items if i.key not in gone and i.key not in aside),
        problems=(*found.problems, Problem(str(found.root), "other", text)),
    )


def _fitting(
    pairs: Sequence[tuple[Frames, Item]], select: dict[str, int]
) -> tuple[list[tuple[Frames, Item]], list[Problem]]:
    """Pairs whose headers agree; what does not is named and left out."""
    kept, problems = [], []
    for frames, item in pairs:
        try:
            fitted = replace(item, truth=_paged(frames, item.truth, select))
            fitted.truth.check(frames.field.shape_yx)
        except (InputError, UsageError) as error:
            text = f"{error} {frames.label} is left out."
            problems.append(Problem(item.truth.path, "damaged", text))
            continue
        kept.append((frames, fitted))
    return kept, problems


def _paged(frames: Frames, truth: Truth, select: dict[str, int]) -> Truth:
    """Truth that knows its page, where images or labels are stacks."""
    if frames.field.z_planes > 1:
        raise InputError(
            frames.paths[0],
            f"holds {frames.field.z_planes} planes; training is on single planes.",
            "Choose one with --select Z=0.",
        )
    if isinstance(truth, LabelTruth) and "Z" in select:
        return replace(truth, page=select["Z"])
    count = len(frames.positions)
    if count > 1:
        if not isinstance(truth, LabelTruth):
            raise InputError(frames.paths[0], f"holds {count} frames, its truth is of one.")
        return replace(truth, page=0, pages=count)
    return truth


def _images(
    pairs: Sequence[tuple[Frames, Item]], groups: list[str] | None, channels: dict[str, str]
) -> tuple[AnnotatedImage, ...]:
    names = _names([frames for frames, _ in pairs])
    opened = []
    for index, (frames, item) in enumerate(pairs):
        field = frames.field
        own = field.channels or (UNNAMED,)
        new = dict(renaming(channels, own))
        for page, position in enumerate(frames.positions):
            stack = len(frames.positions) > 1
            suffix = f"_t{field.time_indices[position]:03d}" if stack else ""
            truth = item.truth
            if stack and isinstance(truth, LabelTruth):
                truth = replace(truth, page=page)
            opened.append(
                AnnotatedImage(
                    name=names[index] + suffix,
                    group=groups[index] if groups else names[index],
                    channels=tuple(new.get(name, name) for name in own),
                    image_paths=tuple(str(path) for path in frames.paths),
                    truth_path=truth.path,
                    shape_yx=field.shape_yx,
                    source=field.source,
                    position=position,
                    truth=truth,
                )
            )
    return tuple(opened)


def _names(frames: Sequence[Frames]) -> list[str]:
    """Stems; with the folders before them where stems repeat, with the suffix where these do."""
    stems = [frame.keys[0].rsplit("/", 1)[-1] for frame in frames]
    seen = Counter(stems)
    long = [
        stem if seen[stem] == 1 else "_".join((*frame.field.field_id.split("/"), stem))
        for stem, frame in zip(stems, frames, strict=True)
    ]
    seen = Counter(long)
    if max(seen.values(), default=1) > 1:
        twice = named([name for name, count in seen.items() if count > 1])
        raise UsageError(f"images cannot be told apart by their names: {twice}.")
    return long
