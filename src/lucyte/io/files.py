"""Which image files a path means: a file, a folder, a glob."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lucyte.io.open import is_image
from lucyte.schema.errors import InputError

TRUTH_FOLDER = re.compile(
    r"(?:labels?|masks?|boxes|annotations?|truth|ground_?truth|\d\d_(?:GT|ST|RES|ERR_\w+))",
    re.IGNORECASE,
)
"""Names of subfolders that hold what is known about images, not images."""


@dataclass(frozen=True)
class Listing:
    """The image files under a path.

    Attributes
    ----------
    root : Path
        The folder that was given (of a file: its folder; of a glob: the part without wildcards).
    images : tuple of Path
        Sorted; OME-Zarr folders count as one image.
    truth : tuple of Path
        Subfolders left aside because their names say truth, sorted.
    """

    root: Path
    images: tuple[Path, ...]
    truth: tuple[Path, ...] = ()

    def below(self, path: Path) -> str:
        """A file's path below the root, with ``/``."""
        return path.relative_to(self.root).as_posix()

    def text(self, path: Path) -> str:
        """What layouts read: the path below the root after the root's own two last names."""
        root = self.root.absolute()
        return "/".join(part for part in (root.parent.name, root.name, self.below(path)) if part)


def list_images(path: str | Path, base: Path | None = None) -> Listing:
    """Find the images that a path means. Hidden files and files that are no images are passed by.

    Parameters
    ----------
    path : str or Path
        File, folder or glob (``*``, ``?``, ``[...]``, ``**``).
    base : Path, optional
        What a relative path is relative to.

    Raises
    ------
    InputError
        Nothing there, or nothing there that Lucyte reads.
    """
    full = Path(base or ".") / Path(path).expanduser()
    short = Path(os.path.normpath(full))
    full = short if short.exists() or not full.exists() else full
    if not full.exists() and glob.has_magic(str(path)):
        return _from_glob(full)
    if not full.exists():
        raise InputError(full, "no such file or folder.", "Give a file, a folder or a glob.")
    if full.is_file() or full.suffix == ".zarr":
        if full.is_file() and not is_image(full):
            raise InputError(full, "is not an image that Lucyte reads.", "See: lucyte info --help")
        return Listing(full.parent, (full,))
    images, truth = _walk(full)
    if not images:
        raise InputError(full, "holds no image that Lucyte reads.", "See: lucyte info --help")
    return Listing(full, tuple(images), tuple(truth))


def _from_glob(full: Path) -> Listing:
    parts = full.parts
    plain = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    root = Path(*parts[:plain]) if plain else Path()
    pattern = str(Path(*parts[plain:]))
    found = sorted(root / hit for hit in glob.glob(pattern, root_dir=root, recursive=True))  # noqa: PTH207
    images: list[Path] = []
    for hit in found:
        if hit.is_dir() and hit.suffix != ".zarr":
            images.extend(_walk(hit)[0])
        elif hit.suffix == ".zarr" or is_image(hit):
            images.append(hit)
    if not images:
        raise InputError(full, "matches no image that Lucyte reads.", "Quote the glob in a shell.")
    return Listing(root, tuple(sorted(set(images), key=str)))


def _walk(root: Path) -> tuple[list[Path], list[Path]]:
    images: list[Path] = []
    truth: list[Path] = []
    for folder, names, files in os.walk(root, followlinks=True):
        here = Path(folder)
        names[:] = sorted(n for n in names if n[0] not in "._" and not _turns_back(here / n))
        aside = [name for name in names if TRUTH_FOLDER.fullmatch(name)]
        truth.extend(here / name for name in aside)
        images.extend(here / name for name in names if name.endswith(".zarr"))
        names[:] = [name for name in names if name not in aside and not name.endswith(".zarr")]
        images.extend(here / name for name in _image_names(here, files))
    return sorted(images, key=lambda path: path.parts), truth


def _turns_back(folder: Path) -> bool:
    """Whether this is a link to a folder that it lies in, which would never end."""
    if not folder.is_symlink():
        return False
    above = folder.parent.resolve()
    return folder.resolve() in (above, *above.parents)


def _image_names(folder: Path, files: list[str]) -> Iterator[str]:
    for name in files:
        if name[0] != "." and is_image(folder / name):
            yield name
