"""Opens the models that a plan names, once per process."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from lucyte.networks.model_folder import read_folder
from lucyte.networks.shipped import model_digest, model_path
from lucyte.schema.errors import UsageError
from lucyte.schema.plan import SegmentSettings
from lucyte.segment.finder import Finder

if TYPE_CHECKING:
    from lucyte.networks.yolo_onnx import Precision


def open_finders(settings: SegmentSettings, base: Path) -> dict[str, Finder]:
    """The opened model of each ``model`` in the settings; relative paths start at ``base``.

    Raises
    ------
    UsageError, InputError
        An unknown name, a folder that is no model, a damaged model, no such device.
    """
    return {
        name: open_finder(
            model_path(name, base), name, settings.engine, settings.device, settings.tta
        )
        for name in _models(settings)
    }


def model_digests(settings: SegmentSettings, base: Path) -> Mapping[str, str]:
    """SHA-256 of the files of each model in the settings."""
    return {name: model_digest(model_path(name, base)) for name in _models(settings)}


def _models(settings: SegmentSettings) -> list[str]:
    named = [each.model for each in settings.objects if each.method == "network" and each.model]
    return list(dict.fromkeys(named))


@lru_cache(maxsize=4)
def open_finder(
    path: Path, name: str, engine: str = "auto", device: str = "auto", tta: bool = False
) -> Finder:
    """A model ready to find objects: a model folder or an ONNX file."""
    if path.is_dir():
        from lucyte.segment.network import ObjectFinder

        return ObjectFinder(read_folder(path), name, engine, device, threads=1, tta=tta)
    from lucyte.networks.yolo_onnx import read_yolo
    from lucyte.segment.foreign_finder import ForeignFinder

    if engine == "torch" or device == "cuda":
        raise UsageError(f"model {name} is an ONNX file, which runs in OpenVINO on the CPU.")
    if tta:
        raise UsageError(f"model {name} is an ONNX file; mirrored looks (tta) are not for it.")
    precision: Precision = "bf16" if engine == "openvino-bf16" else "f32"
    return ForeignFinder(read_yolo(path, precision=precision, threads=1), name)
