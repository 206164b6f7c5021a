"""Maps of relevance for ``lucyte explain``, each method beside its exams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.evidence.explanation.examined import Examined
from lucyte.evidence.explanation.exams import examine, unmet
from lucyte.explain.attribution.explained import bind
from lucyte.explain.attribution.fills import FILLS
from lucyte.explain.attribution.inside import find_sites
from lucyte.explain.attribution.methods import Settings, applicable, attribute
from lucyte.explain.attribution.relevance import Relevance
from lucyte.pipeline.asked_model import AskedModel
from lucyte.pipeline.explain_request import ExplainRequest
from lucyte.pipeline.explained_choice import Cells
from lucyte.pipeline.progress import step
from lucyte.report.method_words import method_name
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.finding import Finding
from lucyte.schema.protocols import Differentiable

CHOSEN = ("layer_cam", "occlusion", "integrated_gradients")
"""What is shown where nothing is asked for: what ``lucyte bench explain`` found to mark planted
causes best. A model on features allows occlusion alone."""
FINE = "layer_cam"
"""Looks at the first stage where none is named: there its maps are as fine as what they mark."""
EXAMS = ("deletion", "insertion", "road", "inside_cell", "sensitivity", "model_randomisation")
"""Exams that every method faces, where it can."""


@dataclass
class ExaminedMaps:
    """What every method made, and how it did.

    Attributes
    ----------
    maps : list of Relevance
    findings : list of Finding
    absent : dict
        What could not be made or examined, and why.
    """

    maps: list[Relevance] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)


def chosen_methods(asked: AskedModel, wanted: Sequence[str]) -> tuple[str, ...]:
    """Names of methods: those wanted, or those shown where nothing is asked for.

    Raises
    ------
    UsageError
        One that this model does not allow.
    """
    allowed = [name for name in applicable(asked.model) if name != "shapley_pieces"]
    if tuple(wanted) == ("all",):
        return tuple(allowed)
    for name in wanted:
        if name not in allowed:
            raise unknown("method", name, allowed, "Of those that this model allows.")
    return tuple(dict.fromkeys(wanted)) or tuple(name for name in CHOSEN if name in allowed)


def refuse_settings(asked: AskedModel, request: ExplainRequest) -> None:
    """Refuse a baseline or a layer that is not there, before any work.

    Raises
    ------
    UsageError
    """
    if request.baseline not in FILLS:
        raise unknown("baseline", request.baseline, FILLS)
    if request.layer is None:
        return
    if not isinstance(asked.model, Differentiable):
        raise UsageError(
            f"--layer {request.layer}: {asked.name} looks at measured features and has no layers; "
            "leave --layer out."
        )
    find_sites(bind(asked.model, asked.model.classes[0], 1), request.layer)


def examined_maps(
    asked: AskedModel, request: ExplainRequest, cells: Cells, methods: Sequence[str]
) -> ExaminedMaps:
    """Make every map and examine it; a method without exams shows none.

    Raises
    ------
    UsageError
        A method that was asked for by name cannot be used.
    """
    made = ExaminedMaps()
    with step("Explaining", len(methods), quiet=request.wanted.quiet) as done:
        for name in methods:
            try:
                relevance = _attribute(asked, request, cells, name)
            except UsageError as error:
                if request.methods and tuple(request.methods) != ("all",):
                    raise
                made.absent[name] = str(error).removeprefix(f"{name}: ")
            else:
                told = _examine(asked, request, cells, relevance, made.absent)
                if told:
                    made.maps.append(relevance)
                    made.findings += told
            done()
    return made


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
