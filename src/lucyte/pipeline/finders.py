"""Opens the models that a plan names, once per process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lucyte.networks.checkpoint_folder import digest, weight_files
from lucyte.networks.model_folder import CARD_FILE, read_folder
from lucyte.networks.shipped import model_digest, model_path
from lucyte.schema.errors import UsageError
from lucyte.schema.plan import SegmentSettings
from lucyte.segment.finder import Finder, finder_key

if TYPE_CHECKING:
    from lucyte.networks.yolo_onnx import Precision
    from lucyte.segment.outlined_finder import Outline

Made = TypeVar("Made")


def open_finders(settings: SegmentSettings, base: Path) -> dict[str, Finder]:
    """The opened model of each ``model`` in the settings; relative paths start at ``base``.

    Raises
    ------
    UsageError, InputError
        An unknown name, a folder that is no model, a damaged model, no such device.
    """
    found: dict[str, Finder] = {}
    for each in settings.objects:
        if each.method != "network" or each.model is None:
            continue
        path = model_path(each.model, base)
        finder = open_finder(path, each.model, settings.engine, settings.device, settings.tta)
        if each.outlines is not None:
            from lucyte.segment.outlined_finder import OutlinedFinder

            outline = open_outline(base / Path(each.outlines).expanduser(), settings.device)
            finder = OutlinedFinder(finder, outline)
        found[finder_key(each)] = finder
    return found


def model_digests(settings: SegmentSettings, base: Path) -> Mapping[str, str]:
    """SHA-256 of the files of each model in the settings."""
    found = {}
    for each in settings.objects:
        if each.method == "network" and each.model:
            found[each.model] = model_digest(model_path(each.model, base))
        if each.outlines is not None:
            path = base / Path(each.outlines).expanduser()
            crops = (path / CARD_FILE).is_file()
            found[each.outlines] = model_digest(path) if crops else digest(weight_files(path))
    return found


@lru_cache(maxsize=4)
def open_finder(
    path: Path, name: str, engine: str = "auto", device: str = "auto", tta: bool = False
) -> Finder:
    """A model ready to find objects: a model folder or an ONNX file."""
    if path.is_dir():
        from lucyte.segment.network import ObjectFinder

        stored = read_folder(path)
        return _named(name, lambda: ObjectFinder(stored, name, engine, device, threads=1, tta=tta))
    from lucyte.networks.yolo_onnx import read_yolo
    from lucyte.segment.foreign_finder import ForeignFinder

    if engine == "torch" or device == "cuda":
        raise UsageError(f"model {name} is an ONNX file, which runs in OpenVINO on the CPU.")
    if tta:
        raise UsageError(f"model {name} is an ONNX file; mirrored looks (tta) are not for it.")
    precision: Precision = "bf16" if engine == "openvino-bf16" else "f32"
    return ForeignFinder(read_yolo(path, precision=precision, threads=1), name)


@lru_cache(maxsize=4)
def open_outline(path: Path, device: str = "auto") -> Outline:
    """A model that draws masks in boxes: a folder of crop masks, or a SAM checkpoint."""
    from lucyte.segment.outlined_finder import crop_outlines, prompted_outlines

    if (path / CARD_FILE).is_file():
        from lucyte.networks.crop_masks import restore

        stored = read_folder(path)
        return crop_outlines(_named(str(path), lambda: restore(stored)))
    from lucyte.networks.engine import choose_engine
    from lucyte.networks.sam import read_sam

    return prompted_outlines(read_sam(path, device=choose_engine("torch", device)[1]))


def _named(name: str, make: Callable[[], Made]) -> Made:
    """What is made of a stored model; where it cannot be, the error says which model."""
    try:
        return make()
    except UsageError as error:
        raise UsageError(f"{name}: {error}" if name not in str(error) else str(error)) from None
