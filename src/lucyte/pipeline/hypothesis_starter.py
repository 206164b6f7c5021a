"""A hypothesis to edit, with the names of a run: its classes, its unseen columns and channels."""

from __future__ import annotations

from pathlib import Path

from lucyte.classify.units import text_column
from lucyte.evidence.hypothesis.record import RELATIONS, MeasurementSettings, parse_record
from lucyte.evidence.hypothesis.seen import already_seen
from lucyte.measure.columns import describe, parse
from lucyte.pipeline.hypothesis_quantities import QUANTITIES
from lucyte.pipeline.hypothesis_view import RunView
from lucyte.schema.protocols import MASK_CHANNEL

STARTER = """\
# A hypothesis for Lucyte: written down before looking, frozen when it is first tested.
#     lucyte challenge {run} --hypothesis THIS_FILE
# Once frozen it cannot be changed; write a new one under another name. See docs/hypotheses.md.

name = "{name}"
claim = "{claim}"
# interventional = true          # a claim about the model (edited images), not about the sample

[sample]
# kind = "auto"
# conditions = [{conditions}]    # only these; left out: all
# held_out = 0.5                 # explore on one half of the units, test on the other

[quantity]                       # what the model or its explanation says of each cell
name = "{quantity}"              # {quantities}
of = "{of}"                      # class: {classes}

[measurement]                    # what it never sees. The model sees: {seen}
column = "{column}"
# {columns}
# table = "stain.csv"            # made elsewhere, joined by object_id, field_id or well
# later_frames = 1               # the same cell, later
# channel = "{channel}"          # with quantity where_it_looks

[test]
relation = "positive correlation"   # {relations}
across = "cells"                 # compared within each unit; units: each unit is one point
unit = "{unit}"
smallest_effect = 0.1            # less would not be worth having; you must choose it
alpha = 0.05
family = "{family}"              # questions answered together are corrected together
"""


def starter_record(run: Path) -> str:
    """A record to edit, with the names of a run: its classes, unseen columns and channels.

    Raises
    ------
    UsageError
        No finished run, or one without states.
    """
    blank = parse_record(_BLANK, "starter")
    view = RunView(run, blank)
    seen, names = view.seen, [str(each) for each in view.objects.columns]
    classes = [each.removeprefix("p_") for each in names if each.startswith("p_")]
    light = [each for each in view.predictor.channels if each != MASK_CHANNEL]
    unseen = [
        each
        for each in names
        if (feature := parse(each)) is not None
        and feature[0].family not in ("identity", "neighbours")
        and not already_seen(MeasurementSettings(column=each), seen)
    ]
    dark = [each for each in light if each not in seen.channels]
    told = ", ".join(unseen[:8]) or (
        "the model sees every channel; leave one out with classify.exclude in the plan"
    )
    told_first = [each for each in unseen if each.startswith(("spots_excess", "spots_count"))]
    column = next(iter([*told_first, *unseen]), "COLUMN")
    state = classes[-1] if classes else "CLASS"
    wells = bool((text_column(view.objects, "well") != "").all())
    conditions = sorted(set(text_column(view.objects, "condition")) - {""})
    return STARTER.format(
        run=run,
        name=f"{state}-follows-{column}".lower().replace("_", "-"),
        claim=f"Cells that look more {state} have more {describe(column)}.",
        conditions=", ".join(f'"{each}"' for each in conditions[:2]),
        quantity="margin",
        quantities=", ".join(each.name for each in QUANTITIES),
        of=state,
        classes=", ".join(classes),
        seen=", ".join(seen.channels) or "no channel",
        column=column,
        columns=f"others: {told}",
        channel=dark[0] if dark else "CHANNEL",
        relations=", ".join(RELATIONS),
        unit="well" if wells else "field",
        family="first-questions",
    )


_BLANK = """
name = "starter"
claim = "A claim to be written."
[quantity]
name = "margin"
[measurement]
column = "area_px"
[test]
relation = "positive correlation"
smallest_effect = 0.1
"""
