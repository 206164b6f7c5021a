"""ND2 (Nikon) through nd2. A frame that was never written is an error, never zeros."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.io.read_picture import RGB
from lucyte.io.scene import Scene
from lucyte.io.tiff_sizes import square
from lucyte.schema.errors import InputError

_FRAME = ("C", "Y", "X", "S")


def scenes(path: Path) -> tuple[Scene, ...]:
    """One image per stage position of an ND2 file.

    Raises
    ------
    InputError
        Cut off, or damaged (the map of its parts stands at its end).
    """
    import nd2

    with nd2.ND2File(path) as file:
        sizes = dict(file.sizes)
        loops = tuple((axis, n) for axis, n in sizes.items() if axis not in _FRAME)
        names = _position_names(file, sizes.get("P", 1))
        absent = sum(
            _offset(file, i) is None for i in range(int(np.prod([n for _, n in loops] or [1])))
        )
        notes = (f"{absent} frames are missing",) if absent else ()
        pixel, uneven = square(*_calibrated(file)[:2])
        samples = sizes.get("S", 1)
        channels = tuple(str(c.channel.name) for c in file.metadata.channels or ())
        count = sizes.get("C", 1) * samples
        # nd2 gives frames as C Y X S; colour samples become channels.
        kept = tuple((axis, n) for axis, n in loops if axis != "P")
        return tuple(
            Scene(
                path=str(path),
                format="ND2",
                name=name,
                axes=(*(axis for axis, _ in kept), "C", "Y", "X"),
                shape=(*(n for _, n in kept), count, sizes["Y"], sizes["X"]),
                dtype=np.dtype(file.dtype).newbyteorder("="),
                inner=3,
                read=_ReadNd2(str(path), loops, position, samples),
                channels=RGB if samples == 3 and sizes.get("C", 1) == 1 else channels,
                pixel_size_um=pixel,
                z_step_um=_z_step(file) if "Z" in sizes else None,
                interval_s=_interval(file) if "T" in sizes else None,
                problems=uneven + notes,
                files=(str(path),),
            )
            for position, name in enumerate(names)
        )


@dataclass(frozen=True)
class _ReadNd2:
    path: str
    loops: tuple[tuple[str, int], ...]
    position: int
    samples: int

    def __call__(self, index: tuple[int, ...]) -> npt.NDArray[Any]:
        import nd2

        rest = iter(index)
        where = tuple(self.position if axis == "P" else next(rest) for axis, _ in self.loops)
        lengths = tuple(n for _, n in self.loops)
        frame = int(np.ravel_multi_index(where, lengths)) if lengths else 0
        with nd2.ND2File(self.path) as file:
            if _offset(file, frame) is None:
                raise InputError(
                    self.path,
                    f"frame {frame} is missing;",
                    "it would read as zeros, so it is refused. Copy or export the file again.",
                )
            attributes = file.attributes
            height, width = int(attributes.heightPx), int(attributes.widthPx or 0)
            pixels = np.array(file.read_frame(frame))
        count = attributes.componentCount // self.samples
        if self.samples > 1:
            pixels = np.moveaxis(pixels.reshape(count, height, width, self.samples), 3, 1)
        return np.ascontiguousarray(pixels.reshape(count * self.samples, height, width))


def _offset(file: Any, frame: int) -> int | None:
    """Where a frame begins, or None where it is not in the file; nd2 itself would give zeros."""
    offsets = getattr(file._rdr, "_frame_offsets", None)
    if offsets is None:  # files of the older kind (JPEG 2000) have no such map
        return 0
    start: int | None = offsets.get(frame)
    attributes = file.attributes
    if start is None or attributes.compressionType == "lossless":
        return start
    rows, row = attributes.heightPx, attributes.widthBytes or 0
    return start if start + rows * row <= Path(file.path).stat().st_size else None


def _calibrated(file: Any) -> tuple[float | None, float | None, float | None]:
    """Sizes of a voxel in Y, X, Z in um; None along an axis the microscope did not calibrate."""
    channels = file.metadata.channels or ()
    if not channels:
        return None, None, None
    volume = channels[0].volume
    size = volume.axesCalibration
    known = volume.axesCalibrated
    y, x, z = (float(size[i]) if known[i] and size[i] > 0 else None for i in (1, 0, 2))
    return y, x, z


def _z_step(file: Any) -> float | None:
    for loop in file.experiment:
        if loop.type == "ZStackLoop" and loop.parameters.stepUm:
            return abs(float(loop.parameters.stepUm))
    return _calibrated(file)[2]


def _interval(file: Any) -> float | None:
    """Seconds between frames: as measured, else as asked for; None where phases differ."""
    for loop in file.experiment:
        if loop.type == "TimeLoop":
            phases = [loop.parameters]
        elif loop.type == "NETimeLoop":
            phases = list(loop.parameters.periods)
        else:
            continue
        steps = [_step_ms(phase) for phase in phases]
        known = [step for step in steps if step]
        if len(known) == len(steps) and known and max(known) <= 1.05 * min(known):
            return float(np.mean(known)) / 1000
    return None


def _step_ms(phase: Any) -> float:
    measured = getattr(phase.periodDiff, "avg", 0) if phase.periodDiff else 0
    return float(measured or phase.periodMs or 0)


def _position_names(file: Any, count: int) -> list[str]:
    for loop in file.experiment:
        if loop.type == "XYPosLoop" and len(loop.parameters.points) == count:
            return [point.name or "" for point in loop.parameters.points]
    return [""] * count
