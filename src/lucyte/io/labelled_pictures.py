"""Pixels of labelled pictures: headers first, so that all agree before any is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.io.labelled_fit import Frame, choose_frame, fitted
from lucyte.io.labelled_items import LabelledItem, SampleOptions, few
from lucyte.io.labelled_scratch import scratch_array
from lucyte.io.open import How, open_image, read_labels, scenes
from lucyte.io.scene import Scene, read_piece
from lucyte.schema.errors import InputError, LucyteError, UsageError, unknown

Array = npt.NDArray[Any]
Progress = Callable[[int, int], None]
RGB = ("R", "G", "B")
UNNAMED = ("C0",)


@dataclass(frozen=True)
class Pixels:
    """What was read.

    Attributes
    ----------
    images : array N C Y X
    channels : tuple of str
    masks : bool array N Y X or None
    items : tuple of LabelledItem
        Those that could be read, in order.
    notes, left_out : tuple of str
    pixel_size_um : float or None
    file_bytes : float array N
    """

    images: Array
    channels: tuple[str, ...]
    masks: npt.NDArray[np.bool_] | None
    items: tuple[LabelledItem, ...]
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    pixel_size_um: float | None = None
    file_bytes: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class _Header:
    item: LabelledItem
    channels: tuple[str, ...]
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    pixel_size_um: float | None
    read: Callable[[], Array]


def read_pictures(
    items: Sequence[LabelledItem], options: SampleOptions, progress: Progress | None = None
) -> Pixels:
    """Read pictures of one file each.

    Raises
    ------
    InputError
        Every picture is damaged; channels or pixel types that differ: names the culprit.
    UsageError
        Stacks or movies where pictures are due; unknown channels; sizes that need a word.
    """
    headers, damage = _headers(items, options)
    _one_type(headers)
    wanted, grey = _channels(headers)
    frame = choose_frame(
        [each.shape for each in headers],
        [each.item.name for each in headers],
        options.side_px,
        options.fit,
    )
    kept, images, masks = _load(headers, wanted, frame, options, damage, progress)
    if not kept:
        raise _all_damaged(items, damage)
    notes = [frame.note] if frame.note else []
    if wanted == RGB and not grey:
        grey = all(bool((i[0] == i[1]).all() and (i[0] == i[2]).all()) for i in images)
        images, wanted = (images[:, :1], UNNAMED) if grey else (images, wanted)
    if grey:
        notes.append("Red, green and blue are equal in every image: they count as one channel.")
    images, channels = chosen_channels(images, wanted, options.channels)
    size, said = _pixel_size(kept, frame)
    if damage:
        notes.append(f"{len(damage)} of {len(items)} images were left out: {few(damage)}.")
    return Pixels(
        images,
        channels,
        masks,
        tuple(each.item for each in kept),
        tuple(notes + said),
        tuple(damage),
        size,
        np.array([_bytes(each.item.path) for each in kept], dtype=np.float64),
    )


def chosen_channels(
    images: Array, have: tuple[str, ...], asked: Mapping[str, str] | Sequence[str]
) -> tuple[Array, tuple[str, ...]]:
    """Channels chosen and renamed by a mapping of new to old names, or named in order.

    Raises
    ------
    UsageError
        An old name that is not there, another number of names, a name twice.
    """
    names = tuple(asked)
    if len(set(names)) < len(names):
        raise UsageError(f"channel {Counter(names).most_common(1)[0][0]!r} is named twice.")
    if not names:
        return images, have
    if not isinstance(asked, Mapping):
        if len(names) != len(have):
            raise UsageError(
                f"got {len(names)} channel names ({', '.join(names)}) for {len(have)} channels "
                f"({', '.join(have)}); name each, or choose with NEW=OLD."
            )
        return images, names
    for old in asked.values():
        if old not in have:
            raise unknown("channel", old, have, "Map names with --channels NEW=OLD.")
    at = [have.index(old) for old in asked.values()]
    return (images if at == list(range(len(have))) else images[:, at]), names


def _headers(
    items: Sequence[LabelledItem], options: SampleOptions
) -> tuple[list[_Header], list[str]]:
    headers: list[_Header] = []
    damage: list[str] = []
    for item in items:
        try:
            headers.append(_header(item, options))
        except InputError as error:
            damage.append(_named(item, error))
    if not headers:
        raise _all_damaged(items, damage)
    return headers, damage


def _header(item: LabelledItem, options: SampleOptions) -> _Header:
    assert item.path is not None
    how = How(pages=options.pages)
    found = scenes(item.path, how)
    if len(found) == 1 and not options.select and (quick := _quick(item, found[0])) is not None:
        return quick  # one picture in one piece: no lazy array between
    series = item.series or None
    image = open_image(item.path, series=series, select=dict(options.select), how=how)
    deep = [f"{axis} ({image.sizes[axis]})" for axis in ("T", "Z") if axis in image.dims]
    if deep:
        raise UsageError(
            f"{item.path}: has axes {', '.join(deep)}, and a sample is one picture; choose one "
            "with --select, or train on stacks cut into patches (lucyte train classify --patch-px)."
        )
    channels = tuple(str(each) for each in image["C"].values) if "C" in image.dims else UNNAMED
    size = image.attrs.get("pixel_size_um")

    def read() -> Array:
        pixels = np.asarray(image.data)
        return pixels if pixels.ndim == 3 else pixels[None]

    shape = (image.sizes["Y"], image.sizes["X"])
    return _Header(item, channels, shape, image.dtype, size, read)


def _quick(item: LabelledItem, scene: Scene) -> _Header | None:
    if (
        scene.inner != len(scene.shape)
        or scene.refusal
        or scene.axes
        not in (
            ("Y", "X"),
            ("C", "Y", "X"),
        )
    ):
        return None
    channels = scene.channels or tuple(
        f"C{k}" for k in range(scene.shape[0] if len(scene.shape) == 3 else 1)
    )
    if not all(channels) or 0 in scene.shape:
        return None

    def read() -> Array:
        pixels = read_piece(scene, ())
        return pixels if pixels.ndim == 3 else pixels[None]

    shape = (scene.shape[-2], scene.shape[-1])
    return _Header(item, channels, shape, scene.dtype, scene.pixel_size_um, read)


def _one_type(headers: Sequence[_Header]) -> None:
    count = Counter(str(each.dtype) for each in headers)
    if len(count) < 2:
        return
    (usual, _), *_ = count.most_common()
    odd = next(each for each in headers if str(each.dtype) != usual)
    raise InputError(
        odd.item.name,
        f"has {odd.dtype} pixels where {count[usual]} other images have {usual};",
        "their intensities cannot be compared. Export all in one way.",
    )


def _channels(headers: Sequence[_Header]) -> tuple[tuple[str, ...], bool]:
    """Channels of the samples, and whether colour pictures among grey ones must prove grey."""
    count = Counter(each.channels for each in headers)
    (usual, _), *_ = count.most_common()
    single = [names for names in count if len(names) == 1]
    if set(count) == {RGB, *single} and len(single) == 1:
        return single[0], True
    for each in headers:
        if len(each.channels) != len(usual):
            raise InputError(
                each.item.name,
                f"has {len(each.channels)} channels ({', '.join(each.channels)}) where "
                f"{count[usual]} other images have {len(usual)} ({', '.join(usual)}).",
                "Classifiers need the same channels in every image.",
            )
        if set(each.channels) != set(usual):
            raise InputError(
                each.item.name,
                f"has channels {', '.join(each.channels)} where others have {', '.join(usual)}.",
                "Name them alike.",
            )
    return usual, False


def _load(
    headers: Sequence[_Header],
    channels: tuple[str, ...],
    frame: Frame,
    options: SampleOptions,
    damage: list[str],
    progress: Progress | None,
) -> tuple[list[_Header], Array, npt.NDArray[np.bool_] | None]:
    n = len(headers)
    images = scratch_array((n, len(channels), *frame.shape), headers[0].dtype, options.scratch_gb)
    masks = _mask_array(headers, frame, options)
    kept: list[_Header] = []
    for done, each in enumerate(headers, start=1):
        try:
            pixels = _ordered(each, each.read(), channels)
            own = _mask(each) if masks is not None else None
        except InputError as error:
            if isinstance(error, _Colour):
                raise
            damage.append(_named(each.item, error))
        else:
            images[len(kept)] = fitted(pixels, frame)
            if masks is not None and own is not None:
                masks[len(kept)] = fitted(own, frame, mask=True)
            kept.append(each)
        if progress is not None:
            progress(done, n)
    return kept, images[: len(kept)], None if masks is None else masks[: len(kept)]


class _Colour(InputError):
    """A coloured picture among grey ones is a matter of the data set, not of a damaged file."""


def _ordered(header: _Header, pixels: Array, channels: tuple[str, ...]) -> Array:
    if header.channels == channels:
        return pixels
    if len(channels) == 1:
        if not ((pixels[0] == pixels[1]).all() and (pixels[0] == pixels[2]).all()):
            raise _Colour(
                header.item.name,
                "is a colour image where others have one channel;",
                "classifiers need the same channels in every image.",
            )
        return pixels[:1]
    return pixels[[header.channels.index(name) for name in channels]]


def _mask_array(
    headers: Sequence[_Header], frame: Frame, options: SampleOptions
) -> npt.NDArray[np.bool_] | None:
    without = [each.item.name for each in headers if each.item.mask is None]
    if len(without) == len(headers):
        return None
    if without:
        raise InputError(
            without[0], f"has no mask, like {len(without)} of {len(headers)} images.", "Give each."
        )
    return scratch_array((len(headers), *frame.shape), np.bool_, options.scratch_gb)


def _mask(header: _Header) -> npt.NDArray[np.bool_]:
    assert header.item.mask is not None
    mask = read_labels(header.item.mask)
    if mask.shape != header.shape:
        raise InputError(
            header.item.mask, f"has shape {mask.shape}, its image {header.shape}.", "Redraw it."
        )
    return np.asarray(mask > 0)


def _pixel_size(kept: Sequence[_Header], frame: Frame) -> tuple[float | None, list[str]]:
    """The samples' pixel size where all agree; resampling changes it with the picture's size."""
    sizes: list[float | None] = []
    for each in kept:
        if each.pixel_size_um is None:
            sizes.append(None)
            continue
        scale = frame.shape[0] / max(each.shape) if frame.way == "resample" else 1.0
        sizes.append(each.pixel_size_um / scale)
    known = [size for size in sizes if size is not None]
    if not known:
        return None, []
    low, high = min(known), max(known)
    if len(known) == len(sizes) and high <= low * 1.01:
        return float(np.median(known)), []
    what = "is stated by some images only" if len(known) < len(sizes) else "differs"
    return None, [
        f"The pixel size {what} ({low:.4g} to {high:.4g} um), so it counts as unknown: equal sizes "
        "in px are not equal sizes in um."
    ]


def _all_damaged(items: Sequence[LabelledItem], damage: Sequence[str]) -> LucyteError:
    if len(items) == 1:
        return InputError(items[0].name, f"cannot be used: {damage[0]}.")
    return InputError(
        items[0].name, f"and all other images ({len(items)}) cannot be read: {few(damage)}."
    )


def _named(item: LabelledItem, error: InputError) -> str:
    return f"{item.name} ({error.problem.rstrip('.;')})"


def _bytes(path: Path | None) -> float:
    if path is None or not path.is_file():
        return float("nan")
    return float(path.stat().st_size)
