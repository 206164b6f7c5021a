"""From states seen along tracks to spells: how long a cell stayed in a state, as far as seen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.schema.errors import UsageError

SPELL_COLUMNS = (
    "track",
    "state",
    "starts_h",
    "ends_h",
    "duration_h",
    "start_seen",
    "end_seen",
    "next_state",
    "at_birth",
    "looks",
)


def spells(
    tracks: npt.ArrayLike,
    times_h: npt.ArrayLike,
    states: npt.ArrayLike,
    births_h: dict[int, float] | None = None,
    longest_gap_h: float = np.inf,
) -> pd.DataFrame:
    """Stretches of one state along each track.

    A switch is put half way between the two looks that show it, so a duration is off by at most
    one interval, and stays between two looks are not seen at all: dwell times come out too long
    where intervals are not short beside them. Rates from `transition_rates` allow for that.

    Parameters
    ----------
    tracks, times_h, states : arrays N
        One row per object and frame; states are names, an empty one is unknown and left out.
    births_h : mapping of track to hours, optional
        Where a track begins with a division: its first spell starts there, seen.
    longest_gap_h : float
        Where two looks lie further apart, the spell ends unseen and a new one starts unseen.

    Returns
    -------
    DataFrame
        ``track, state, starts_h, ends_h, duration_h, start_seen, end_seen`` (False: censored at
        the last look, whatever ended the track), ``next_state``, ``at_birth``, ``looks``.

    Raises
    ------
    UsageError
        Lengths differ, or a track has two states at one time.
    """
    table = pd.DataFrame(
        {"track": np.asarray(tracks), "time": np.asarray(times_h, dtype=np.float64)}
    )
    table["state"] = np.asarray(states, dtype=object)
    table = table[table["state"].astype(str) != ""].sort_values(["track", "time"], kind="stable")
    if table.duplicated(["track", "time"]).any():
        first = table[table.duplicated(["track", "time"])].iloc[0]
        raise UsageError(
            f"track {first['track']} has two states at {first['time']:g} h; give one per frame."
        )
    if table.empty:
        return pd.DataFrame(columns=list(SPELL_COLUMNS))
    track, time = table["track"].to_numpy(), table["time"].to_numpy(np.float64)
    state = table["state"].astype(str).to_numpy()
    fresh = np.concatenate([[True], track[1:] != track[:-1]])
    wide = np.concatenate([[False], np.diff(time) > longest_gap_h]) & ~fresh
    changed = np.concatenate([[False], state[1:] != state[:-1]]) & ~fresh & ~wide
    begins = np.flatnonzero(fresh | wide | changed)
    lasts = np.concatenate([begins[1:] - 1, [len(time) - 1]])
    switched_in = changed[begins]
    switched_out = np.concatenate([changed[begins[1:]], [False]])
    middle_in = np.where(switched_in, (time[begins] + time[begins - 1]) / 2, time[begins])
    following = np.minimum(lasts + 1, len(time) - 1)
    middle_out = np.where(switched_out, (time[lasts] + time[following]) / 2, time[lasts])
    born = np.array([(births_h or {}).get(int(each), np.nan) for each in track[begins]])
    at_birth = fresh[begins] & np.isfinite(born)
    starts = np.where(at_birth, born, middle_in)
    return pd.DataFrame(
        {
            "track": track[begins],
            "state": state[begins],
            "starts_h": starts,
            "ends_h": middle_out,
            "duration_h": middle_out - starts,
            "start_seen": switched_in | at_birth,
            "end_seen": switched_out,
            "next_state": np.where(switched_out, state[following], ""),
            "at_birth": at_birth,
            "looks": lasts - begins + 1,
        }
    )


def first_passage(
    tracks: npt.ArrayLike, times_h: npt.ArrayLike, inside: npt.ArrayLike
) -> pd.DataFrame:
    """When each track was first inside: an interval ``(lower_h, upper_h]``.

    ``upper_h`` is the first look that found it inside (inf: never), ``lower_h`` the last look
    before it (0: it was inside at the first look, or was not looked at before: left-censored from
    the time zero of ``times_h``, which is when the treatment was given).

    Returns
    -------
    DataFrame
        ``track, lower_h, upper_h, kind`` with kind ``left``, ``interval``, ``right`` or
        ``already`` (inside at time zero, so never at risk), one row per track.
    """
    table = pd.DataFrame(
        {
            "track": np.asarray(tracks),
            "time": np.asarray(times_h, dtype=np.float64),
            "inside": np.asarray(inside, dtype=np.bool_),
        }
    ).sort_values(["track", "time"], kind="stable")
    rows = []
    for track, own in table.groupby("track", sort=True):
        time, here = own["time"].to_numpy(np.float64), own["inside"].to_numpy(np.bool_)
        if not here.any():
            rows.append((track, float(time[-1]), np.inf, "right"))
            continue
        at = int(here.argmax())
        kind = "interval" if at else "left" if time[0] > 0 else "already"
        rows.append((track, float(time[at - 1]) if at else 0.0, float(time[at]), kind))
    return pd.DataFrame(rows, columns=["track", "lower_h", "upper_h", "kind"])
