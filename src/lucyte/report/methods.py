"""The methods paragraph: one sentence per stage that ran, with its sources."""

from __future__ import annotations

from collections.abc import Mapping

from lucyte.report.content import Citation, MethodNote, ReportContent
from lucyte.report.section import Figures, Section
from lucyte.report.template import fill
from lucyte.report.wording import count, listed, sentence, things_of, unit_word
from lucyte.schema.plan import ObjectSettings, Plan

STAGES = ("input", "correct", "segment", "measure", "classify", "track", "explain", "evidence")

OTSU = Citation("Otsu, IEEE Trans Syst Man Cybern 9, 62 (1979)", "10.1109/TSMC.1979.4310076")
LI = Citation("Li and Lee, Pattern Recognit 26, 617 (1993)", "10.1016/0031-3203(93)90115-D")
TRIANGLE = Citation("Zack et al., J Histochem Cytochem 25, 741 (1977)", "10.1177/25.7.70454")
LOG = Citation("Lindeberg, Int J Comput Vis 30, 79 (1998)", "10.1023/A:1008045108935")
UNET_PLUS_PLUS = Citation(
    "Zhou et al., IEEE Trans Med Imaging 39, 1856 (2020)", "10.1109/TMI.2019.2959609"
)
HIGHS = Citation(
    "Huangfu and Hall, Math Program Comput 10, 119 (2018)", "10.1007/s12532-017-0130-5"
)
SCIKIT_LEARN = Citation("Pedregosa et al., J Mach Learn Res 12, 2825 (2011)")
SCIKIT_IMAGE = Citation("van der Walt et al., PeerJ 2, e453 (2014)", "10.7717/peerj.453")
OCCLUSION = Citation("Zeiler and Fergus, ECCV (2014)", "10.1007/978-3-319-10590-1_53")
TSNE = Citation("van der Maaten and Hinton, J Mach Learn Res 9, 2579 (2008)")
OPENTSNE = Citation("Poličar et al., J Stat Softw 109, 3 (2024)", "10.18637/jss.v109.i03")
PERMUTATION = Citation(
    "Phipson and Smyth, Stat Appl Genet Mol Biol 9, 39 (2010)", "10.2202/1544-6115.1585"
)

_THRESHOLDS: Mapping[str, tuple[str, tuple[Citation, ...]]] = {
    "adaptive": ("a threshold of its own for each object, out of the tree of all levels", ()),
    "otsu": ("Otsu's threshold", (OTSU,)),
    "local": ("a local threshold", ()),
    "li": ("Li's threshold", (LI,)),
    "triangle": ("the triangle threshold", (TRIANGLE,)),
}


def methods_section(content: ReportContent, figures: Figures) -> Section:
    """A paragraph to copy and its numbered sources."""
    given = {note.stage for note in content.methods}
    notes = [note for note in from_plan(content) if note.stage not in given]
    notes += content.methods
    ordered = sorted(notes, key=lambda note: (*STAGES, note.stage).index(note.stage))
    sources: list[Citation] = []
    sentences = []
    for note in ordered:
        for each in note.citations:
            if each not in sources:
                sources.append(each)
        numbers = [sources.index(each) + 1 for each in note.citations]
        sentences.append({"text": note.text.strip().rstrip("."), "numbers": numbers})
    versions = content.provenance.get("versions", {})
    named = [f"{k} {v}" for k, v in versions.items()] if isinstance(versions, Mapping) else []
    body = fill("methods.html", sentences=sentences, sources=sources, versions=listed(named, 40))
    return Section("methods", "Methods", body)


def from_plan(content: ReportContent) -> list[MethodNote]:
    """What the plan alone says of each stage that was not skipped."""
    plan = content.plan
    notes = [
        MethodNote("input", _input(plan)),
        MethodNote("correct", _correct(plan)),
        *(_segment(each) for each in plan.segment.objects),
        MethodNote("measure", _measure(plan), (SCIKIT_IMAGE,)),
    ]
    if content.states is not None:
        notes.append(_classify(content))
    if len(content.tracks):
        notes.append(_track(plan))
    if content.explained or content.embedding is not None:
        notes.append(_explain(content))
    if content.findings:
        notes.append(_evidence(plan))
    return [note for note in notes if note.stage not in content.skipped]


