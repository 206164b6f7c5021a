"""Groups and classes of labelled pictures, and the reasons to refuse them."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from lucyte.io.labelled_items import Labelled, LabelledItem, SampleOptions, few
from lucyte.io.layouts import detect, find_layout, parse
from lucyte.schema.errors import InputError, UsageError

_TOLD = ("plate", "batch", "day", "well", "site")


def with_regex(found: Labelled, regex: str) -> Labelled:
    """Groups and levels from each picture's path.

    Raises
    ------
    UsageError
        No regular expression; one that does not fit a picture, or catches nothing in it.
    """
    try:
        pattern = re.compile(regex)
    except re.error as error:
        raise UsageError(f"--group-regex {regex!r} is not a regular expression: {error}.") from None
    matches = [pattern.search(item.name) for item in found.items]
    strange = [i.name for i, match in zip(found.items, matches, strict=True) if match is None]
    if strange:
        how_many = "any image" if len(strange) == len(matches) else f"{len(strange)} of them"
        raise UsageError(
            f"--group-regex {regex!r} does not fit {how_many} ({len(matches)} images), for "
            f"instance {strange[0]}."
        )
    items = []
    for item, match in zip(found.items, matches, strict=True):
        assert match is not None
        caught = {name: value or "" for name, value in match.groupdict().items()}
        levels = {name: value for name, value in caught.items() if name != "group"}
        if "group" in caught:
            group = caught["group"]
        elif caught:
            group = "/".join(caught.values())
        else:
            group = (match[1] if pattern.groups else match[0]) or ""
        if not group or not all(levels.values()):
            raise UsageError(f"--group-regex {regex!r} catches nothing in {item.name}.")
        items.append(replace(item, group=group, levels={**item.levels, **levels}))
    names = [name for name in pattern.groupindex if name != "group"]
    unit = "group" if "group" in pattern.groupindex or not names else "/".join(names)
    return replace(found, items=tuple(items), unit=unit, grouped=True)


def with_layout(found: Labelled, layout: str) -> Labelled:
    """Levels that file names tell; wells become the groups where nothing else was given.

    Raises
    ------
    UsageError
        An unknown layout, or one that was asked for and does not fit.
    """
    if layout == "none" or found.form not in ("folders", "pictures"):
        return found
    # The folder of a class is no plate.
    names = [
        item.name.partition("/")[2] if found.form == "folders" and item.label else item.name
        for item in found.items
    ]
    known = detect(names)[0] if layout == "auto" else find_layout(layout)
    parsed = [parse(known, name) if known else None for name in names]
    if known is None or any(each is None for each in parsed):
        if layout == "auto":
            return found
        strange = names[parsed.index(None)]
        raise UsageError(f"layout {layout!r} does not fit {strange}; choose another with --layout.")
    told = [{k: v for k in _TOLD if (v := str(getattr(each, k, "") or ""))} for each in parsed]
    if layout == "auto" and not all("well" in each for each in told):
        return found
    items = tuple(
        replace(item, levels={**each, **item.levels})
        for item, each in zip(found.items, told, strict=True)
    )
    found = replace(found, items=items)
    if found.grouped or not all("well" in each for each in told):
        return found
    grouped = [
        replace(i, group="/".join(i.levels[k] for k in ("plate", "well") if k in i.levels))
        for i in items
    ]
    note = f"No group was given: wells are kept together (file names of layout {known.name})."
    return replace(
        found, items=tuple(grouped), unit="well", grouped=True, notes=(*found.notes, note)
    )


def checked(found: Labelled, options: SampleOptions) -> Labelled:
    """Labels in one spelling, a group for each, or a refusal that names the culprit.

    Raises
    ------
    UsageError
        One class only, one group only, class names that cannot be told apart.
    InputError
        No picture.
    """
    if not found.items:
        raise InputError(found.culprit, "holds no image that Lucyte reads.")
    items = [replace(item, label=class_name(item.label, item.name)) for item in found.items]
    check_classes(sorted({item.label for item in items if item.label}))
    if options.training:
        _check_training(items, found)
    _check_names(items, found)
    notes = list(found.notes)
    if not found.grouped:
        items = [replace(item, group=item.name) for item in items]
        notes.append(
            "No group is known: each image counts as its own, so whether images are independent "
            "of one another is unknown (--group-regex or --group-column tells)."
        )
    return replace(found, items=tuple(items), notes=tuple(notes))


def class_name(text: str, where: str) -> str:
    """A class name in one spelling: composed letters, single spaces.

    Raises
    ------
    UsageError
        Letters that cannot be shown.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if any(unicodedata.category(letter).startswith("C") for letter in name):
        raise UsageError(f"class {name!r} of {where} holds a control character; rename it.")
    return name


def check_classes(classes: Sequence[str]) -> None:
    """Refuse names that would become one column: other case, spaces for underscores.

    Raises
    ------
    UsageError
        Two such names, or the name ``all``, which sums every class up.
    """
    seen: dict[str, str] = {}
    for name in classes:
        key = re.sub(r"[\s_-]+", "_", name).casefold()
        if key in seen:
            raise UsageError(
                f"classes {seen[key]!r} and {name!r} differ only in case or spaces; "
                "give them one name, or names that differ."
            )
        seen[key] = name
    if "all" in seen:
        raise UsageError(f"class {seen['all']!r} cannot be told from all classes; rename it.")


def _check_training(items: Sequence[LabelledItem], found: Labelled) -> None:
    nameless = [item.name for item in items if not item.label]
    if nameless:
        raise InputError(
            found.culprit,
            f"{len(nameless)} of {len(items)} images have no class: {few(nameless)}.",
            "Put each into the folder of its class, or list classes in a CSV (image, state).",
        )
    count = Counter(item.label for item in items)
    if len(count) < 2:
        only = next(iter(count))
        raise UsageError(
            f"{found.culprit}: got one class only ({only!r}, {count[only]} images); a classifier "
            "needs two or more."
        )
    groups = {item.group for item in items}
    if found.grouped and len(groups) < 2:
        raise UsageError(
            f"{found.culprit}: every image has the same {found.unit} ({next(iter(groups))!r}); a "
            "test on unseen groups needs two or more. Choose another with --group-column or "
            "--group-regex."
        )


def _check_names(items: Sequence[LabelledItem], found: Labelled) -> None:
    twice = [name for name, n in Counter(item.name for item in items).items() if n > 1]
    if twice:
        raise InputError(
            found.culprit,
            f"names {len(twice)} images more than once: {few(twice)}.",
            "Keep one row.",
        )
