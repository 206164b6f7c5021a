"""How plausible a lineage is without any truth: what cells do not do, counted.

Every check asks for the share of what it looks at that is as cells are. The score of a movie is
the geometric mean of the shares, 1 where nothing is strange. A low share does not say who is wrong,
the segmentation or the links; it says where to look first.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.schema.tracks import Tracks

FAR = 6.0
"""Steps beyond the upper quartile, in ranges between the quartiles, that are too long."""
GROWTH = 2.0
"""A cell does not become this many times as large, or small, from one frame to the next."""
BRIEF = 3
"""Frames that a daughter should be seen, where the movie goes on and she does not leave."""
EARLY = 0.34
"""Share of the movie's median generation time below which a division comes too soon."""
SURE = 1.0
"""Margin in nats below which a link could as well be another."""
COLUMNS = ("check", "share", "odd", "n", "worst_object_id", "worst_track_id", "worst", "meaning")

Bools = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]

_MEANING = {
    "speed": "links no longer than is usual in this movie",
    "size": "links over which the area does not double or halve",
    "margin": "links that beat their alternatives by a nat",
    "gaps": "links that leap over no frame",
    "ends": "tracks that end by a division, a death, at the border or with the movie",
    "starts": "tracks that begin with the movie or a division",
    "orphan divisions": "divisions both of whose daughters live on",
    "generation": "generations not far shorter than the usual one",
}


def plausibility(tracks: Tracks, nodes: pd.DataFrame | None = None) -> pd.DataFrame:
    """Check a lineage against itself.

    Parameters
    ----------
    tracks : Tracks
    nodes : DataFrame, optional
        ``object_id, area_px``; sizes are checked only with it.

    Returns
    -------
    DataFrame
        ``COLUMNS``, the worst share first: what was checked, the share that is plausible, how many
        of n are not, the worst case and its value. Checks without anything to look at are left out.
        ``attrs["score"]`` is the score of the movie (nan for an empty one).
    """
    rows = [*_of_links(tracks, nodes), *_of_tracks(tracks)] if len(tracks.nodes) else []
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table = table.sort_values(["share", "check"], kind="stable", ignore_index=True)
    # One case in doubt is kept apart from certainty: shares of 0 are raised by half a case.
    share = np.maximum(table["share"].to_numpy(dtype=np.float64), 0.5 / np.maximum(table["n"], 1))
    table.attrs["score"] = float(np.exp(np.mean(np.log(share)))) if len(table) else float("nan")
    return table


def _of_links(tracks: Tracks, nodes: pd.DataFrame | None) -> list[tuple[object, ...]]:
    links = tracks.edges[tracks.edges["kind"] != "division"]
    if not len(links):
        return []
    known = tracks.nodes.set_index("object_id")
    source, target = known.loc[links["source_id"]], known.loc[links["target_id"]]
    elapsed = (target["time_index"].to_numpy() - source["time_index"].to_numpy()).astype(float)
    places = ["y_px", "x_px"]
    step = np.hypot(*(target[places].to_numpy(float) - source[places].to_numpy(float)).T)
    step = step / np.sqrt(elapsed)
    quarter, most = np.quantile(step, [0.25, 0.75])
    name, track = links["target_id"].to_numpy(), target["track_id"].to_numpy()
    far = step > most + FAR * max(most - quarter, 0.5)
    rows = [_row("speed", far, step, name, track)]
    if nodes is not None:
        area = nodes.set_index("object_id")["area_px"]
        pair = (area.reindex(links[end]).to_numpy(float) for end in ("source_id", "target_id"))
        change = np.abs(np.diff(np.log(np.maximum(np.stack(list(pair)), 1.0)), axis=0)[0])
        change = np.where(np.isfinite(change), change, 0.0)
        rows.append(_row("size", change > np.log(GROWTH), np.exp(change), name, track))
    margin = links["margin"].to_numpy(float)
    if np.isfinite(margin).any():
        rows.append(_row("margin", margin < SURE, margin, name, track, least=True))
    rows.append(_row("gaps", (links["kind"] == "gap").to_numpy(), elapsed, name, track))
    return rows


def _of_tracks(tracks: Tracks) -> list[tuple[object, ...]]:
    table = tracks.tracks
    begin, final = int(table["start"].min()), int(table["end"].max())
    nodes = tracks.nodes.sort_values("time_index", kind="stable")
    first = nodes.groupby("track_id")["object_id"].first().loc[table["track_id"]].to_numpy()
    last = nodes.groupby("track_id")["object_id"].last().loc[table["track_id"]].to_numpy()
    track = table["track_id"].to_numpy()
    start, end = table["start"].to_numpy(), table["end"].to_numpy()
    length = (end - start + 1).astype(float)
    mother = table["parent_track_id"].to_numpy()
    lost = (table["fate"] == "ends").to_numpy() & (end < final)
    sudden = (mother == 0) & (start > begin)
    rows = [
        _row("ends", lost, -length, last, track, shown=end),
        _row("starts", sudden, -length, first, track, shown=start),
    ]
    born = np.flatnonzero(mother > 0)
    if len(born):
        brief = lost[born] & (length[born] < BRIEF)
        mothers, inverse = np.unique(mother[born], return_inverse=True)
        least = np.full(len(mothers), np.inf)
        np.minimum.at(least, inverse, np.where(brief, length[born], np.inf))
        where = np.searchsorted(track, mothers)
        odd = np.isfinite(least)
        rows.append(_row("orphan divisions", odd, least, last[where], mothers, least=True))
    whole = np.flatnonzero((mother > 0) & (table["fate"] == "divides").to_numpy())
    if len(whole) >= 3:
        early = length[whole] < EARLY * np.median(length[whole])
        rows.append(_row("generation", early, length[whole], last[whole], track[whole], least=True))
    return rows


def _row(
    check: str,
    odd: Bools,
    value: Values,
    name: npt.NDArray[np.object_],
    track: npt.NDArray[np.int64],
    *,
    least: bool = False,
    shown: npt.NDArray[np.int64] | None = None,
) -> tuple[object, ...]:
    """One line of the table; the worst case is the odd one of the largest (or least) value."""
    worst: tuple[object, ...] = ("", 0, float("nan"))
    if odd.any():
        ordered = np.where(odd, value if not least else -value, -np.inf)
        at = int(np.argmax(ordered))
        worst = (str(name[at]), int(track[at]), float((value if shown is None else shown)[at]))
    share = float(1 - odd.mean())
    return check, share, int(odd.sum()), len(odd), *worst, _MEANING[check]
