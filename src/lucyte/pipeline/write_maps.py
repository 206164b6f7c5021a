"""``explanations.zarr``: relevance maps keyed to their cells and named channels."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lucyte.explain.attribution.relevance import Relevance
from lucyte.io.atomic import atomic_path
from lucyte.schema.explanation import Explanation


def write_maps(path: Path, maps: Sequence[Explanation]) -> None:
    """Write maps as one array ``N C Y X`` with the names along N and C in its attributes.

    Parameters
    ----------
    path : Path
        Replaced as a whole.
    maps : sequence of Explanation
        All of one method, one size and the same channels.
    """
    import zarr

    if not maps:
        return
    channels = list(maps[0].maps)
    stack = np.stack([np.stack([each.maps[name] for name in channels]) for each in maps])
    with atomic_path(path) as temporary:
        group = zarr.open_group(str(temporary), mode="w", zarr_format=3)
        array = group.create_array(maps[0].method, data=stack.astype(np.float32))
        array.attrs.update(
            {
                "dims": ["N", "C", "Y", "X"],
                "object_id": [each.object_id for each in maps],
                "channels": channels,
                "target": [each.target for each in maps],
                "score": [float(each.score) for each in maps],
                "unit": "logit margin per px covered",
            }
        )


def write_relevance(path: Path, found: Sequence[Relevance], names: Sequence[str]) -> None:
    """Maps of several methods, an array ``N C Y X`` each, named by its method.

    Parameters
    ----------
    path : Path
        Replaced as a whole; not there where there is nothing.
    found : sequence of Relevance
    names : sequence of N str
        ``object_id`` along N.
    """
    import zarr

    if not found:
        shutil.rmtree(path, ignore_errors=True)  # those of before are of something else
        return
    with atomic_path(path) as temporary:
        group = zarr.open_group(str(temporary), mode="w", zarr_format=3)
        for each in found:
            array = group.create_array(each.method, data=each.maps.astype(np.float32))
            array.attrs.update(
                {
                    "dims": ["N", "C", "Y", "X"],
                    "object_id": list(names),
                    "channels": list(each.channels),
                    "target": list(each.targets),
                    "score": [float(value) for value in each.score],
                    "unit": each.unit,
                    "joined": list(each.joined),
                }
            )
