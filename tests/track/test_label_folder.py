"""``lucyte track`` on folders that are odd or wrong: the right lineage or one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import tifffile
from scipy import ndimage
from skimage.draw import disk

from lucyte.pipeline.track_labels import track_labels
from lucyte.schema.errors import InputError, UsageError
from lucyte.track.pieces import pieces_of, why_no_labels

SHAPE = (120, 140)
Image = npt.NDArray[Any]


def movie(
    frames: int = 6,
    step: int = 3,
    cells: int = 5,
    name: Callable[[int, int], int] = lambda cell, time: cell + 1,
    radius: int = 9,
    shape: tuple[int, int] = SHAPE,
) -> list[Image]:
    """Discs that march to the right."""
    images: list[Image] = []
    for time in range(frames):
        image = np.zeros(shape, np.int32)
        for cell in range(cells):
            y, x = 20 + 20 * cell, 20 + (17 * cell) % 60 + step * time
            spot = disk((y, x), radius, shape=shape)  # type: ignore[no-untyped-call]
            image[spot] = name(cell, time)
        images.append(image)
    return images


def write(folder: Path, images: Sequence[Image], numbers: Sequence[int] | None = None) -> Path:
    folder.mkdir(parents=True)
    for number, image in zip(numbers or range(len(images)), images, strict=True):
        tifffile.imwrite(folder / f"mask{number:03d}.tif", image)
    return folder


def tracks(out: Path) -> list[list[int]]:
    """``L B E P`` of what was written."""
    path = out / "res_track.txt"
    return (
        np.loadtxt(path, dtype=int, ndmin=2).reshape(-1, 4).tolist() if path.stat().st_size else []
    )


def run(
    tmp_path: Path,
    frames: Sequence[Image],
    images: Path | None = None,
    numbers: Sequence[int] | None = None,
) -> tuple[str, list[list[int]]]:
    folder = write(tmp_path / "labels", frames, numbers)
    told = track_labels(folder, tmp_path / "out", {}, images)
    return told, tracks(tmp_path / "out")


def picture_of(image: Image) -> Image:
    rng = np.random.default_rng(0)
    return (rng.poisson(50, image.shape) + 100 * (image > 0)).astype(np.uint16)


@pytest.mark.parametrize("with_images", [False, True])
def test_empty_frames(tmp_path: Path, with_images: bool) -> None:
    blank = np.zeros(SHAPE, np.int32)
    labels = [blank, *movie()[1:3], blank, blank]
    images = None
    if with_images:
        images = write(tmp_path / "images", [picture_of(each) for each in labels])
    told, lbep = run(tmp_path, labels, images=images)
    assert told.startswith("Linked 10 objects in 5 frames into 5 tracks with 0 divisions.")
    assert [row[1:] for row in lbep] == [[1, 2, 0]] * 5


def test_nothing_at_all(tmp_path: Path) -> None:
    told, lbep = run(tmp_path, [np.zeros(SHAPE, np.int32)] * 2)
    assert told.startswith("Linked 0 objects in 2 frames into 0 tracks")
    assert lbep == []


def test_one_frame_and_one_object(tmp_path: Path) -> None:
    assert len(run(tmp_path / "frame", movie(frames=1))[1]) == 5
    assert run(tmp_path / "object", movie(cells=1))[1] == [[1, 0, 5, 0]]


@pytest.mark.parametrize("factor", [1237, 30_000_000])
def test_labels_that_jump(tmp_path: Path, factor: int) -> None:
    images = movie(name=lambda cell, time: 1 + (cell * 7 + time * 3) % 70 * factor)
    assert len({int(image.max()) for image in images}) == 6, "premise: numbers change"
    _, lbep = run(tmp_path, images)
    assert [row[1:] for row in lbep] == [[0, 5, 0]] * 5


def test_one_pixel_objects(tmp_path: Path) -> None:
    images = movie(radius=1)
    assert (images[0] > 0).sum() == 5, "premise: one pixel each"
    assert len(run(tmp_path, images)[1]) == 5


def test_frames_of_different_size(tmp_path: Path) -> None:
    images = [image[: 120 - 3 * t, : 140 - 4 * t] for t, image in enumerate(movie())]
    assert len(run(tmp_path, images)[1]) == 5


def test_pictures_of_another_size_are_named(tmp_path: Path) -> None:
    images = write(tmp_path / "images", [picture_of(each)[:100] for each in movie()])
    with pytest.raises(UsageError, match=r"labels of cell are \(120, 140\), the image is \(100, "):
        run(tmp_path, movie(), images=images)


def test_missing_time_points_are_told(tmp_path: Path) -> None:
    images = movie()
    told, lbep = run(tmp_path, [images[t] for t in (0, 1, 4, 5)], numbers=(0, 1, 4, 5))
    assert "Frames missing from" in told
    assert told.rstrip().endswith("labels: 2, 3.")
    assert told.startswith("Linked 20 objects in 4 frames into 5 tracks")
    parts = sorted(row[1:] for row in lbep)
    assert parts == [[0, 1, 0]] * 5 + [[4, 5, mother] for mother in range(1, 6)]


def test_a_drift_larger_than_a_cell(tmp_path: Path) -> None:
    still = movie(frames=4, step=0, cells=6, shape=(160, 260))
    images = [np.roll(image, 25 * time, 1) for time, image in enumerate(still)]
    folder = write(tmp_path / "labels", images)
    track_labels(folder, tmp_path / "out", {}, forms=["parquet"])
    nodes = pd.read_parquet(tmp_path / "out" / "tracks.parquet")
    assert nodes.groupby("track_id")["label"].nunique().eq(1).all()
    assert nodes["track_id"].nunique() == 6


def test_a_label_in_two_pieces_is_one_object_and_told(tmp_path: Path) -> None:
    images = movie()
    for image in images:
        image[110:118, 110:135] = 1
    told, lbep = run(tmp_path, images)
    assert "Labels in several pieces: 6, the first 1 in mask000.tif; each counts as one" in told
    assert len(lbep) == 5


def grey(image: Image) -> Image:
    return picture_of(image)


def smooth(image: Image) -> Image:
    return np.asarray(ndimage.gaussian_filter((image > 0) * 200.0, 4)).astype(np.uint8)


def deep(image: Image) -> Image:
    noise = np.random.default_rng(1).integers(1, 2**16, image.shape)
    return noise.astype(np.uint16)


@pytest.mark.parametrize("spoil", [grey, smooth, deep])
def test_pictures_for_labels_are_refused(tmp_path: Path, spoil: Callable[[Image], Image]) -> None:
    problem = r"mask000.tif: holds .* numbers in .* separate places: a picture, no labels.*segment"
    with pytest.raises(InputError, match=problem):
        run(tmp_path, [spoil(image) for image in movie()])
    assert not (tmp_path / "out").exists()


def test_a_mask_of_foreground_is_refused(tmp_path: Path) -> None:
    masks = [(image > 0).astype(np.uint8) * 255 for image in movie(cells=1)]
    for mask in masks:
        mask[::12, ::12] = 255
    with pytest.raises(
        InputError, match=r"holds one number \(255\) in \d+ separate places: a mask"
    ):
        run(tmp_path, masks)


def test_label_images_are_no_pictures() -> None:
    rng = np.random.default_rng(0)
    tiles = np.kron(rng.permutation(100).reshape(10, 10) + 1, np.ones((12, 14), int))
    assert why_no_labels(tiles.astype(np.int32)) == "", "confluent, without background"
    dots = np.zeros((100, 100), np.int32)
    dots[::3, ::3] = rng.permutation(34 * 34).reshape(34, 34) + 1
    assert why_no_labels(dots) == "", "one pixel each"
    assert why_no_labels(np.zeros((5, 5), np.int32)) == ""


def test_specks_are_no_pieces() -> None:
    image = np.zeros((40, 40), np.int32)
    image[5:15, 5:15] = 7
    image[30, 30] = 7
    image[20:30, 5:15] = 9
    image[20:30, 20:30] = 9
    names, pieces = pieces_of(image)
    assert names.tolist() == [7, 9]
    assert pieces.tolist() == [1, 2]
