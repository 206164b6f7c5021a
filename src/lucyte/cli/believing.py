"""Why believe it? Explain and challenge."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from lucyte.cli.app import app
from lucyte.cli.classifying import (
    Array,
    Axes,
    Data,
    Fit,
    GroupColumn,
    GroupRegex,
    LabelColumn,
    Masks,
    SidePx,
    SubtractBackground,
    sample_reading,
)
from lucyte.cli.options import ChannelMap, Out, Pages, Quiet, Seed, Select, names, next_step
from lucyte.cli.training import training
from lucyte.schema.errors import UsageError

First = Annotated[
    Path, typer.Argument(metavar="RUN|MODEL", help="A finished run, or a model folder.")
]
Pictures = Annotated[
    Path | None, typer.Argument(metavar="[DATA]", help="Pictures to ask a model about.")
]
Where = Annotated[
    Path | None, typer.Option("-o", "--out", help="Where to write; default in RUN, else here.")
]


@app.command(
    epilog="Example: lucyte explain out   A model: lucyte explain my-states pictures/ -o explained "
    "--method grad_cam,occlusion   What would it look like: --counterfactual my-inverse"
)
def explain(
    first: First,
    data: Pictures = None,
    out: Where = None,
    method: Annotated[
        str, typer.Option(help="Of attribution, A,B; all: every one that the model allows.")
    ] = "",
    target: Annotated[
        str, typer.Option(help="Class to explain; default each cell's own answer.")
    ] = "",
    cells: Annotated[int, typer.Option(min=1, help="Shown per class.")] = 4,
    exam_cells: Annotated[int, typer.Option(min=8, help="On which maps are examined.")] = 48,
    layer: Annotated[str, typer.Option(help="Of class-activation maps; default the last.")] = "",
    baseline: Annotated[
        str, typer.Option(help="What stands in for what is covered: local_background, mean, blur.")
    ] = "local_background",
    counterfactual: Annotated[
        Path | None, typer.Option(help="A model of lucyte train invert or autoencode.")
    ] = None,
    direction: Annotated[
        str,
        typer.Option(help="Of counterfactuals: means, detail (spots and other fine things), head."),
    ] = "means",
    film_minutes: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Without --counterfactual: train one so long first, for film strips. Default 3 "
            "for a run, 0 (no film strips) for MODEL DATA.",
        ),
    ] = None,
    group_regex: GroupRegex = "",
    group_column: GroupColumn = "",
    label_column: LabelColumn = "",
    channels: ChannelMap = "",
    masks: Masks = "",
    side_px: SidePx = 0,
    fit: Fit = "",
    array: Array = "",
    axes: Axes = "",
    select: Select = None,
    pages: Pages = "",
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Say why: maps per channel, each beside its exam, counterfactuals, and a map of all cells.

    Writes OUT/report.html, OUT/explanations.zarr, OUT/embeddings.parquet and OUT/evidence.json.
    """
    from lucyte.pipeline.asked_model import Wanted
    from lucyte.pipeline.explain import explain as put
    from lucyte.pipeline.explain_request import ExplainRequest
    from lucyte.pipeline.out_folder import usual_out

    reading = sample_reading(
        (channels, select, pages),
        label_column=label_column,
        group_column=group_column,
        group_regex=group_regex,
        masks=masks,
        side_px=side_px,
        fit=fit,
        array=array,
        axes=axes,
    )
    where = out or usual_out(first, data, "explained")
    request = ExplainRequest(
        Wanted(first, data, reading, need_labels=False, seed=seed, quiet=quiet),
        where,
        methods=names(method),
        target=target,
        cells=cells,
        exam_cells=exam_cells,
        layer=layer or None,
        baseline=baseline,
        counterfactual=counterfactual,
        direction=direction,
        film_minutes=(3.0 if data is None else 0.0) if film_minutes is None else film_minutes,
        command=_typed(),
    )
    print(put(request))
    next_step(f"open {where / 'report.html'}")


