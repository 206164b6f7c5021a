"""Copies across groups are found whatever was done to them; neighbours are not called copies."""

from __future__ import annotations

from typing import Any

import imagecodecs
import numpy as np
import pytest
from scipy import ndimage as ndi

from lucyte.classify.duplicates import DuplicateSettings, near_duplicates
from lucyte.schema.errors import UsageError
from lucyte.schema.samples import Samples


def samples(images: Any, groups: list[str], labels: list[str] | None = None) -> Samples:
    n = len(images)
    return Samples(
        images=images,
        channels=tuple(f"c{k}" for k in range(images.shape[1])),
        names=tuple(f"i{k:02d}" for k in range(n)),
        labels=tuple(labels or ["a"] * n),
        groups=tuple(groups),
        unit="well",
    )


def nuclei(n: int, seed: int = 0, side: int = 64) -> Any:
    """Smooth nuclei with texture and camera noise, one channel."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] - side / 2
    out = np.empty((n, 1, side, side))
    for k in range(n):
        shape = np.exp(-(((y / rng.uniform(10, 18)) ** 2 + (x / rng.uniform(10, 18)) ** 2) ** 2))
        texture = ndi.gaussian_filter(rng.normal(size=(side, side)), 1.5) * 3
        out[k, 0] = 20 + 100 * shape * (1 + 0.5 * texture) + rng.normal(0, 2, (side, side))
    return np.clip(out, 0, 255).astype(np.uint8)


def test_different_nuclei_are_no_copies() -> None:
    finding, table = near_duplicates(samples(nuclei(60), [f"w{k % 6}" for k in range(60)]))
    assert finding.verdict == "pass" and finding.statistic == 0 and table.empty
    assert finding.n == 6 and finding.unit == "well" and finding.group == "data"
    assert finding.why == "No picture was found again in another well, of 60 compared."


def test_copies_are_named_whatever_was_done_to_them() -> None:
    base = nuclei(40)
    jpeg = imagecodecs.jpeg_decode(imagecodecs.jpeg_encode(base[1, 0], level=75))
    rng = np.random.default_rng(1)
    dim = np.clip(base[2, 0] * 0.8 + 5 + rng.normal(0, 2, (64, 64)), 0, 255).astype(np.uint8)
    images = np.concatenate([base, np.stack([base[0, 0], jpeg, dim])[:, None]])
    groups = ["w0"] * 20 + ["w1"] * 20 + ["w2"] * 3
    finding, table = near_duplicates(samples(images, groups, ["a"] * 40 + ["b", "a", "a"]))
    pairs = set(zip(table["first"], table["second"], strict=True))
    assert pairs == {("i00", "i40"), ("i01", "i41"), ("i02", "i42")}
    assert finding.verdict == "fail" and finding.statistic == 3
    assert table.iloc[0]["exact"] and not table.iloc[0]["same_label"]
    assert "3 pairs of pictures (6 of 43) are the same but in different wells" in finding.why
    assert "i00 and i40 (to the pixel)" in finding.why
    assert "1 of the pairs carry different labels" in finding.why


def test_copies_within_a_group_do_no_harm_but_within_folds_do() -> None:
    base = nuclei(10)
    both = samples(np.concatenate([base, base]), ["w0"] * 20)
    assert near_duplicates(both)[0].verdict == "pass"
    finding, table = near_duplicates(both, folds=[0] * 10 + [1] * 10)
    assert len(table) == 10 and "in different folds" in finding.why
    with pytest.raises(UsageError, match="got 3 folds for 20 samples"):
        near_duplicates(both, folds=[0, 1, 2])


@pytest.mark.parametrize("way", ["turned", "mirrored"])
def test_turned_copies_are_found_when_asked_for(way: str) -> None:
    base = nuclei(12)
    copy = np.rot90(base[3:4], 1, (2, 3)) if way == "turned" else base[3:4, :, :, ::-1]
    both = samples(np.concatenate([base, copy]), ["w0"] * 12 + ["w1"])
    assert near_duplicates(both)[0].verdict == "pass"
    _, table = near_duplicates(both, settings=DuplicateSettings(turned=True))
    assert table[["first", "second"]].to_numpy().tolist() == [["i03", "i12"]]


def test_many_copies_of_one_picture_are_each_named_once() -> None:
    images = np.concatenate([nuclei(1)] * 6 + [nuclei(5, seed=9)])
    _, table = near_duplicates(samples(images, [f"w{k}" for k in range(11)]))
    exact = table[table["exact"]]
    assert exact["first"].tolist()[:5] == ["i00"] * 5
