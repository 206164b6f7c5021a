"""Every tree on the page about annotated images is made, and read as what the page calls it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from lucyte.io.annotated import FORMS, open_annotated

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "annotated-data.md").read_text("utf-8")
SHAPE = (32, 40)


def trees() -> list[Any]:
    """Form and files of every tree; the form is the first word of the heading above."""
    found = []
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        word = section.split(":")[0]
        form = word if word in FORMS else "labels"
        for number, text in enumerate(re.findall(r"^```\nDATA/\n(.*?)^```$", section, re.M | re.S)):
            name = f"{section.split(chr(10))[0][:20]}-{number}"
            found.append(pytest.param(form, files(text), id=name))
    return found


def files(text: str) -> list[str]:
    """Paths of the files of an indented tree."""
    place: list[str] = []
    paths = []
    for line in text.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2 - 1
        place[depth:] = [line.strip()]
        if not line.endswith("/"):
            paths.append("".join(place))
    return paths


def make(path: Path, number: int, all_files: list[str]) -> None:
    """Write what a file of this name holds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [Path(each).name for each in all_files if "images/" in each and ".csv" not in each]
    listed = [
        {"id": k, "file_name": name, "height": SHAPE[0], "width": SHAPE[1]}
        for k, name in enumerate(images)
    ]
    outline = [{"id": 1, "image_id": 0, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]]}]
    texts = {
        "classes.txt": "fed\n",
        "data.yaml": "names: [fed]\n",
        "images.csv": "image,group\na.png,one\nb.png,two\n",
        "man_track.txt": "1 0 1 0\n",
        "instances.json": json.dumps(
            {
                "images": listed,
                "annotations": outline,
                "categories": [{"id": 1, "name": "cell"}],
            }
        ),
    }
    if path.name in texts or path.suffix == ".txt":
        path.write_text(texts.get(path.name, "0 0.5 0.5 0.25 0.25\n"))
        return
    pixels = np.zeros(SHAPE, np.uint8)
    pixels[4:9, 2 * number : 2 * number + 2] = 1
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels)
    else:
        Image.fromarray(pixels).save(path)


def test_the_page_has_trees_of_every_form() -> None:
    assert {each.values[0] for each in trees()} == set(FORMS)
    assert len(trees()) == 11


@pytest.mark.parametrize(("form", "paths"), trees())
def test_a_tree_is_read_as_the_page_says(tmp_path: Path, form: str, paths: list[str]) -> None:
    for number, path in enumerate(paths):
        make(tmp_path / "DATA" / path, number, paths)
    found = open_annotated(tmp_path / "DATA")
    assert found.form == form
    read = {Path(path).name for each in found.images for path in each.image_paths}
    truth = {Path(each.truth_path).name for each in found.images}
    assert len(found.images) == len({each.name for each in found.images}) >= 1
    assert not read & truth or form == "labels"
    for each in found.images:
        told = each.annotation()
        assert len(told.boxes) >= 1 or form == "coco"
        assert each.open().compute().sizes["Y"] == SHAPE[0]
    if form != "ctc":
        assert [p for p in found.problems if p.kind != "other"] == []
    if "images.csv" in paths:
        assert [each.group for each in found.images] == ["one", "two"]
