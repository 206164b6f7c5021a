"""States: train a classifier on labelled pictures, and let it answer."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lucyte.cli.app import app
from lucyte.cli.options import (
    ChannelMap,
    Device,
    Engine,
    Out,
    Pages,
    PixelSize,
    Quiet,
    Seed,
    Select,
    names,
    next_step,
    read_options,
)
from lucyte.cli.training import training
from lucyte.schema.errors import UsageError, unknown

Data = Annotated[
    Path,
    typer.Argument(help="A folder per class, a CSV (image, state ...), or an array with a CSV."),
]
LabelColumn = Annotated[
    str, typer.Option(help="Column of the class; default state, label or class.")
]
GroupColumn = Annotated[str, typer.Option(help="Column of the independent unit.")]
GroupRegex = Annotated[str, typer.Option(help="What of a path is the independent unit.")]
Masks = Annotated[str, typer.Option(help="Column, folder or array of the cells' own masks.")]
SidePx = Annotated[
    int, typer.Option(min=0, help="Side of the samples in px; default the pictures' own.")
]
Fit = Annotated[
    str,
    typer.Option(
        help="How other sizes get there: keep-scale (cut or pad), or resample; cells of a run are "
        "then cut out whole first."
    ),
]
Array = Annotated[str, typer.Option(help="Which array of an .npz.")]
Axes = Annotated[str, typer.Option(help="Of an array: NCYX, NYXC or NYX.")]
SubtractBackground = Annotated[
    bool,
    typer.Option(
        "--subtract-background",
        help="See the cell alone, less the light beside it; needs the cells' masks.",
    ),
]
PatchPx = Annotated[int, typer.Option(min=0, help="Cut z-stacks into patches of this side.")]


@training.command(
    "classify",
    short_help="Tell states apart: learn from labelled pictures, cells or stacks.",
    epilog="Example: lucyte train classify pictures/ --group-regex '(plate[0-9]+)' -o model   "
    "Which channel carries it: --compare --minutes 90   Stacks: --patch-px 350",
)
def train_classify(
    data: Data,
    out: Out = Path("model"),
    group_regex: GroupRegex = "",
    group_column: GroupColumn = "",
    label_column: LabelColumn = "",
    channels: ChannelMap = "",
    use: Annotated[
        str, typer.Option(help="Channels to look at, A,B; with mask:cell only the cell is seen.")
    ] = "",
    subtract_background: SubtractBackground = False,
    encoder: Annotated[
        str, typer.Option(help="small, resnet50, vit, dinov2 or convnext.")
    ] = "small",
    form: Annotated[
        str, typer.Option(help="early, intermediate, late or single:CHANNEL.")
    ] = "early",
    weights: Annotated[
        str, typer.Option(help="Pretrained encoder: a folder or a name on the hub.")
    ] = "",
    folds: Annotated[int, typer.Option(min=2, help="Whole groups per fold.")] = 5,
    held_out: Annotated[str, typer.Option(help="Groups set aside before anything else, A,B.")] = "",
    compare: Annotated[
        bool, typer.Option(help="Train every fusion and every combination of channels alike.")
    ] = False,
    minutes: Annotated[
        float, typer.Option(min=0, help="Of training in all; 0: until it stops by itself.")
    ] = 0.0,
    epochs: Annotated[int, typer.Option(min=1, help="At most.")] = 100,
    turns: Annotated[
        int, typer.Option(help="Views averaged when asked: 1, 4 or 8; as many times the time.")
    ] = 1,
    tune: Annotated[int, typer.Option(min=0, help="Trials of a search for settings.")] = 0,
    wanted_error: Annotated[
        float, typer.Option(min=0, max=1, help='Say "unknown" so that errors stay below this.')
    ] = 0.0,
    network_px: Annotated[
        int, typer.Option(min=0, help="Side the network sees; default the samples' own.")
    ] = 0,
    patch_px: PatchPx = 0,
    patch_sizes: Annotated[
        str, typer.Option(help="Several sides, A,B,C: a model each and the curve.")
    ] = "",
    rotate_deg: Annotated[
        float, typer.Option(help="Turn whole stacks first: do answers hang on where cuts fall?")
    ] = 0.0,
    planes: Annotated[
        str, typer.Option(help="Cut every plane of a stack (each), or its brightest (max).")
    ] = "each",
    gentle: Annotated[
        bool, typer.Option(help="No blur and no noise among the changes: fine structure decides.")
    ] = False,
    patch_overlap: Annotated[float, typer.Option(min=0, max=0.9, help="Of patches.")] = 0.0,
    min_foreground: Annotated[
        float, typer.Option(min=0, max=1, help="Sparser patches are dropped.")
    ] = 0.05,
    exclude_channel: Annotated[
        str, typer.Option(help="Not looked at in stacks, e.g. the nuclear one: A,B.")
    ] = "",
    masks: Masks = "",
    side_px: SidePx = 0,
    fit: Fit = "",
    array: Array = "",
    axes: Axes = "",
    select: Select = None,
    pages: Pages = "",
    allow_leakage: Annotated[
        bool, typer.Option(help="Split at random, groups on both sides; everything is marked.")
    ] = False,
    licence: Annotated[str, typer.Option(help="Of the data, for the model card.")] = "unknown",
    device: Device = "auto",
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Train and test a classifier: whole groups held out, guards asked first, a page to read.

    Writes MODEL/report.html, predictions.csv (out-of-fold), scores.csv, evidence.json beside the
    model itself.
    """
    from lucyte.classify.patches import PatchSettings
    from lucyte.learn.image_augment import GENTLE, AugmentSettings
    from lucyte.learn.image_learner import ImageSettings
    from lucyte.learn.image_training import TrainingSettings
    from lucyte.networks.engine import choose_engine
    from lucyte.pipeline.classifier_folder import ClassifierRequest
    from lucyte.pipeline.train_classifier import train_classifier

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
    patches, sizes = None, [_side(each) for each in names(patch_sizes)]
    if patch_px or sizes:
        patches = PatchSettings(
            side_px=patch_px or sizes[0],
            planes=_planes(planes),
            angle_deg=rotate_deg,
            overlap=patch_overlap,
            min_foreground=min_foreground,
            exclude=names(exclude_channel),
        )
    elif exclude_channel or patch_overlap or rotate_deg:
        raise UsageError(
            "--exclude-channel, --patch-overlap and --rotate-deg are of stacks; give --patch-px."
        )
    request = ClassifierRequest(
        data=data,
        out=out,
        options=reading,
        patches=patches,
        use=names(use),
        settings=ImageSettings(
            form=form,
            encoder=encoder,
            weights=weights or None,
            wanted_error=wanted_error or None,
            turns=turns,
            network_px=network_px or None,
            background="subtracted" if subtract_background else "kept",
            training=TrainingSettings(
                epochs=epochs,
                device=choose_engine("torch", device)[1],
                augment=GENTLE if gentle else AugmentSettings(),
            ),
        ),
        folds=folds,
        held_out=names(held_out),
        compare=compare,
        minutes=minutes,
        trials=tune,
        allow_leakage=allow_leakage,
        licence=licence,
        seed=seed,
        command=shlex.join(["lucyte", *sys.argv[1:]]),
        quiet=quiet,
    )
    if sizes:
        from lucyte.pipeline.patch_sizes import train_sizes

        print(train_sizes(request, sizes))
        next_step(f"open {out / 'patch_sizes.png'}")
        return
    print(train_classifier(request))
    next_step(f"open {out / 'report.html'}")


