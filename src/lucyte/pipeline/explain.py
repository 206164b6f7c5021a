"""``lucyte explain``: why a model says what it says, each answer beside its exam."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.evidence.explanation.examined import Examined
from lucyte.evidence.explanation.exams import examine, unmet
from lucyte.evidence.ledger import ordered
from lucyte.evidence.ledger import write as write_ledger
from lucyte.evidence.model.sample_crops import from_samples
from lucyte.explain.attribution.methods import Settings, applicable, attribute
from lucyte.explain.attribution.relevance import Relevance
from lucyte.io.atomic import write_json, write_text
from lucyte.learn.splits import even_sample
from lucyte.networks.model_folder import read_folder
from lucyte.pipeline.asked_model import AskedModel, Wanted, ask
from lucyte.pipeline.cell_map import CellMap, map_cells
from lucyte.pipeline.counterfactuals import Otherwise, Turnable, imagine, open_turnable
from lucyte.pipeline.how_right import how_right
from lucyte.pipeline.progress import step
from lucyte.pipeline.readable import Readable, read_model
from lucyte.pipeline.turning import how_to_turn, train_on_the_way
from lucyte.pipeline.words import counted
from lucyte.pipeline.write_maps import write_relevance
from lucyte.report.explained import ChannelShare, ExplainedContent, render_explained
from lucyte.report.explained_cells import explained_cells
from lucyte.report.film_strip import write_film
from lucyte.report.method_words import method_name
from lucyte.schema.crops import CropSet
from lucyte.schema.errors import InputError, UsageError, unknown
from lucyte.schema.finding import Finding
from lucyte.schema.samples import Samples

CHOSEN = ("layer_cam", "occlusion", "integrated_gradients")
"""What is shown where nothing is asked for: what ``lucyte bench explain`` found to mark planted
causes best. A model on features allows occlusion alone."""
FINE = "layer_cam"
"""Looks at the first stage where none is named: there its maps are as fine as what they mark."""
EXAMS = ("deletion", "insertion", "road", "inside_cell", "sensitivity", "model_randomisation")
"""Exams that every method faces, where it can."""


@dataclass(frozen=True)
class ExplainRequest:
    """What ``lucyte explain`` was asked.

    Attributes
    ----------
    wanted : Wanted
    out : Path
    methods : tuple of str
        Of attribution; empty: ``CHOSEN``; ``all``: every one that the model allows.
    target : str
        Class to explain; empty: each cell's own answer.
    cells : int
        Shown per class.
    exam_cells : int
        On which maps are examined.
    layer : str or None
    baseline : str
    counterfactual : Path or None
        A model that can be turned round.
    direction : str
        Which way it goes.
    film_minutes : float
        Where no such model is given, so long one is trained on the way, into ``out/inverse``; 0:
        none.
    command : str
    """

    wanted: Wanted
    out: Path
    methods: tuple[str, ...] = ()
    target: str = ""
    cells: int = 4
    exam_cells: int = 48
    layer: str | None = None
    baseline: str = "local_background"
    counterfactual: Path | None = None
    direction: str = "means"
    film_minutes: float = 0.0
    command: str = ""


@dataclass(frozen=True)
class Cells:
    """The cells that are explained.

    Attributes
    ----------
    samples : Samples
        Labelled by what is known of them.
    crops : array N C Y X
        The model's input.
    masks : bool array N Y X
        Their own, or estimated.
    targets : tuple of N str
        What is explained.
    assumed : tuple of str
        What was estimated.
    shown : int array
        Those a person sees.
    known : CropSet
        All cells, labelled by the model's answers.
    truth : tuple of str
        What is known of each of them.
    """

    samples: Samples
    crops: npt.NDArray[Any]
    masks: npt.NDArray[np.bool_]
    targets: tuple[str, ...]
    assumed: tuple[str, ...]
    shown: npt.NDArray[np.int64]
    known: CropSet
    truth: tuple[str, ...]


def explain(request: ExplainRequest) -> str:
    """Write ``report.html``, ``explanations.zarr``, ``embeddings.parquet`` and ``evidence.json``.

    Raises
    ------
    InputError, UsageError
        No model, no cells; a method, class or layer that is not there.
    """
    asked = ask(request.wanted)
    methods = _methods(asked, request.methods)
    if request.target and request.target not in asked.model.classes:
        raise unknown("class", request.target, asked.model.classes)
    turnable = open_turnable(request.counterfactual, asked, request.direction)
    quiet = request.wanted.quiet
    cells = choose_cells(asked, request)
    found: list[Relevance] = []
    findings: list[Finding] = []
    absent: dict[str, str] = {}
    with step("Explaining", len(methods), quiet=quiet) as done:
        for name in methods:
            try:
                relevance = _attribute(asked, request, cells, name)
            except UsageError as error:
                if request.methods:
                    raise
                absent[name] = str(error).removeprefix(f"{name}: ")
            else:
                told = _examine(asked, request, cells, relevance, absent)
                if told:  # no map is shown without its exams
                    found.append(relevance)
                    findings += told
            done()
    drawer = request.counterfactual
    if turnable is None and request.film_minutes:
        turnable, drawer = _trained(request, asked, absent), request.out / "inverse"
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
        accuracy=_how_right(asked, drawer if otherwise.strips else None),
        inverse=""
        if otherwise.strips
        else how_to_turn(request.wanted, asked.model.input_px, request.command),
    )
    write_text(request.out / "report.html", render_explained(content))
    return _told(request, content, cells, found)


def _trained(request: ExplainRequest, asked: AskedModel, absent: dict[str, str]) -> Turnable | None:
    """What draws the film strips, trained on these cells; None, and why not, where they forbid."""
    out = request.out / "inverse"
    try:
        train_on_the_way(request.wanted, asked.model.input_px, request.film_minutes, out)
        return open_turnable(out, asked, request.direction)
    except (InputError, UsageError) as error:
        absent["film strips"] = str(error)
        return None


def _how_right(asked: AskedModel, drawer: Path | None) -> str:
    """How often the model is right, and what drew the film strips."""
    told = how_right(asked.card, asked.model.classes)
    drawn = "" if drawer is None else how_right(read_folder(drawer).card, asked.model.classes)
    return f"{told} Film strips are drawn by another model. {drawn}".lstrip() if drawn else told


def _methods(asked: AskedModel, wanted: Sequence[str]) -> tuple[str, ...]:
    allowed = [name for name in applicable(asked.model) if name != "shapley_pieces"]
    if tuple(wanted) == ("all",):
        return tuple(allowed)
    for name in wanted:
        if name not in allowed:
            raise unknown("method", name, allowed, "Of those that this model allows.")
    return tuple(wanted) or tuple(name for name in CHOSEN if name in allowed)


def choose_cells(asked: AskedModel, request: ExplainRequest) -> Cells:
    """Cells spread evenly over answers and, within them, over units."""
    samples, model = asked.samples, asked.model
    said = [asked.states.get(name, "") for name in samples.names]
    lacking = [k for k, state in enumerate(said) if state not in model.classes]
    if lacking:
        crops = samples.take(lacking).for_channels(model.channels)
        for k, place in zip(lacking, model.logits(crops).argmax(axis=1), strict=True):
            said[k] = model.classes[place]
    made = from_samples(Samples(
        images=samples.images, channels=samples.channels, names=samples.names, labels=tuple(said),
        groups=samples.groups, unit=samples.unit, masks=samples.masks,
    ))  # fmt: skip
    states = made.crops.labels
    classes = sorted(set(states))
    most = max(request.exam_cells, request.cells * len(classes))
    picked: list[int] = []
    first: list[int] = []
    for name in classes:
        rows = np.flatnonzero([state == name for state in states])
        groups = [made.crops.groups[k] for k in rows]
        order = even_sample(groups, max(1, most // len(classes)), request.wanted.seed)
        some = [int(rows[k]) for k in order]
        own = even_sample([made.crops.groups[k] for k in some], request.cells, request.wanted.seed)
        first += [some[int(k)] for k in own]
        picked += some
    rows = np.array(sorted(picked))
    own_crops = made.crops.take(rows)
    targets = tuple(request.target or name for name in own_crops.labels)
    chosen = samples.take(made.kept[rows])
    shown = np.searchsorted(rows, sorted(first))
    pixels = own_crops.for_channels(model.channels)
    truth = tuple(samples.labels[k] for k in made.kept)
    return Cells(chosen, pixels, own_crops.masks, targets, made.assumed, shown, made.crops, truth)


def _attribute(asked: AskedModel, request: ExplainRequest, cells: Cells, method: str) -> Relevance:
    settings = _settings(asked, request, method)
    return attribute(asked.model, cells.crops, cells.targets, method, settings)


def _settings(asked: AskedModel, request: ExplainRequest, method: str) -> Settings:
    model: Any = asked.model
    layer = request.layer
    if layer is None and method == FINE:
        layer = next(iter(model.layers())).rsplit("/", 1)[-1]
    return Settings(baseline=request.baseline, layer=layer, seed=request.wanted.seed)


def _examine(
    asked: AskedModel,
    request: ExplainRequest,
    cells: Cells,
    relevance: Relevance,
    absent: dict[str, str],
) -> list[Finding]:
    """Every exam that this method can be put to; what cannot be held is said."""
    settings = _settings(asked, request, relevance.method)

    def again(model: Any, crops: npt.NDArray[Any], targets: Sequence[str]) -> Any:
        return _planes(attribute(model, crops, targets, relevance.method, settings))

    case = Examined(
        method=relevance.method,
        predictor=asked.model,
        crops=cells.crops,
        maps=_planes(relevance),
        masks=cells.masks,
        groups=cells.samples.groups,
        targets=cells.targets,
        unit=cells.samples.unit,
        names=cells.samples.names,
        attribute=again,
    )
    lacking = unmet(case)
    exams = [name for name in EXAMS if name not in lacking]
    if relevance.unit == "attention" or relevance.method in ("occlusion", "rise"):
        # Asked again for every noisy copy, these would take as long as all else together.
        exams = [name for name in exams if name not in ("sensitivity", "model_randomisation")]
    try:
        return [_of(relevance.method, each) for each in examine(case, exams=exams)]
    except UsageError as error:
        absent[f"exams of {relevance.method}"] = str(error)
        return []


def _of(method: str, found: Finding) -> Finding:
    """A finding that says whose it is: the same question is put to every method."""
    question = f"{method_name(method)}: {found.question[0].lower()}{found.question[1:]}"
    return replace(found, question=question, details={**found.details, "method": method})


def _planes(found: Relevance) -> npt.NDArray[np.float64]:
    """Maps as exams take them: one plane where the network joins all channels at once."""
    whole: npt.NDArray[np.float64] = found.maps.sum(axis=1, keepdims=True)
    return whole if len(found.joined) == found.maps.shape[1] else found.maps


def _imagine(
    request: ExplainRequest, asked: AskedModel, cells: Cells, turnable: Turnable | None
) -> Otherwise:
    """Counterfactuals of the cells that are shown, where a model can make some."""
    if turnable is None:
        return Otherwise()
    with step("Imagining", 1, quiet=request.wanted.quiet) as done:
        made = imagine(turnable, asked, cells.samples, cells.masks, cells.shown, request.direction)
        done()
    return made


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
    lines.append(f"Wrote {request.out}: report.html, explanations.zarr, evidence.json ...")
    return "\n".join(lines)
