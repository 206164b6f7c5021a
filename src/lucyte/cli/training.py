"""Train models."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from lucyte.cli.app import Verbs, app
from lucyte.cli.options import (
    ChannelMap,
    Device,
    Out,
    Pages,
    Quiet,
    Seed,
    Select,
    names,
    next_step,
    read_options,
    weights,
)

training = typer.Typer(cls=Verbs, no_args_is_help=True, rich_markup_mode="markdown")
app.add_typer(
    training,
    name="train",
    help="Train a model: detect (boxes), segment (masks), classify (states), invert and autoencode "
    "(what would it look like).",
    epilog="Example: lucyte train segment annotated/ -o my-nuclei",
)


def train_objects(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(help="Images and their truth, in any known form.")],
    out: Out = Path("model"),
    images: Annotated[Path | None, typer.Option(help="Folder of images, if not DATA's.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Folder of truth, if not DATA's.")] = None,
    start: Annotated[str, typer.Option("--from", help="Model to refine; else start anew.")] = "",
    kind: Annotated[
        str, typer.Option(help="What the objects are; default cell, or what --from finds.")
    ] = "",
    use: Annotated[str, typer.Option(help="Channels to look at, e.g. EGFP,mRFP,TL.")] = "",
    channels: ChannelMap = "",
    validation: Annotated[float, typer.Option(help="Share of groups kept for validation.")] = 0.15,
    validation_groups: Annotated[str, typer.Option(help="Their names instead, A,B.")] = "",
    select: Select = None,
    pages: Pages = "",
    layout: Annotated[str, typer.Option("--layout", help="How names are read.")] = "auto",
    binary: Annotated[
        str, typer.Option(help="Masks that only tell in from out: refuse or components.")
    ] = "refuse",
    group_regex: Annotated[str, typer.Option(help="What of a path is the group.")] = "",
    group_column: Annotated[str, typer.Option(help="Column of images.csv that is.")] = "",
    steps: Annotated[int, typer.Option(min=0, help="Default 2600; 300 with --from.")] = 0,
    batch: Annotated[int, typer.Option(min=1, help="Crops per step.")] = 8,
    rate: Annotated[
        float, typer.Option(min=0, help="Learning rate; 0.002, or 0.0004 with --from.")
    ] = 0.0,
    crop_px: Annotated[int, typer.Option(min=0, help="Side of a crop; 224 or 256.")] = 0,
    network_diameter_px: Annotated[
        float, typer.Option(min=0, help="Objects are brought to this diameter; 28 or 42.")
    ] = 0.0,
    loss: Annotated[
        list[str] | None, typer.Option(help="Weight of a loss, e.g. foreground_cldice=1.")
    ] = None,
    licence: Annotated[str, typer.Option(help="Of the data, for the model card.")] = "unknown",
    device: Device = "auto",
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Train a network that finds objects; detect learns from boxes or masks, segment from masks.

    A stopped training goes on with the same command.
    """
    from lucyte.pipeline.train_objects import TrainRequest
    from lucyte.pipeline.train_objects import train as train_model

    task = str(context.info_name)
    request = TrainRequest(
        task=task,
        data=data,
        out=out,
        reading={
            "images": images,
            "truth": truth,
            **{k: v for k, v in read_options(channels, select, pages).items() if v},
            "layout": layout,
            "binary": binary,
            "group_regex": group_regex,
            "group_column": group_column,
        },
        use=names(use),
        finds=kind,
        start=start,
        validation=validation,
        validation_groups=names(validation_groups),
        steps=steps,
        batch=batch,
        rate=rate,
        crop_px=crop_px,
        diameter_px=network_diameter_px,
        losses=weights(loss or []),
        licence=licence,
        device=device,
        seed=seed,
        quiet=quiet,
    )
    told = train_model(request)
    if not told:  # one of several processes, not the one that speaks
        return
    print(told)
    next_step(f"lucyte {task} IMAGES -o out --model {shlex.quote(str(out))}")


training.command(
    "detect",
    short_help="Find boxes: learn from boxes or masks.",
    epilog="Example: lucyte train detect annotated/ -o my-cells",
)(train_objects)
training.command(
    "segment",
    short_help="Find objects with masks: learn from label images or masks.",
    epilog="Example: lucyte train segment annotated/ -o my-nuclei --kind nucleus   Refine: "
    "lucyte train segment annotated/ -o mine --from nuclei --steps 300",
)(train_objects)
