"""Files to a Plate: find, name, group, read headers, say what is wrong, join the plate map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lucyte.io.completeness import complete_frames, missing_frames, read_headers
from lucyte.io.field_source import FieldSource, Reading, renaming
from lucyte.io.files import Listing, list_images
from lucyte.io.layouts import (
    STRUCTURAL,
    Layout,
    Name,
    count_matches,
    detect,
    find_layout,
    layout_names,
    normal_well,
    parse,
    user_layout,
)
from lucyte.io.open import How
from lucyte.io.pairing import Group, group_files, split_series
from lucyte.io.platemap import join_platemap, read_platemap
from lucyte.io.zarr_plate import is_zarr_plate, zarr_fields
from lucyte.schema.errors import InputError, UsageError, unknown
from lucyte.schema.plan import InputSettings
from lucyte.schema.plate import Field, Plate, Problem, well_sort_key

HOLES = 0.1
"""A rectangle of wells with no more than this share absent was meant to be whole."""


@dataclass(frozen=True)
class Named:
    """Files with what their names say.

    Attributes
    ----------
    layout : str
    files : list of (path, name)
    reading : Reading
    problems : list of Problem
    alike : bool
        Whether the fields of one plate should have the same frames and size.
    """

    layout: str
    files: list[tuple[Path, Name]]
    reading: Reading
    problems: list[Problem]
    alike: bool = False

    @property
    def structural(self) -> bool:
        """Whether fields come from the folders, not from the names."""
        return self.layout in STRUCTURAL


def open_plate(settings: InputSettings, base: Path, listing: Listing | None = None) -> Plate:
    """Open a file, folder, glob or OME-Zarr plate as fields, reading headers only.

    Parameters
    ----------
    settings : InputSettings
    base : Path
        What ``settings.path`` and ``settings.plate_map`` are relative to: the plan's folder.
    listing : Listing, optional
        The image files, where not all below ``settings.path`` are meant.

    Returns
    -------
    Plate
        Ordered by plate, well, site. What is missing, doubled, damaged or unlike the rest is
        left out and named in ``problems``; nothing is filled in.

    Raises
    ------
    InputError
        Nothing to read; a damaged file where ``on_damaged = "stop"``.
    UsageError
        Unknown layout, pattern, channel, well or frame; a plate map that does not fit.
    """
    named = name_files(settings, base, listing)
    groups, problems = group_files(named.files)
    problems = named.problems + problems
    groups = _only_wells(groups, settings.wells)
    groups = _only_times(groups, settings.time_indices)
    groups = split_series(groups)
    groups, damaged = read_headers(groups, named.reading, stop=settings.on_damaged == "stop")
    problems += damaged
    groups, incomplete = complete_frames(groups, structural=named.structural)
    problems += incomplete + missing_frames(groups, settings.time_indices, alike=named.alike)
    problems += _odd_sizes(groups) if named.alike else []
    if not groups:
        first = problems[0].message if problems else ""
        raise InputError(settings.path, "no field can be read.", first)
    fields = tuple(_field(group, named.reading, settings) for group in groups)
    fields = _unique(fields) if named.structural else fields
    if settings.plate_map is not None:
        path = base / Path(settings.plate_map).expanduser()
        fields, unjoined = join_platemap(fields, read_platemap(path), path.name)
        problems += [p for p in unjoined if not (settings.wells and p.kind == "missing_well")]
    elif not settings.wells:
        problems += _empty_wells(fields)
    ordered = sorted(fields, key=_reading_order)
    return Plate(tuple(ordered), named.layout, tuple(problems))


def name_files(settings: InputSettings, base: Path, listing: Listing | None = None) -> Named:
    """Find the files and let a layout read their names.

    Raises
    ------
    InputError, UsageError
        As ``open_plate``.
    """
    if settings.layout not in layout_names():
        raise unknown("layout", settings.layout, layout_names(), "Or give a pattern.")
    select = tuple(sorted(settings.select.items()))
    how = How(settings.max_gb, settings.pages, settings.empty_chunks)
    whole = base / Path(settings.path).expanduser()
    listing = listing or list_images(settings.path, base)
    plates = [path for path in listing.images if is_zarr_plate(path)]
    if settings.layout in ("auto", "ome-zarr-plate") and len(plates) == len(listing.images):
        return _zarr_plates(plates, Reading(select=select, how=how))
    if settings.layout == "ome-zarr-plate":
        raise InputError(whole, "is no OME-Zarr plate.", "Use layout auto.")
    problems: list[Problem] = []
    if settings.pattern is not None:
        row = find_layout(settings.layout) if settings.layout not in ("auto", *STRUCTURAL) else None
        return _by_layout(listing, user_layout(settings.pattern, row), select, how)
    if settings.layout == "auto":
        layout, _, why = detect([listing.text(path) for path in listing.images])
        if layout is not None:
            return _by_layout(listing, layout, select, how)
        if "both read" in why or "reads only" in why:
            problems.append(Problem(str(listing.root), "other", f"{why}; read as plain files."))
        structure = "folder-per-class" if _looks_like_classes(listing) else "plain"
    elif settings.layout in STRUCTURAL:
        structure = settings.layout
    else:
        return _by_layout(listing, find_layout(settings.layout), select, how)
    files = _by_class(listing) if structure == "folder-per-class" else _plain(listing)
    return Named(structure, files, Reading(select=select, how=how), problems)


def _by_layout(
    listing: Listing, layout: Layout, select: tuple[tuple[str, int], ...], how: How
) -> Named:
    read = {
        path: parse(layout, listing.below(path) if layout.anywhere else listing.text(path))
        for path in listing.images
    }
    files = [(path, name) for path, name in read.items() if name is not None]
    if not files:
        example = listing.below(listing.images[0])
        like = f" Its names look like {layout.example}." if layout.example else ""
        what = f"pattern {layout.pattern!r}" if layout.anywhere else f"layout {layout.name!r}"
        raise UsageError(
            f"{what} reads none of the {len(listing.images)} images in {listing.root}, "
            f"for instance {example}.{like} Allowed: {', '.join(layout_names())}, or a pattern."
        )
    texts = {path: listing.text(path) for path, name in read.items() if name is None}
    strange = [p for p, text in texts.items() if not count_matches(layout, [text])]
    problems = []
    if strange:
        shown = ", ".join(listing.below(path) for path in strange[:3])
        more = " ..." if len(strange) > 3 else ""
        text = f"{len(strange)} images do not fit layout {layout.name} and are left out: "
        problems.append(Problem(str(listing.root), "unmatched", text + shown + more))
    reading = Reading(layout.decode, select, layout.flags, how)
    return Named(layout.name, files, reading, problems, layout.alike)


def _zarr_plates(plates: Sequence[Path], reading: Reading) -> Named:
    images: list[tuple[Path, Name]] = []
    problems: list[Problem] = []
    for path in plates:
        inside, broken = zarr_fields(path)
        images += inside
        for folder, text in broken:
            kind = "damaged" if folder.is_dir() else "missing_well"
            problems.append(Problem(str(folder), kind, f"{text} It is left out."))
    if not images:
        raise InputError(plates[0], "is an OME-Zarr plate without images.")
    return Named("ome-zarr-plate", images, reading, problems, alike=True)


def _looks_like_classes(listing: Listing) -> bool:
    """Every image one folder down, two folders or more, none a plate of its own."""
    parts = [listing.below(path).split("/") for path in listing.images]
    if any(len(each) != 2 or each[1].endswith(".zarr") for each in parts):
        return False
    folders = {each[0] for each in parts}
    if len(folders) < 2 or any(name.lower() == "images" for name in folders):
        return False
    return all(
        detect([listing.text(p) for p in listing.images if listing.below(p).startswith(f"{f}/")])[0]
        is None
        for f in sorted(folders)
    )


def _by_class(listing: Listing) -> list[tuple[Path, Name]]:
    files = []
    for path in listing.images:
        folder, _, rest = listing.below(path).partition("/")
        if not rest:
            raise InputError(
                path, "lies beside the class folders.", "Move it into its class, or use plain."
            )
        stem = rest.removesuffix(path.suffix).replace("/", "_")
        files.append((path, Name(condition=folder, site=f"{folder}_{stem}")))
    return files


def _plain(listing: Listing) -> list[tuple[Path, Name]]:
    stems = Counter(path.stem for path in listing.images)
    files = []
    for path in listing.images:
        if is_zarr_plate(path):
            files.extend(zarr_fields(path)[0])
            continue
        alone = stems[path.stem] == 1
        below = listing.below(path)
        files.append((path, Name(site=path.stem if alone else below.replace("/", "_"))))
    return files


def _only_wells(groups: list[Group], wells: Sequence[str]) -> list[Group]:
    if not wells:
        return groups
    have = sorted({group.name.well for group in groups}, key=well_sort_key)
    wanted = [normal_well(well) for well in wells]
    for well, given in zip(wanted, wells, strict=True):
        if well not in have:
            raise unknown("well", given, [name or "(none)" for name in have])
    return [group for group in groups if group.name.well in wanted]


def _only_times(groups: list[Group], times: Sequence[int]) -> list[Group]:
    """Files of other frames are never opened; frames inside files are chosen later."""
    told = {time for group in groups for time in group.times}
    if not times or not told:
        return groups
    for time in times:
        if time not in told:
            raise unknown("time index", str(time), [str(t) for t in sorted(told)])
    for group in groups:
        group.slots = [slot for slot in group.slots if slot.time_index in (None, *times)]
    return [group for group in groups if group.slots]


def _field(group: Group, reading: Reading, settings: InputSettings) -> Field:
    header = group.header
    if header is None:
        raise InputError(group.slots[0].path, "was never opened.")
    source = FieldSource(
        slots=tuple(group.slots),
        header=header,
        reading=reading,
        pixel_size_um=settings.pixel_size_um,
        interval_s=settings.interval_s,
    )
    source = replace(source, rename=renaming(settings.channels, source.channels))
    inside = settings.time_indices and not group.times and "T" in header.dims
    if inside:
        for time in settings.time_indices:
            if time not in header.time_indices:
                raise unknown("time index", str(time), [str(t) for t in header.time_indices])
        source = replace(source, keep_times=tuple(settings.time_indices))
    name = group.name
    height, width = header.frame_shape
    return Field(
        plate=name.plate or "_".join(part for part in (name.batch, name.day) if part),
        batch=name.batch,
        day=name.day,
        well=name.well,
        site=name.site,
        condition=name.condition,
        source=source,
        channels=source.channels,
        time_indices=source.time_indices,
        shape_yx=(height, width),
        z_planes=source.z_planes,
        pixel_size_um=settings.pixel_size_um or header.pixel_size_um,
        interval_s=settings.interval_s or header.interval_s,
        flags=header.flags,
    )


def _unique(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """Sites that differ only in signs that a file name cannot hold get a number."""
    seen: Counter[str] = Counter()
    unique = []
    for each in fields:
        seen[each.field_id] += 1
        count = seen[each.field_id]
        unique.append(each if count == 1 else replace(each, site=f"{each.site}.{count}"))
    return tuple(unique)


def _odd_sizes(groups: Sequence[Group]) -> list[Problem]:
    """Fields of another size than most fields of the same plate; they stay."""
    problems = []
    for plate in sorted({group.name.plate for group in groups}):
        mine = [g for g in groups if g.name.plate == plate and g.header is not None]
        shapes = Counter(g.header.frame_shape for g in mine if g.header is not None)
        usual = shapes.most_common(1)[0][0]
        for group in mine:
            shape = group.header.frame_shape if group.header else usual
            if shape != usual:
                text = f"is {shape[0]} x {shape[1]} px, most fields are {usual[0]} x {usual[1]}."
                problems.append(Problem(group.label, "other", f"field {group.label} {text}"))
    return problems


def _empty_wells(fields: Sequence[Field]) -> list[Problem]:
    """Wells absent from a rectangle that is otherwise nearly full."""
    problems = []
    for plate in sorted({each.plate for each in fields}):
        wells = {each.well for each in fields if each.plate == plate}
        keys = {well: well_sort_key(well) for well in wells}
        proper = {well: key for well, key in keys.items() if key[0] == 0}
        rows = sorted({key[1] for key in proper.values()})
        columns = sorted({key[2] for key in proper.values()})
        grid = {f"{row.strip()}{column:02d}" for row in rows for column in columns}
        missing = sorted(grid - set(proper), key=well_sort_key)
        if missing and len(missing) <= HOLES * len(grid):
            problems += [
                Problem(well, "missing_well", f"well {well} of plate {plate or '-'} has no images.")
                for well in missing
            ]
    return problems


def _reading_order(each: Field) -> tuple[object, ...]:
    site = (0, int(each.site), "") if each.site.isdigit() else (1, 0, each.site)
    return (each.plate, well_sort_key(each.well), site, each.condition)
