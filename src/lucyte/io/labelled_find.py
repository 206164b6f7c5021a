"""Recognise the form of labelled pictures: class folders, a table, an array with a table."""

from __future__ import annotations

import glob
from dataclasses import replace
from pathlib import Path

from lucyte.io.files import list_images
from lucyte.io.labelled_groups import checked, with_layout, with_regex
from lucyte.io.labelled_items import Labelled, LabelledItem, SampleOptions, few
from lucyte.io.labelled_table import (
    IMAGE,
    LABEL,
    MASK,
    Table,
    groups_of_table,
    labels_of,
    levels_of_table,
    read_table,
)
from lucyte.io.open import is_image
from lucyte.schema.errors import InputError, UsageError

TABLES = (".csv", ".tsv")
ARRAYS = (".npz", ".npy", ".zarr")
ACCEPTED = (
    "Give a folder with one subfolder per class, a CSV with image and state, or an array (.npz, "
    ".zarr) with a CSV row for row."
)
NAMES = ("cell", "object_id", "name", "id", *IMAGE)


def find_labelled(data: str | Path, options: SampleOptions | None = None) -> Labelled:
    """List labelled pictures without reading their pixels.

    Parameters
    ----------
    data : str or Path
        Folder, glob, CSV, ``.npz`` or ``.zarr``.
    options : SampleOptions

    Raises
    ------
    InputError
        Nothing there; a table with rows that do not hold together; pictures that are not there.
    UsageError
        One class or one group only, an unknown column, a pattern that does not fit.
    """
    how = options or SampleOptions()
    path = Path(data).expanduser()
    found = _form(path, how)
    if how.group_regex:
        found = with_regex(found, how.group_regex)
    if how.masks and found.form in ("folders", "pictures"):
        found = _with_masks(found, Path(how.masks))
    return checked(with_layout(found, how.layout), how)


def _form(path: Path, how: SampleOptions) -> Labelled:
    if not path.exists():
        if glob.has_magic(str(path)):
            return _pictures(path, how)
        raise InputError(path, "no such file or folder.", ACCEPTED)
    if path.suffix.lower() in TABLES:
        table = read_table(path)
        if table.find(IMAGE):
            return _table(table, how)
        arrays = _arrays(path.parent, path.stem)
        if len(arrays) != 1:
            columns = ", ".join(str(each) for each in table.rows.columns)
            raise InputError(
                path, f"has no column 'image' (columns: {columns}), and no array lies beside it."
            )
        return _array(arrays[0], table, how)
    if path.suffix.lower() in ARRAYS:
        beside = _tables(path.parent, path.stem)
        if len(beside) == 1:
            return _array(path, read_table(beside[0]), how)
        if path.suffix.lower() == ".zarr" and not beside:
            return _pictures(path, how)
        what = "no table" if not beside else f"{len(beside)} tables ({few([str(beside[0].name)])})"
        raise InputError(path, f"has {what} beside it.", f"Name one {path.stem}.csv, row for row.")
    return _folder(path, how) if path.is_dir() else _pictures(path, how)


def _folder(path: Path, how: SampleOptions) -> Labelled:
    arrays, tables = _arrays(path), _tables(path)
    pictures = any(is_image(each) for each in path.iterdir() if each.suffix != ".zarr")
    if len(arrays) == 1 and tables and not pictures:
        if len(tables) > 1:
            tables = [each for each in tables if each.stem == arrays[0].stem]
        if len(tables) == 1 and not (table := read_table(tables[0])).find(IMAGE):
            return _array(arrays[0], table, how)
    listed = []
    for each in tables:
        table = read_table(each)
        wanted = (how.label_column.lower(),) if how.label_column else LABEL
        if table.find(IMAGE) and table.find(wanted):
            listed.append(table)
    if len(listed) > 1:
        names = few([each.path.name for each in listed])
        raise UsageError(f"{path}: {len(listed)} tables list images ({names}); give one of them.")
    if listed:
        found = _table(listed[0], how)
        note = f"Classes are from {listed[0].path.name}, not from folders."
        return replace(found, notes=(note, *found.notes))
    if how.label_column or how.group_column:
        option = "--label-column" if how.label_column else "--group-column"
        raise InputError(path, f"has no table for {option}.", "Give the CSV itself.")
    return _folders(path, how)


