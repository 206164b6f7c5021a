"""What is lost: patches by size and class, before and after sparse ones are dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from lucyte.schema.errors import UsageError

SIDES_PX = tuple(range(200, 501, 50))
"""The published grid of sizes."""

COLUMNS = (
    "side_px",
    "class",
    "stacks",
    "stacks_lost",
    "patches",
    "kept",
    "kept_share",
    "kept_per_stack_least",
    "kept_per_stack_median",
)


def attrition(table: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """Count what is kept, by patch size and class; a class too few of whose stacks survive shows.

    Parameters
    ----------
    table : DataFrame
        Rows of `StackPatches.table`, of any number of stacks and sizes.
    labels : mapping of str to str
        Class of each stack.

    Returns
    -------
    DataFrame
        One row per size and class, `COLUMNS`; ``stacks_lost`` keep no patch at all. The rows of
        class ``all`` count everything.

    Raises
    ------
    UsageError
        A stack without a class.
    """
    nameless = sorted(set(table["stack"]) - set(labels))
    if nameless:
        raise UsageError(f"stack {nameless[0]!r} has no class; give one to each stack.")
    per_stack = (
        table.groupby(["side_px", "stack"], sort=True)["kept"]
        .agg(patches="size", kept="sum")
        .reset_index()
    )
    per_stack["class"] = per_stack["stack"].map(dict(labels))
    everything = per_stack.assign(**{"class": "all"})
    groups = [
        *per_stack.groupby(["side_px", "class"], sort=True),
        *everything.groupby(["side_px", "class"], sort=True),
    ]
    rows = [_row(int(key[0]), str(key[1]), part) for key, part in groups]
    rows.sort(key=lambda row: (row[0], row[1] == "all", row[1]))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def attrition_note(counts: pd.DataFrame) -> str:
    """One sentence for a person: what was kept, and which class lost most.

    Parameters
    ----------
    counts : DataFrame
        From `attrition`, of one size.
    """
    total = counts[counts["class"] == "all"].iloc[0]
    text = (
        f"{int(total['kept'])} of {int(total['patches'])} patches of {int(total['side_px'])} px "
        f"are dense enough ({total['kept_share']:.0%})"
    )
    classes = counts[counts["class"] != "all"]
    if len(classes) > 1:
        low = classes.iloc[int(classes["kept_share"].argmin())]
        high = classes.iloc[int(classes["kept_share"].argmax())]
        text += (
            f"; fewest of class {low['class']!r} ({low['kept_share']:.0%}), most of "
            f"{high['class']!r} ({high['kept_share']:.0%})"
        )
    lost = int(total["stacks_lost"])
    if lost:
        text += f"; {lost} of {int(total['stacks'])} stacks keep none"
    return text + "."


def _row(side: int, name: str, part: pd.DataFrame) -> Sequence[object]:
    patches, kept = int(part["patches"].sum()), int(part["kept"].sum())
    return (
        side,
        name,
        len(part),
        int((part["kept"] == 0).sum()),
        patches,
        kept,
        kept / patches,
        int(part["kept"].min()),
        float(part["kept"].median()),
    )
