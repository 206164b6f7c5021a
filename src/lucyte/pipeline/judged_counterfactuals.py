"""What a model that did not draw counterfactuals sees in them, and how often it is right at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.explain.counterfactual.closed_form import Counterfactuals
from lucyte.explain.counterfactual.measures import accepted, validity_finding
from lucyte.learn.splits import even_sample
from lucyte.networks.input_match import fit_side
from lucyte.pipeline.asked_model import AskedModel
from lucyte.pipeline.words import counted
from lucyte.schema.finding import Finding
from lucyte.schema.protocols import MASK_CHANNEL, Predictor
from lucyte.schema.samples import Samples

MOST_REAL = 600
"""Real cells that the judge is asked about, to know what it can be asked for."""
APART = (
    "the two models learned apart; where they learned from the same pictures they may share a "
    "mistake"
)


@dataclass(frozen=True)
class Judge:
    """A judge that needs the cells' masks, and finds them in the counterfactuals' order."""

    judge: Predictor
    masks: npt.NDArray[np.bool_]

    @property
    def classes(self) -> tuple[str, ...]:
        return self.judge.classes

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(name for name in self.judge.channels if name != MASK_CHANNEL)

    @property
    def pixel_size_um(self) -> float | None:
        return self.judge.pixel_size_um

    @property
    def input_px(self) -> int:
        return self.judge.input_px

    def logits(self, crops: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Logits of the crops with their masks put in."""
        crops = self._centre(crops)
        if MASK_CHANNEL not in self.judge.channels:
            return self.judge.logits(crops)
        at = self.judge.channels.index(MASK_CHANNEL)
        mask = self._centre(self.masks[:, None])[:, 0].astype(crops.dtype)
        return self.judge.logits(np.insert(crops, at, mask, axis=1))

    def _centre(self, crops: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A judge that takes less sees the middle: scale and centre are the same."""
        return fit_side(crops, self.judge.input_px, known=True)


def judged_findings(
    judge: Judge,
    made: Sequence[Counterfactuals],
    order: npt.NDArray[np.int64],
    samples: Samples,
    asked: AskedModel,
) -> list[Finding]:
    """Does the model that was asked about see what the other one made? One Finding per target."""
    out, at = [], 0
    known = _known(asked)
    for each in made:
        rows = order[at : at + len(each)]
        own = replace(judge, masks=judge.masks[at : at + len(each)])
        at += len(each)
        if each.target in judge.classes:
            groups = [samples.groups[k] for k in rows]
            told = validity_finding(
                accepted(own, each), groups, samples.unit, each.target, f"the model {asked.name}"
            )
            told = replace(
                told,
                why=told.why + _beside_real(known, asked, each.target),
                assumed=(APART,),
            )
            more = len(made) > 1
            out.append(replace(told, name=f"{told.name}.{each.target}" if more else told.name))
    return out


def _known(asked: AskedModel) -> pd.DataFrame:
    """The judge on real cells, out-of-fold where that is kept: ``label, state, group``."""
    samples = asked.samples
    rows = even_sample(samples.groups, MOST_REAL, 0)
    some = samples.take(rows)
    states = [asked.states.get(name, "") for name in some.names]
    lacking = [k for k, state in enumerate(states) if not state]
    if lacking:
        told = asked.model.logits(some.take(lacking).for_channels(asked.model.channels))
        for k, place in zip(lacking, told.argmax(axis=1), strict=True):
            states[k] = asked.model.classes[int(place)]
    return pd.DataFrame({"label": some.labels, "state": states, "group": some.groups})


def _beside_real(known: pd.DataFrame, asked: AskedModel, target: str) -> str:
    """How often the judge sees the target where it truly is: no picture can be asked for more."""
    own = known[known["label"] == target]
    if not len(own):
        return ""
    share = float((own["state"] == target).mean())
    units = counted(own["group"].nunique(), asked.samples.unit)
    return f" Of real cells labelled {target} it calls {share:.0%} so ({units})."


def verdicts(
    judge: Judge, made: Sequence[Counterfactuals], order: npt.NDArray[np.int64], name: str
) -> dict[int, str]:
    """What the judge sees in each made-up cell, a sentence."""
    out: dict[int, str] = {}
    at = 0
    for each in made:
        rows = order[at : at + len(each)]
        own = replace(judge, masks=judge.masks[at : at + len(each)])
        at += len(each)
        light = [each.channels.index(channel) for channel in own.channels]
        logits = own.logits(each.images[:, light])
        chances = np.exp(logits - logits.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        for row, share in zip(rows.tolist(), chances, strict=True):
            state = own.classes[int(share.argmax())]
            agrees = "agrees: it sees" if state == each.target else "does not agree: it sees"
            out[row] = f"{name}, which did not draw it, {agrees} {state} ({share.max():.2f})."
    return out
