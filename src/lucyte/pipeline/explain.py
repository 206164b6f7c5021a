"""``lucyte explain``: why a model says what it says, each answer beside its exam."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from lucyte.evidence.ledger import ordered
from lucyte.evidence.ledger import write as write_ledger
from lucyte.explain.attribution.relevance import Relevance
from lucyte.io.atomic import write_json, write_text
from lucyte.pipeline.alike import with_alike
from lucyte.pipeline.asked_model import AskedModel, ask
from lucyte.pipeline.cell_map import CellMap, map_cells
from lucyte.pipeline.counterfactuals import Otherwise, Turnable, imagine, open_turnable
from lucyte.pipeline.examined_maps import chosen_methods, examined_maps, refuse_settings
from lucyte.pipeline.explain_request import ExplainRequest
from lucyte.pipeline.explained_choice import Cells, choose_cells
from lucyte.pipeline.how_right import both_right
from lucyte.pipeline.out_folder import refuse_out, usual_out
from lucyte.pipeline.progress import step
from lucyte.pipeline.readable import Readable, read_model
from lucyte.pipeline.trained_drawer import trained_drawer
from lucyte.pipeline.turning import how_to_turn
from lucyte.pipeline.words import counted
from lucyte.pipeline.write_maps import write_relevance
from lucyte.report.explained import ChannelShare, ExplainedContent, render_explained
from lucyte.report.explained_cells import explained_cells
from lucyte.report.film_strip import write_film
from lucyte.report.method_words import method_name
from lucyte.schema.errors import unknown


def explain(request: ExplainRequest) -> str:
    """Write ``report.html``, ``explanations.zarr``, ``embeddings.parquet`` and ``evidence.json``.

    Raises
    ------
    InputError, UsageError
        No model, no cells; a method, class or layer that is not there; OUT is a run or a model
        folder.
    """
    refuse_out(request.out, usual_out(request.wanted.first, request.wanted.data, "explained"))
    asked = ask(request.wanted)
    methods = chosen_methods(asked, request.methods)
    refuse_settings(asked, request)
    if request.target and request.target not in asked.model.classes:
        raise unknown("class", request.target, asked.model.classes)
    turnable = open_turnable(request.counterfactual, asked, request.direction)
    cells = choose_cells(asked, request)
    made = examined_maps(asked, request, cells, methods)
    found, findings, absent = made.maps, made.findings, made.absent
    drawer = request.counterfactual
    if turnable is None and request.film_minutes:
        turnable, drawer = trained_drawer(request, asked, absent), request.out / "inverse"
    otherwise = _imagine(request, asked, cells, turnable)
    places = _map(asked, request)
    readable = _read(asked, request, cells)
    for each in (*places.findings, *readable.findings, *otherwise.findings):
        findings.append(replace(each, details={**each.details, "method": ""}))
    absent |= readable.absent
    if places.why_not:
        absent["map of cells"] = places.why_not
    request.out.mkdir(parents=True, exist_ok=True)
    write_relevance(request.out / "explanations.zarr", found, cells.samples.names)
    places.write(request.out / "embeddings.parquet")
    _write_films(request.out / "films", otherwise)
    write_json(request.out / "evidence.json", write_ledger(ordered(findings)))
    content = ExplainedContent(
        title=f"{asked.name}, explained",
        command=request.command,
        findings=ordered(findings),
        cells=explained_cells(
            cells.samples,
            cells.masks,
            _said(asked, cells),
            cells.shown,
            [each.explanations(cells.samples.names) for each in found],
        ),
        strips=otherwise.strips,
        plane=otherwise.plane,
        formulas=readable.formulas,
        curves=readable.curves,
        embedding=places.embedding,
        shares=_shares(found),
        unit=asked.samples.unit,
        absent=absent,
        facts=_facts(asked, request, cells),
        notes=(*cells.assumed, *otherwise.notes, *asked.notes),
        accuracy=both_right(asked, drawer if otherwise.strips else None),
        inverse=""
        if otherwise.strips
        else how_to_turn(request.wanted, asked.model.input_px, request.command, asked.card.cut_px),
    )
    write_text(request.out / "report.html", render_explained(content))
    return _told(request, content, cells, found)


def _imagine(
    request: ExplainRequest, asked: AskedModel, cells: Cells, turnable: Turnable | None
) -> Otherwise:
    """Counterfactuals of the cells that are shown, where a model can make some."""
    if turnable is None:
        return Otherwise()
    with step("Imagining", 1, quiet=request.wanted.quiet) as done:
        made = imagine(turnable, asked, cells.samples, cells.masks, cells.shown, request.direction)
        strips = with_alike(made.strips, cells.known, cells.truth, request.wanted.seed)
        done()
    return replace(made, strips=strips)


def _write_films(folder: Path, otherwise: Otherwise) -> None:
    """A GIF per counterfactual that is shown, numbered as on the page."""
    if not otherwise.strips:
        return
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.gif"):
        old.unlink()
    for number, strip in enumerate(otherwise.strips, start=1):
        name = f"{number:02d}_{strip.source}_to_{strip.target}.gif"
        write_film(str(folder / re.sub(r"[^\w.-]+", "_", name)), strip.images)


def _map(asked: AskedModel, request: ExplainRequest) -> CellMap:
    with step("Mapping the cells", 1, quiet=request.wanted.quiet) as done:
        made = map_cells(asked, request.wanted.seed)
        done()
    return made


def _shares(found: Sequence[Relevance]) -> tuple[ChannelShare, ...]:
    out = []
    for each in found:
        shares = each.shares()
        known = np.isfinite(shares).all(axis=1)
        mean = shares[known].mean(axis=0) if known.any() else np.zeros(0)
        own = {name: float(v) for name, v in zip(each.channels, mean, strict=False)}
        one = len(each.channels) < 2
        out.append(ChannelShare(each.method, {} if one else own, each.why_no_shares()))
    return tuple(out)


def _read(asked: AskedModel, request: ExplainRequest, cells: Cells) -> Readable:
    with step("Reading", 1, quiet=request.wanted.quiet) as done:
        made = read_model(asked.model, cells.known, cells.truth, request.wanted.seed)
        done()
    return made


def _said(asked: AskedModel, cells: Cells) -> pd.DataFrame:
    """State and probability of each explained cell: out-of-fold where such an answer is kept."""
    logits = asked.model.logits(cells.crops)
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    states, shares = [], []
    for k, name in enumerate(cells.samples.names):
        own = asked.model.classes[int(logits[k].argmax())]
        states.append(asked.states.get(name, own))
        shares.append(asked.probability.get(name, float(chances[k].max())))
    return pd.DataFrame({"state": states, "p": shares})


def _facts(asked: AskedModel, request: ExplainRequest, cells: Cells) -> dict[str, str]:
    samples = cells.samples
    return {
        "model": asked.name,
        "channels": ", ".join(asked.model.channels),
        "explained": f"{request.target or 'each cell’s own answer'}, as its logit less the best "
        "other one",
        "maps made and examined on": f"{counted(len(samples), 'cell')} of "
        f"{counted(len(set(samples.groups)), samples.unit)}",
        "answers": "out-of-fold where the model had seen the cell"
        if asked.states
        else "of a model that had not seen these cells"
        if asked.unseen
        else "of a model that may have seen these cells",
        "stands in for what is covered": request.baseline.replace("_", " "),
        "seed": str(request.wanted.seed),
    }


def _told(
    request: ExplainRequest, content: ExplainedContent, cells: Cells, found: Sequence[Relevance]
) -> str:
    methods = ", ".join(method_name(each.method) for each in found)
    lines = [
        f"Explained {counted(len(cells.shown), 'cell')} by {methods or 'no method'}; examined on "
        f"{counted(len(cells.samples), 'cell')}."
    ]
    for each in found:
        own = [f for f in content.findings if f.name.startswith(f"{each.method}.")]
        counts = {v: sum(f.verdict == v for f in own) for v in ("pass", "fail", "inconclusive")}
        lines.append(
            f"  {method_name(each.method)}: {counted(counts['pass'], 'exam')} passed, "
            f"{counts['fail']} failed, {counts['inconclusive']} open."
        )
    lines += [f"  Not shown: {name}: {why}" for name, why in content.absent.items()]
    lines += [f"  {note}" for note in content.notes]
    maps = "explanations.zarr, " if found else ""
    lines.append(f"Wrote {request.out}: report.html, {maps}evidence.json ...")
    return "\n".join(lines)
