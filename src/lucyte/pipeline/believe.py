"""Plate scope: every test that a run faces, as Findings, and what they come to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from lucyte.classify.units import independent_units
from lucyte.evidence.accuracy.objects import instance_accuracy, tracking_accuracy
from lucyte.evidence.accuracy.requirement import Requirement
from lucyte.evidence.accuracy.states import classification_accuracy
from lucyte.evidence.ledger import Headline, headline, ordered
from lucyte.evidence.model.background import Retraining, data_permit
from lucyte.evidence.model.reliance import Exchange, model_relies
from lucyte.learn.crops import CropLearner
from lucyte.pipeline.context import Context
from lucyte.pipeline.explain_stage import Explained, explain_plate
from lucyte.pipeline.hypotheses import stored_findings
from lucyte.pipeline.progress import step
from lucyte.pipeline.sample import read_sample
from lucyte.pipeline.state_stage import Classified
from lucyte.pipeline.truth import score_against_truth
from lucyte.pipeline.words import plural
from lucyte.schema.crops import CropSet
from lucyte.schema.finding import Finding


@dataclass(frozen=True)
class Beliefs:
    """What was tested and what may be believed.

    Attributes
    ----------
    findings : tuple of Finding
        In the order of the report: what failed first.
    headline : Headline
        The same in sentences.
    crops : CropSet or None
        The sample of cells, with the classes that were learned.
    explained : Explained
    """

    findings: tuple[Finding, ...]
    headline: Headline
    crops: CropSet | None
    explained: Explained


def gather_evidence(context: Context, classified: Classified) -> Beliefs:
    """Score against truth, challenge the states, explain cells and examine the explanations."""
    found = list(classified.findings)
    with context.clock.stage("truth"):
        found += _accuracy(context, classified)
    with context.clock.stage("sample"):
        crops = read_sample(context, classified.settings.target, _group(classified))
    challenged = crops is not None and classified.states is not None
    if context.plan.evidence.enabled == "off":
        context.skipped["evidence"] = "the plan turns the challenges off"
    elif not challenged:
        why = context.skipped.get("classify", "no cell could be cut out whole")
        context.skipped["evidence"] = f"there are no states to challenge: {why}"
    else:
        with (
            context.clock.stage("evidence"),
            step("Challenging the states", 2, quiet=context.quiet) as done,
        ):
            for some in _challenges(context, classified, crops):
                found += some
                done()
    with context.clock.stage("explain"):
        explained = explain_plate(context, classified, crops)
    found += [*explained.findings, *stored_findings(context.folder.root)]
    return Beliefs(ordered(found), headline(found), crops, explained)


def _accuracy(context: Context, classified: Classified) -> list[Finding]:
    """Out-of-fold states against what was known, and objects and tracks against truth."""
    found: list[Finding] = []
    states = classified.states
    if states is not None:
        home = classified.table[["object_id", states.target, "plate", "well", "field_id"]]
        told = states.table.merge(home, on="object_id", how="left", validate="one_to_one")
        told["truth"] = told[states.target].replace("", None)
        named = told[told["truth"].notna()]
        units = independent_units(named, "truth", states.group).values
        told[states.group] = pd.Series(units, index=named.index).reindex(told.index, fill_value="")
        asked = _asked(context, "AUROC" if len(states.classes) == 2 else "balanced accuracy")
        found += classification_accuracy(told, states.classes, states.group, asked)
    if context.plan.input.truth is None:
        return found
    truth = context.path(context.plan.input.truth)
    kind = context.pilot.kind
    for scored in score_against_truth(context, truth, kind):
        if scored.task == "tracking":
            rows = {
                str(row["field_id"]): {str(k): float(v) for k, v in row.items() if k != "field_id"}
                for row in scored.table.to_dict("records")
            }
            found.append(tracking_accuracy(rows, "TRA", _asked(context, "TRA")))
        else:
            metric = "F1@0.5" if scored.table["F1@0.5"].notna().any() else "SEG"
            asked = _asked(context, metric)
            found.append(instance_accuracy(scored.table, metric, "field_id", asked, plural(kind)))
    return found


def _group(classified: Classified) -> str:
    return classified.states.group if classified.states is not None else ""


def _asked(context: Context, metric: str) -> Requirement:
    evidence = context.plan.evidence
    return Requirement(
        evidence.require.get(metric), evidence.alpha, evidence.permutations, context.plan.seed
    )


def _challenges(
    context: Context, classified: Classified, crops: CropSet | None
) -> Iterator[list[Finding]]:
    assert crops is not None and classified.model is not None
    plan = context.plan
    how = Retraining(margin=plan.evidence.margin, seed=plan.seed)
    target, group = classified.settings.target, _group(classified)
    places = read_sample(context, target, group, "places")
    yield list(data_permit(crops, CropLearner(crops.channels), how, places))
    yield [model_relies(classified.model, crops, Exchange(seed=plan.seed))]