def _planes(text: str) -> Any:
    if text not in ("each", "max"):
        raise unknown("--planes", text, ("each", "max"))
    return text


def _side(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise UsageError(f"--patch-sizes: write sides in px, e.g. 200,350,500; got {text!r}.")
    return int(text)


@app.command(epilog="Example: lucyte classify pictures/ -o out --model my-states")
def classify(
    data: Annotated[
        Path, typer.Argument(help="Pictures or stacks: a folder, a CSV, or an array with a CSV.")
    ],
    model: Annotated[Path, typer.Option("--model", help="A folder of lucyte train classify.")],
    out: Out = Path("classified"),
    channels: ChannelMap = "",
    group_regex: GroupRegex = "",
    group_column: GroupColumn = "",
    masks: Masks = "",
    side_px: SidePx = 0,
    fit: Fit = "",
    array: Array = "",
    axes: Axes = "",
    select: Select = None,
    pages: Pages = "",
    pixel_size_um: PixelSize = None,
    engine: Engine = "auto",
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Say the state of every picture: OUT/states.parquet and OUT/overview.png."""
    from lucyte.pipeline.classify import ClassifyRequest, classify_pictures

    reading = sample_reading(
        (channels, select, pages),
        group_column=group_column,
        group_regex=group_regex,
        masks=masks,
        side_px=side_px,
        fit=fit,
        array=array,
        axes=axes,
    )
    request = ClassifyRequest(data, out, model, reading, pixel_size_um, engine, device, quiet)
    print(classify_pictures(request))
    next_step(f"lucyte validate {shlex.quote(str(out))} TRUTH.csv --task classification")


def sample_reading(files: tuple[str, list[str] | None, str], **said: Any) -> Any:
    """How labelled pictures are read; ``files``: channels, select and pages as typed."""
    from lucyte.io.labelled import SampleOptions

    for name, allowed in (("fit", ("keep-scale", "resample")), ("axes", ("NCYX", "NYXC", "NYX"))):
        if said.get(name) and said[name] not in allowed:
            raise unknown(name, said[name], allowed)
    text, select, pages = files
    plain = "=" not in text  # A,B names the planes of an array; NEW=OLD renames
    given = read_options("" if plain else text, select, pages)
    channels: Any = names(text) if plain else given["channels"]
    selected = {axis: int(place) for axis, place in given["select"].items()}
    side = said.pop("side_px", 0) or None
    return SampleOptions(
        channels=channels, select=selected, pages=given["pages"], side_px=side, **said
    )
