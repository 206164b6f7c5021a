"""Truth in the YOLO form: one text file per image, boxes or outlines relative to its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from lucyte.io.annotated_image import Annotation
from lucyte.io.annotated_labels import from_labels
from lucyte.io.annotated_paint import Piece, overlap_problems, paint, present
from lucyte.io.coco import polygon_piece
from lucyte.io.truth import read_yolo_boxes
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.objects import BOX

NAME_FILES = ("classes.txt", "obj.names", "classes.names")
NOTES = (*NAME_FILES, "readme.txt", "notes.txt", "license.txt", "train.txt", "val.txt", "test.txt")
"""Text files that are no truth of an image."""
LARGEST_YAML = 2**20


@dataclass(frozen=True)
class YoloTruth:
    """A text file of boxes, ``class x y width height``, or of outlines, ``class x y x y x y ...``.

    Attributes
    ----------
    path : str
    names : tuple of str
        Of the classes; empty where nothing names them and all objects are of class 0.
    """

    path: str
    names: tuple[str, ...] = ()

    def check(self, shape_yx: tuple[int, int]) -> None:
        """Relative boxes fit every size."""

    def read(self, shape_yx: tuple[int, int]) -> Annotation:
        """Read the file; what lies beyond the border is cut. No line: there is nothing to see."""
        height, width = shape_yx
        if is_empty(Path(self.path)):
            told = from_labels(np.zeros(shape_yx, dtype=np.int32))
            return Annotation(told.labels, told.boxes, () if self.names else None)
        if has_outlines(Path(self.path)):
            return self._outlines(shape_yx)
        table = read_yolo_boxes(self.path, width, height)
        problems = [
            f"box on line {line} reaches outside the image and was cut"
            for line in table.attrs["cut_lines"]
        ]
        if table.attrs["empty_lines"]:
            problems.append(f"{counted(len(table.attrs['empty_lines']))} of no area left out")
        classes = self._classes([int(kind) for kind in table["class_id"]])
        boxes = table[list(BOX)].to_numpy(dtype=np.float32).reshape(-1, 4)
        return Annotation(None, boxes, classes, tuple(problems))

    def _outlines(self, shape_yx: tuple[int, int]) -> Annotation:
        height, width = shape_yx
        pieces: list[Piece] = []
        kinds: list[int] = []
        bare = 0
        for number, line in enumerate(_lines(Path(self.path)), start=1):
            if not line.strip():
                continue
            numbers = _numbers(self.path, number, line)
            x, y = np.array(numbers[1::2]) * width, np.array(numbers[2::2]) * height
            piece = polygon_piece([np.column_stack([x, y]).ravel().tolist()], shape_yx)
            if piece is None:
                bare += 1
                continue
            pieces.append(piece)
            kinds.append(int(numbers[0]))
        painted = paint(pieces, shape_yx)
        problems = overlap_problems(painted.overlaps)
        there = present(painted.labels)
        bare += len(pieces) - len(there)
        if bare:
            problems.append(f"outlines without a visible pixel left out: {bare}")
        told = from_labels(painted.labels, problems)
        classes = self._classes([kinds[k - 1] for k in there])
        return Annotation(told.labels, told.boxes, classes, told.problems)

    def _classes(self, kinds: list[int]) -> tuple[str, ...] | None:
        known = self.names or ("0",)
        for kind in kinds:
            if not 0 <= kind < len(known):
                raise InputError(
                    self.path,
                    f"speaks of class {kind}; known are "
                    + ", ".join(f"{i} {name}" for i, name in enumerate(known))
                    + ".",
                    "Correct the file, or name the class in classes.txt or data.yaml.",
                )
        return tuple(known[kind] for kind in kinds) if self.names else None


def counted(boxes: int) -> str:
    """``1 box``, ``2 boxes``."""
    return f"{boxes} box" if boxes == 1 else f"{boxes} boxes"


def is_empty(path: Path) -> bool:
    """Whether a YOLO file says that its image holds no object."""
    return not any(line.strip() for line in _lines(path))


def has_outlines(path: Path) -> bool:
    """Whether the first object of a YOLO file is an outline, not a box."""
    first = next((line.split() for line in _lines(path) if line.strip()), [])
    return len(first) >= 7 and len(first) % 2 == 1


def class_names(folders: Sequence[Path], files: Sequence[Path]) -> tuple[str, ...]:
    """What the classes are called.

    From ``classes.txt`` or ``obj.names`` (a name a line) or ``names`` of a ``.yaml`` in one of
    the folders. Where there is none, the numbers that the text files hold, or nothing where that
    is only 0.

    Raises
    ------
    InputError
        A yaml file that cannot be read.
    """
    for folder in folders:
        for name in NAME_FILES:
            if (folder / name).is_file():
                return tuple(line.strip() for line in _lines(folder / name) if line.strip())
        for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
            names = _yaml_names(path)
            if names:
                return names
    kinds = {line.split()[0] for path in files for line in _lines(path) if line.strip()}
    numbers = [int(kind) for kind in kinds if kind.isdecimal() and int(kind) < 10_000]
    return tuple(str(i) for i in range(max(numbers) + 1)) if max(numbers, default=0) else ()


def _yaml_names(path: Path) -> tuple[str, ...]:
    """``names`` as a list or as number: name. The safe loader makes plain data, never objects."""
    yaml: Any = import_module("yaml")  # untyped
    if path.stat().st_size > LARGEST_YAML:
        raise InputError(path, "is too large for a list of class names.")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(path, f"is no readable YAML ({reason}).") from None
    names = data.get("names") if isinstance(data, dict) else None
    if isinstance(names, dict) and all(isinstance(key, int) for key in names):
        if sorted(names) != list(range(len(names))):
            raise InputError(path, f"numbers its classes {sorted(names)}; they count from 0.")
        names = [names[key] for key in sorted(names)]
    if names is None:
        return ()
    if not isinstance(names, list) or not all(isinstance(n, str | int) for n in names):
        raise InputError(path, "its 'names' is neither a list of names nor number: name.")
    return tuple(str(name) for name in names)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"is no readable text file ({error}).") from None


def _numbers(path: str, number: int, line: str) -> list[float]:
    try:
        numbers = [float(part) for part in line.split()]
    except ValueError:
        numbers = []
    if len(numbers) < 7 or len(numbers) % 2 == 0 or numbers[0] != int(numbers[0]):
        raise InputError(
            path,
            f"line {number} is not 'class x y x y x y ...' like the first: {line.strip()[:60]!r}.",
        )
    if not np.isfinite(numbers).all() or min(numbers[1:]) < -1 or max(numbers[1:]) > 2:
        raise UsageError(f"{path}: line {number} lies far outside the image; outlines are 0 to 1.")
    return numbers
