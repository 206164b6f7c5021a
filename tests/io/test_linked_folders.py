"""Folders that are links: read like others, and a link that turns back is not followed for ever."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from lucyte.io.files import list_images
from lucyte.io.labelled import SampleOptions, find_labelled


def test_classes_may_be_links_and_a_circle_ends(tmp_path: Path) -> None:
    for name in ("round", "long"):
        (tmp_path / "all" / name).mkdir(parents=True)
        for k in range(2):
            tifffile.imwrite(tmp_path / "all" / name / f"{k}.tif", np.full((8, 8), k, np.uint8))
    some = tmp_path / "some"
    some.mkdir()
    for name in ("round", "long"):
        (some / name).symlink_to(tmp_path / "all" / name, target_is_directory=True)
    (tmp_path / "all" / "round" / "back").symlink_to(tmp_path / "all", target_is_directory=True)
    (some / "again").symlink_to(some, target_is_directory=True)
    found = find_labelled(some, SampleOptions())
    assert sorted({item.label for item in found.items}) == ["long", "round"]
    names = [str(path.relative_to(some)) for path in list_images(some).images]
    assert names == ["long/0.tif", "long/1.tif", "round/0.tif", "round/1.tif"]
