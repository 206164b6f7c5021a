"""What may be believed of a screen: every doubt as a Finding."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lucyte.schema.finding import Finding, Verdict
from lucyte.screen.controls import DISEASE, TREATED, WILD_TYPE
from lucyte.screen.hits import BOTH, DYING, OTHERWISE, RESCUE, TOO_FEW
from lucyte.screen.positions import PositionEffect
from lucyte.screen.readout import MARGIN
from lucyte.screen.settings import ScreenSettings

SIMULATED = "the methods were validated on simulated screens only"


@dataclass(frozen=True)
class Seen:
    """What the verdicts are made of; see `ScreenResult`."""

    wells: pd.DataFrame
    hits: pd.DataFrame
    separation: pd.DataFrame
    positions: tuple[PositionEffect, ...]
    crowded: tuple[tuple[str, str], ...]
    gap: float
    plates_held_out: bool


def verdicts(seen: Seen, settings: ScreenSettings) -> tuple[Finding, ...]:
    """Rescue, leaving the axis, separation, unknown plates, positions, B-score."""
    return (
        _rescue(seen, settings),
        *_leaving(seen),
        _separation(seen),
        _plates(seen),
        *(_position(each, seen, settings) for each in seen.positions),
        *_b_score(seen, settings),
    )


def _rescue(seen: Seen, settings: ScreenSettings) -> Finding:
    hits = seen.hits
    found = hits[hits["call"].isin([RESCUE, BOTH])] if len(hits) else hits
    asked = hits[hits["call"] != TOO_FEW] if len(hits) else hits
    n = int(seen.wells["role"].eq(TREATED).sum())
    question = "Does any treatment bring diseased cells towards health?"
    assumed: tuple[str, ...] = (
        "treatments were given to wells at random",
        "well medians are roughly normal within plate and treatment",
        "margins of treated wells and of held-out controls are on one scale",
        SIMULATED,
    )
    if not len(asked):
        why = (
            f"No treatment has {settings.min_wells} wells with cells, so none was tested."
            if len(hits)
            else "There are only controls, so there is nothing to test."
        )
        return Finding("screen.rescue", question, "inconclusive", math.nan, None, None, n, "well",
                       assumed, why, "best rescue", "hypothesis")  # fmt: skip
    best = (found if len(found) else asked.sort_values("rescue", ascending=False)).iloc[0]
    named = _named(best)
    if len(found):
        why = (
            f"{len(found)} of {len(asked)} treatments and doses bring diseased cells towards "
            f"health at a false discovery rate of {settings.fdr:g}; the strongest is {named}."
        )
    else:
        why = (
            f"None of {len(asked)} treatments and doses is shown to bring diseased cells towards "
            f"health (false discovery rate {settings.fdr:g}, rescue {settings.least:g} or more); "
            f"the nearest is {named}. With "
            f"{int(asked['n_wells'].median())} wells each, less may hide."
        )
    return Finding(
        "screen.rescue", question, "pass" if len(found) else "inconclusive",
        float(best["rescue"]), _end(best["low"]), _end(best["high"]), int(best["n_wells"]), "well",
        assumed, why, "best rescue", "hypothesis",
    )  # fmt: skip


def _leaving(seen: Seen) -> tuple[Finding, ...]:
    hits = seen.hits
    if not len(hits) or hits["off_axis"].isna().all():
        return ()
    moved = hits[hits["call"].isin([RESCUE, BOTH])]
    odd = hits[hits["call"].isin([BOTH, OTHERWISE, DYING])]
    question = "Do the treatments that rescue change cells in other ways too?"
    n = int(hits["n_imaged"].sum())
    top = float((moved if len(moved) else hits)["off_axis"].max())
    controls = seen.wells[seen.wells["role"].isin([DISEASE, WILD_TYPE])]
    usual = float(controls["off_axis"].quantile(0.95))
    verdict: Verdict
    if (hits["call"] == BOTH).any():
        verdict = "fail"
        names = ", ".join(_named(row) for _, row in hits[hits["call"] == BOTH].head(4).iterrows())
        why = f"Of {len(moved)} that rescue, these changed otherwise too: {names}."
    elif len(moved):
        verdict = "pass" if top <= usual else "inconclusive"
        why = (
            f"The {len(moved)} that rescue stay by the line from disease to health: the farthest "
            f"lies {_g(top)} times as far from it as a control well (95 % of those lie within "
            f"{_g(usual)})."
        )
    else:
        verdict = "inconclusive"
        why = "Nothing rescues, so nothing could be told apart from it."
    if len(odd):
        killed = int((odd["call"] == DYING).sum())
        why += (
            f" {len(odd)} of {len(hits)} treatments and doses left the line, {killed} of them with "
            "few cells left."
        )
    assumed = ("the features show the change", "no test proves that nothing else changed")
    return (
        Finding("screen.off_axis", question, verdict, top, None, None, n, "well", assumed, why,
                "distance of the farthest hit", "hypothesis"),
    )  # fmt: skip


def _separation(seen: Seen) -> Finding:
    table = seen.separation
    one = table[table["name"] == "Z'"]
    plates = one[one["plate"] != ""] if (one["plate"] != "").any() else one
    whole = one.iloc[-1]
    robust = table[table["name"] == "robust Z'"].iloc[-1]
    n = int(whole["n_first"] + whole["n_second"])
    question = "Are disease and wild type far enough apart to screen with?"
    worst = plates.sort_values("value").iloc[0]
    low = _end(whole["low"])
    verdict: Verdict = "inconclusive"
    if math.isfinite(whole["value"]):
        verdict = "fail" if whole["value"] < 0 else verdict
        verdict = "pass" if low is not None and low > 0 else verdict
    words = "excellent" if whole["value"] > 0.5 else "usable" if whole["value"] > 0 else "poor"
    why = (
        f"Z' of the margin over wells is {_g(whole['value'])} ({words}; by medians "
        f"{_g(robust['value'])}), {int(whole['n_first'])} disease and {int(whole['n_second'])} "
        f"wild-type wells."
        if math.isfinite(whole["value"])
        else f"Z' is undefined: {whole['why']}"
    )
    if len(plates) > 1 and math.isfinite(worst["value"]):
        why += f" Worst plate: {worst['plate']} with {_g(worst['value'])}."
    if whole["value"] < 0:
        why += " Single wells cannot be told apart; replicates must carry the screen."
    details = {"units": {str(p): float(v) for p, v in zip(plates["plate"], plates["value"],
                                                          strict=True)}}  # fmt: skip
    return Finding("screen.separation", question, verdict, float(whole["value"]), low,
                   _end(whole["high"]), n, "well", ("well medians are roughly normal",), why,
                   "Z'", "accuracy", details)  # fmt: skip


def _plates(seen: Seen) -> Finding:
    """Perfect accuracy where plates are not known is the textbook case of a wrong screen."""
    wells = seen.wells
    ill = wells.loc[wells["role"] == DISEASE, MARGIN].dropna().to_numpy(float)
    healthy = wells.loc[wells["role"] == WILD_TYPE, MARGIN].dropna().to_numpy(float)
    beats = np.sign(healthy[:, None] - ill[None, :])
    auroc = float((beats.mean() + 1) / 2)
    names = [str(each) for each in pd.unique(wells["plate"])]
    question = "Would disease and wild type be told apart on a plate that the model has not seen?"
    perfect = auroc == 1
    told = "without a single error" if perfect else f"with AUROC {auroc:.3g} over wells"
    verdict: Verdict = "inconclusive"
    if len(names) == 1:
        verdict = "fail" if perfect else "inconclusive"
        which = f"the only plate ({names[0]})" if names[0] else "a plate whose name is unknown"
        why = (
            f"Disease and wild type are told apart {told}, but on {which}: whatever else differs "
            "between those wells would do as well. Nothing here speaks for another plate; repeat "
            "the controls on a second one."
        )
    elif not seen.plates_held_out:
        why = (
            f"They are told apart {told} on {len(names)} plates, but every plate also served for "
            "training (wells were held out, plates were not). Learn with classify.group = plate."
        )
    else:
        verdict = "pass" if auroc > 0.9 else "inconclusive"
        why = f"With whole plates held out they are told apart {told} on {len(names)} plates."
    return Finding("screen.plates", question, verdict, auroc, None, None, len(names), "plate",
                   ("plates differ as future plates will",), why, "AUROC", "model")  # fmt: skip


def _position(each: PositionEffect, seen: Seen, settings: ScreenSettings) -> Finding:
    word = {"row": "row of", "column": "column of", "edge": "edge of"}[each.effect]
    question = f"Does the {word} the plate move the margin?"
    share = abs(each.size / seen.gap) if seen.gap and math.isfinite(each.size) else math.nan
    hidden = each.noticeable / abs(seen.gap) if seen.gap else math.nan
    name = f"screen.position.{each.effect}"
    assumed = ("wells of one plate, treatment and dose were treated alike",)
    verdict: Verdict = "inconclusive"
    if each.why:
        why = f"It cannot be asked here: {each.why}."
    else:
        where = "" if each.effect == "edge" else f" (farthest: {each.effect} {each.worst})"
        why = (
            f"It moves it by {share:.2g} of the way from disease to wild type{where}, "
            f"p = {each.p:.2g}; chance alone reaches {hidden:.2g} in one case of 20."
        )
        if each.p <= settings.alpha:
            verdict = "fail" if share >= settings.margin / 2 else "inconclusive"
            why += " Spread treatments over the plate, or set position = median_polish."
        elif hidden <= settings.margin:
            verdict = "pass"
        else:
            why += f" An effect of {settings.margin:g} could hide."
    return Finding(name, question, verdict, share, None, None, each.n, "well", assumed, why,
                   "effect over disease to wild type", "data")  # fmt: skip


def _b_score(seen: Seen, settings: ScreenSettings) -> tuple[Finding, ...]:
    if not seen.crowded:
        return ()
    used = settings.position == "median_polish"
    n = len(seen.crowded)
    plate, line = seen.crowded[0]
    lines = "row or column" if n == 1 else "rows and columns"
    first = f"{n} {lines} (first {line} of {plate or 'the plate'})"
    lost = _lost(seen)
    why = (
        f"More than a third of the wells of {first} hold treatments that may do something: "
        "if many of them do, a median polish takes part of it for a position effect."
    )
    if math.isfinite(lost):
        why += f" Here it takes {100 * lost:.0f} % off the effect of the hits."
    why += " The scores were corrected by it." if used else " Rescue and hits do not use it."
    return (
        Finding("screen.b_score", "Would a B-score remove real effects?",
                "fail" if used or (math.isfinite(lost) and lost > 0.2) else "inconclusive",
                lost, None, None, n, "line of wells", (), why,
                "share of the hits' effect", "data"),
    )  # fmt: skip


def _lost(seen: Seen) -> float:
    """How much smaller hits stand out in B-scores than in the margin, both in control spreads."""
    wells, hits = seen.wells, seen.hits
    if not len(hits) or wells["b_score"].isna().all():
        return math.nan
    names = {(row["treatment"], row["dose"]) for _, row in hits.iterrows()
             if row["call"] in (RESCUE, BOTH)}  # fmt: skip
    keys = zip(wells["treatment"], wells["dose"], strict=True)
    mine = np.array([key in names for key in keys])
    ill = (wells["role"] == DISEASE).to_numpy()
    both = ((wells["role"] == WILD_TYPE) | ill).to_numpy()
    if not mine.any():
        return math.nan
    apart = {}
    for score in (MARGIN, "b_score"):
        x = wells[score].to_numpy(float)
        apart[score] = np.nanmean(x[mine]) - np.nanmean(x[ill])
        whole = np.nanmean(x[both & ~ill]) - np.nanmean(x[ill])
        apart[score] = apart[score] / whole if whole else math.nan
    return float(1 - apart["b_score"] / apart[MARGIN]) if apart[MARGIN] else math.nan


def _named(row: pd.Series) -> str:
    dose = f" at {row['dose']:g}" if np.isfinite(row["dose"]) else ""
    ends = (
        f" ({_g(row['low'])} to {_g(row['high'])})"
        if _end(row["low"]) is not None and _end(row["high"]) is not None
        else ""
    )
    return f"{row['treatment']}{dose}, rescue {_g(row['rescue'])}{ends}"


def _g(value: float) -> str:
    """Two digits, with a minus that reads as one."""
    return f"{value:.2g}".replace("-", "−")


def _end(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
