"""A small picture world: the class is written in one channel, the others are noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lucyte.schema.samples import Samples


def stripes(
    groups: int = 8,
    per: int = 6,
    px: int = 16,
    channels: tuple[str, ...] = ("A", "B"),
    carrier: str = "B",
    classes: tuple[str, ...] = ("flat", "spötty cell"),
    seed: int = 0,
) -> Samples:
    """Crops of uint16; in the carrier, class k has a bright disc of radius 2 + 3 k."""
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[:px, :px] - px / 2 + 0.5
    images: list[npt.NDArray[np.uint16]] = []
    labels, owner = [], []
    for group in range(groups):
        for k in range(per):
            label = (group + k) % len(classes)
            light = rng.poisson(40, (len(channels), px, px)).astype(float)
            disc = (yy**2 + xx**2) < (2 + 3 * label) ** 2
            light[channels.index(carrier)] += 150 * disc
            images.append(light.astype(np.uint16))
            labels.append(classes[label])
            owner.append(f"well {group}")
    names = tuple(f"{g}/{k}.tif" for k, g in enumerate(owner))
    return Samples(
        np.stack(images),
        channels,
        names,
        tuple(labels),
        tuple(owner),
        unit="well",
        sources=tuple(owner),
    )