def _input(plan: Plan) -> str:
    given = plan.input.pixel_size_um
    size = f"; the pixel size, {given:g} µm, was given by the user" if given else ""
    return f"Images were read with the layout “{plan.input.layout}”{size}"


def _correct(plan: Plan) -> str:
    asked = [
        f"{name} ({switch})"
        for name, switch in (
            ("illumination", plan.correct.illumination),
            ("background", plan.correct.background),
            ("registration", plan.correct.registration),
        )
        if switch != "off"
    ]
    if plan.correct.bleed_through:
        asked.append("bleed-through")
    if not asked:
        return "Pixels were not corrected before they were measured"
    return f"Before measuring, pixels were corrected for {listed(asked)}"


def _segment(settings: ObjectSettings) -> MethodNote:
    channels = f" in {' + '.join(settings.channels)}" if settings.channels else ""
    things = things_of(settings.kind)
    things = sentence(things)
    threshold, sources = _THRESHOLDS[settings.threshold]
    if settings.method == "network":
        if str(settings.model).endswith(".onnx"):
            text = f"{things} were found{channels} by the detector {settings.model}"
            return MethodNote("segment", text)
        text = (
            f"{things} were found{channels} by the network {settings.model}, a U-Net++ whose "
            "pixels vote for the centre of their object"
        )
        return MethodNote("segment", text, (UNET_PLUS_PLUS,))
    if settings.method == "ridge":
        return MethodNote("segment", f"{things} were found{channels} as ridges of light")
    if settings.method == "log":
        text = f"{things} were found{channels} as maxima of the Laplacian of Gaussian"
        return MethodNote("segment", text, (LOG,))
    if settings.method == "subtract":
        return MethodNote("segment", f"{things}: the cell without its nucleus")
    if settings.method == "grow":
        start = things_of(settings.parent) if settings.parent else "their parents"
        text = f"{things} were grown{channels} outwards from {start}, up to {threshold}"
        return MethodNote("segment", text, sources)
    split = " and split by a watershed of the distance transform" if settings.split else ""
    return MethodNote("segment", f"{things} were found{channels} by {threshold}{split}", sources)


def _measure(plan: Plan) -> str:
    ratios = [f"{top} to {bottom}" for top, bottom in plan.measure.ratios]
    more = f"; channel ratios: {listed(ratios)}" if ratios else ""
    return f"Of every object {listed(list(plan.measure.families))} were measured{more}"


def _classify(content: ReportContent) -> MethodNote:
    info, folds = content.states, content.plan.classify.folds
    assert info is not None
    group = unit_word(info.group)
    return MethodNote(
        "classify",
        f"States ({listed(list(info.classes))}) were learned from “{info.target}” by a sparse "
        f"logistic model on the measured features, fitted in at most {folds} folds that keep each "
        f"{group} together ({count(info.groups, group)}); every state reported is "
        "out-of-fold",
        (SCIKIT_LEARN,),
    )


def _track(plan: Plan) -> MethodNote:
    divisions = ", with divisions" if plan.track.divisions else ""
    gap = count(plan.track.max_gap, "frame") if plan.track.max_gap else "no frame"
    return MethodNote(
        "track",
        f"Objects were linked over all frames at once as a minimum-cost flow{divisions}, solved "
        f"as a linear programme; an object may be missing for {gap}",
        (HIGHS,),
    )


def _explain(content: ReportContent) -> MethodNote:
    texts, sources = [], []
    methods = {e.method for cell in content.explained for e in cell.explanations}
    if "contributions" in methods:
        texts.append("Feature contributions are the exact terms of the linear score")
    if "occlusion" in methods:
        texts.append("Occlusion maps show how much the score falls when a patch is hidden")
        sources.append(OCCLUSION)
    if content.embedding is not None and content.embedding.method == "t-SNE":
        perplexity = content.plan.explain.perplexity
        texts.append(f"Cells were laid out by t-SNE (perplexity {perplexity:g})")
        sources += [TSNE, OPENTSNE]
    return MethodNote("explain", ". ".join(texts) or "States were explained", tuple(sources))


def _evidence(plan: Plan) -> MethodNote:
    return MethodNote(
        "evidence",
        f"Intervals and tests (α = {plan.evidence.alpha:g}, {plan.evidence.permutations:,} "
        "permutations) take the unit named with each finding as independent, never the cell; "
        "fewer than six units get no interval",
        (PERMUTATION,),
    )
