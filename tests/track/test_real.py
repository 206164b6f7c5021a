"""Real movies with a known lineage: given the masks, the links."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from lucyte.schema.plan import TrackSettings
from lucyte.stats.tracking import match_frame, tracking_scores
from lucyte.stats.tracking_graph import ctc_lineage
from lucyte.track.link import link


def read_masks(folder: Path, seed: int) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """True labels and the same masks under names drawn anew in every frame."""
    import tifffile

    rng = np.random.default_rng(seed)
    movie = {}
    for time, path in enumerate(sorted(folder.glob("man_track*.tif"))):
        true = tifffile.imread(path)
        names = np.unique(true)
        drawn = np.zeros(int(true.max()) + 1, np.int32)
        drawn[names[names > 0]] = rng.permutation(int((names > 0).sum())) + 1
        movie[time] = (true, drawn[true])
    return movie


def measure(time: int, labels: np.ndarray) -> list[dict[str, object]]:
    rows = []
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        y, x = np.nonzero(labels[box] == label)
        (y0, y1), (x0, x1) = ((side.start, side.stop) for side in box)
        row = {"object_id": f"{time}/{label}", "time_index": time, "label": label}
        row |= {"centroid_y_px": y.mean() + y0, "centroid_x_px": x.mean() + x0, "area_px": len(y)}
        rows.append(row | {"x0_px": x0, "y0_px": y0, "x1_px": x1, "y1_px": y1})
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("sequence", ["Fluo-N2DH-GOWT1", "Fluo-N2DH-SIM+", "Fluo-C2DL-MSC"])
def test_given_masks_are_linked_as_people_did(shared_data: Path, sequence: str) -> None:
    folder = shared_data / "ctc" / sequence / "01_GT" / "TRA"
    movie = read_masks(folder, seed=0)
    table = pd.DataFrame([row for t, (_, own) in movie.items() for row in measure(t, own)])
    shape = movie[0][0].shape
    tracks = link(table, TrackSettings(), labels=lambda t: movie[t][1], shape_yx=shape)
    own, names = ctc_lineage(tracks, times=sorted(movie))
    true = np.loadtxt(folder / "man_track.txt", dtype=np.int64)
    matches = [match_frame(*movie[t]).renamed(computed=names[t]) for t in sorted(movie)]
    scores = tracking_scores(true, own, matches)
    assert scores.values["DET"] == 1, "premise: the masks are the true ones"
    assert scores.values["LNK"] >= 0.99
    assert scores.values["TRA"] >= 0.999