def _folders(path: Path, how: SampleOptions) -> Labelled:
    listing = list_images(path)
    items, alone = [], []
    for image in listing.images:
        name = listing.below(image)
        label = name.partition("/")[0] if "/" in name else ""
        items.append(LabelledItem(name, image, label))
        if not label:
            alone.append(name)
    if len(alone) == len(items):
        if how.training:
            raise InputError(
                path, f"holds {len(items)} images and no subfolder per class.", ACCEPTED
            )
        return Labelled(path, "pictures", tuple(items))
    if alone and how.training:
        raise InputError(
            path,
            f"{len(alone)} images lie beside the folders of classes, so have none: {few(alone)}.",
            "Move them into one, or away.",
        )
    classes = {item.label for item in items}
    folders = sorted(
        each.name for each in path.iterdir() if each.is_dir() and each.name[0] not in "._"
    )
    empty = [name for name in folders if name not in classes and not name.endswith(".zarr")]
    notes = [f"Folder {name!r} holds no image, so is no class." for name in empty]
    return Labelled(path, "folders", tuple(items), notes=tuple(notes))


def _pictures(path: Path, how: SampleOptions) -> Labelled:
    listing = list_images(path)
    if how.training:
        raise InputError(path, "names images without classes.", ACCEPTED)
    items = tuple(LabelledItem(listing.below(each), each) for each in listing.images)
    return Labelled(listing.root, "pictures", items)


def _table(table: Table, how: SampleOptions) -> Labelled:
    root = table.path.parent
    column, mask = table.find(IMAGE), _mask_column(table, how)
    series = table.find(("series",))
    names = table.values(column)
    for line, name in enumerate(names, start=2):
        if not name:
            raise InputError(table.path, f"has no image in line {line}.", "Fill it in.")
    missing = [name for name in names if not (root / name).exists()]
    if missing:
        raise InputError(
            table.path,
            f"lists {len(missing)} images that are not there: {few(missing)}.",
            f"Paths are relative to {root.resolve()}.",
        )
    found = _described(table, how, "table", names)
    masks = table.values(mask) if mask else [""] * len(names)
    absent = [each for each in masks if each and not (root / each).exists()]
    if absent:
        raise InputError(
            table.path, f"lists {len(absent)} masks that are not there: {few(absent)}."
        )
    which = table.values(series) if series else [""] * len(names)
    items = tuple(
        replace(
            item,
            path=root / name,
            mask=root / own if own else None,
            series=number,
            name=f"{name}#{number}" if number else name,
        )
        for item, name, own, number in zip(found.items, names, masks, which, strict=True)
    )
    return replace(found, items=items)


def _mask_column(table: Table, how: SampleOptions) -> str:
    return table.asked(how.masks, "--masks") if how.masks else table.find(MASK)


def _array(array: Path, table: Table, how: SampleOptions) -> Labelled:
    column = table.find(NAMES)
    names = table.values(column) if column else []
    if not names or len(set(names)) < len(names) or "" in names:
        names = [f"{array.name}#{row}" for row in range(len(table))]
    found = _described(table, how, "array", names)
    return replace(found, array=array, root=array)


def _described(table: Table, how: SampleOptions, form: str, names: list[str]) -> Labelled:
    labels, notes = labels_of(table, how.label_column, how.training)
    groups, unit, more = (
        (None, "image", [])
        if how.group_regex
        else groups_of_table(table, how.group_column, how.training)
    )
    levels = levels_of_table(table, how.levels)
    items = tuple(
        LabelledItem(
            name,
            label=labels[row],
            group=groups[row] if groups else "",
            levels={level: values[row] for level, values in levels.items()},
        )
        for row, name in enumerate(names)
    )
    told, grouped = tuple(notes + more), groups is not None
    return Labelled(table.path.parent, form, items, unit, grouped, told, table=table.path)


def _with_masks(found: Labelled, folder: Path) -> Labelled:
    folder = folder if folder.is_dir() else found.root / folder
    if not folder.is_dir():
        raise InputError(folder, "no such folder of masks.", "Give it with --masks.")
    items, absent = [], []
    for item in found.items:
        place = folder / item.name
        same = [place] if place.is_file() else sorted(place.parent.glob(f"{place.stem}.*"))
        if len(same) != 1:
            absent.append(item.name)
            continue
        items.append(replace(item, mask=same[0]))
    if absent:
        raise InputError(
            folder, f"has no mask for {len(absent)} of {len(found.items)} images: {few(absent)}."
        )
    return replace(found, items=tuple(items))


def _arrays(folder: Path, stem: str = "") -> list[Path]:
    return _beside(folder, ARRAYS, stem)


def _tables(folder: Path, stem: str = "") -> list[Path]:
    return _beside(folder, TABLES, stem)


def _beside(folder: Path, suffixes: tuple[str, ...], stem: str) -> list[Path]:
    """Files of these suffixes; only those of this stem where there are any."""
    found = sorted(
        each
        for each in folder.iterdir()
        if each.suffix.lower() in suffixes and each.name[0] not in "._"
    )
    same = [each for each in found if stem and each.stem == stem]
    return same or found