@app.command(
    epilog="Example: lucyte challenge out   A model: lucyte challenge my-states pictures/ "
    "--group-regex '(plate[0-9]+)' -o challenged   A claim: lucyte challenge out --hypothesis "
    "claim.toml"
)
def challenge(
    first: First,
    data: Pictures = None,
    out: Where = None,
    only: Annotated[
        str, typer.Option(help="Only these, A,B: background, statistics, frequency, batch ...")
    ] = "",
    hypothesis: Annotated[
        Path | None, typer.Option(help="A claim in TOML: frozen, then tested on the run.")
    ] = None,
    write_hypothesis: Annotated[
        Path | None, typer.Option(help="Write a claim to fill in, with what this run can test.")
    ] = None,
    margin: Annotated[float, typer.Option(help="What a shortcut may gain above chance.")] = 0.1,
    most_cells: Annotated[
        int, typer.Option(min=0, help="Cells looked at; default by their size, 2,000 at most.")
    ] = 0,
    refits: Annotated[int, typer.Option(min=2, help="Trainings that seeds and null may cost.")] = 3,
    group_regex: GroupRegex = "",
    group_column: GroupColumn = "",
    label_column: LabelColumn = "",
    channels: ChannelMap = "",
    masks: Masks = "",
    side_px: SidePx = 0,
    fit: Fit = "",
    array: Array = "",
    axes: Axes = "",
    select: Select = None,
    pages: Pages = "",
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Put a model to tests it can fail: shortcuts, batch, robustness, seeds; or a claim of yours.

    Writes OUT/report.html and OUT/evidence.json.
    """
    if hypothesis is not None or write_hypothesis is not None:
        _claims(first, data, hypothesis, write_hypothesis, quiet=quiet)
        return
    from lucyte.evidence.model.settings import ChallengeSettings
    from lucyte.pipeline.asked_model import Wanted
    from lucyte.pipeline.challenge import ChallengeRequest
    from lucyte.pipeline.challenge import challenge as put
    from lucyte.pipeline.out_folder import usual_out

    reading = sample_reading(
        (channels, select, pages),
        label_column=label_column,
        group_column=group_column,
        group_regex=group_regex,
        masks=masks,
        side_px=side_px,
        fit=fit,
        array=array,
        axes=axes,
    )
    where = out or usual_out(first, data, "challenged")
    settings = ChallengeSettings(margin=margin, refits=refits, seed=seed)
    request = ChallengeRequest(
        Wanted(first, data, reading, seed=seed, quiet=quiet),
        where,
        names(only),
        settings,
        most_cells,
        _typed(),
    )
    print(put(request))
    next_step(f"open {where / 'report.html'}")


@training.command(
    "invert",
    short_help="Tell states apart by a network that can be turned round (counterfactuals).",
    epilog="Example: lucyte train invert pictures/ --group-regex '(plate[0-9]+)' -o my-inverse   "
    "then: lucyte explain my-states pictures/ --counterfactual my-inverse",
)
def train_invert(
    data: Data,
    out: Out = Path("inverse"),
    use: Annotated[str, typer.Option(help="Channels to look at, A,B.")] = "",
    subtract_background: SubtractBackground = False,
    flow: Annotated[str, typer.Option(help="i-resnet, coupling or additive.")] = "i-resnet",
    head: Annotated[str, typer.Option(help="linear or gaussian.")] = "linear",
    squeeze: Annotated[
        str, typer.Option(help="px, or haar: smoother film strips where a grid is seen in them.")
    ] = "px",
    density: Annotated[
        float, typer.Option(min=0, help="Weight of the density term; 0 leaves it out.")
    ] = 0.0,
    epochs: Annotated[int, typer.Option(min=1, help="At most.")] = 30,
    minutes: Annotated[float, typer.Option(min=0, help="Of training; 0: till it stops.")] = 0.0,
    group_regex: GroupRegex = "",
    group_column: GroupColumn = "",
    label_column: LabelColumn = "",
    channels: ChannelMap = "",
    masks: Masks = "",
    side_px: SidePx = 0,
    fit: Fit = "",
    array: Array = "",
    axes: Axes = "",
    select: Select = None,
    pages: Pages = "",
    licence: Annotated[str, typer.Option(help="Of the data, for the model card.")] = "unknown",
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Train a classifier whose answers have an inverse: what would this cell look like as ...?

    Whole groups are kept back to test it. DATA may be a run.
    """
    from lucyte.pipeline.train_inverse import InverseRequest, train_inverse

    reading = sample_reading(
        (channels, select, pages),
        label_column=label_column,
        group_column=group_column,
        group_regex=group_regex,
        masks=masks,
        side_px=side_px,
        fit=fit,
        array=array,
        axes=axes,
    )
    request = InverseRequest(
        data,
        out,
        reading,
        names(use),
        "invert",
        flow=flow,
        head=head,
        density=density,
        subtract_background=subtract_background,
        squeeze=squeeze,
        epochs=epochs,
        minutes=minutes,
        licence=licence,
        seed=seed,
        quiet=quiet,
    )
    print(train_inverse(request))
    next_step(_explained_by(data, out))


@training.command(
    "autoencode",
    short_help="Draw cells from a few numbers, the first of which say the state.",
    epilog="Example: lucyte train autoencode pictures/ --teacher my-states -o my-drawer   "
    "then: lucyte explain my-states pictures/ --counterfactual my-drawer",
)
def train_autoencode(
    data: Data,
    out: Out = Path("autoencoder"),
    use: Annotated[str, typer.Option(help="Channels to look at, A,B.")] = "",
    latents: Annotated[int, typer.Option(min=4, help="Numbers that a cell is drawn from.")] = 32,
    teacher: Annotated[
        Path | None, typer.Option(help="A model whose answers the first numbers carry.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="At most.")] = 40,
    minutes: Annotated[float, typer.Option(min=0, help="Of training; 0: till it stops.")] = 0.0,
    group_regex: GroupRegex = "",
    group_column: GroupColumn = "",
    label_column: LabelColumn = "",
    channels: ChannelMap = "",
    masks: Masks = "",
    side_px: SidePx = 0,
    fit: Fit = "",
    array: Array = "",
    axes: Axes = "",
    select: Select = None,
    pages: Pages = "",
    licence: Annotated[str, typer.Option(help="Of the data, for the model card.")] = "unknown",
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Train an autoencoder whose first latents say the state: walk along them, see what changes.

    Whole groups are kept back to test it. DATA may be a run.
    """
    from lucyte.pipeline.train_inverse import InverseRequest, train_inverse

    reading = sample_reading(
        (channels, select, pages),
        label_column=label_column,
        group_column=group_column,
        group_regex=group_regex,
        masks=masks,
        side_px=side_px,
        fit=fit,
        array=array,
        axes=axes,
    )
    request = InverseRequest(
        data,
        out,
        reading,
        names(use),
        "autoencode",
        latents=latents,
        teacher=teacher,
        epochs=epochs,
        minutes=minutes,
        licence=licence,
        seed=seed,
        quiet=quiet,
    )
    print(train_inverse(request))
    next_step(_explained_by(data, out))


def _claims(
    run: Path, data: Path | None, record: Path | None, template: Path | None, *, quiet: bool
) -> None:
    from lucyte.pipeline.hypotheses import test_hypothesis
    from lucyte.pipeline.hypothesis_starter import starter_record

    if data is not None:
        raise UsageError("a claim is tested on a run; leave DATA out.")
    if template is not None:
        if template.exists():
            raise UsageError(f"{template}: exists already; claims are not written over.")
        template.write_text(starter_record(run), encoding="utf-8")
        print(f"Wrote {template}. Fill it in before you look at the result.")
        next_step(f"lucyte challenge {shlex.quote(str(run))} --hypothesis {template}")
        return
    assert record is not None
    for found in test_hypothesis(run, record, quiet=quiet):
        print(f"{found.details.get('answer', found.verdict)}: {found.why}")
    next_step(f"lucyte report {shlex.quote(str(run))}")


def _explained_by(data: Path, out: Path) -> str:
    return shlex.join(["lucyte", "explain", "MODEL", str(data), "--counterfactual", str(out)])


def _typed() -> str:
    return shlex.join(["lucyte", *sys.argv[1:]])
