"""One stage on its own: find objects, link them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from lucyte.cli.app import app
from lucyte.cli.options import (
    ChannelMap,
    Confidence,
    Device,
    Diameter,
    Engine,
    Model,
    Out,
    Outlines,
    Pages,
    Quiet,
    Select,
    Tta,
    Workers,
    names,
    next_step,
    read_options,
    wanted_objects,
)


@app.command(
    epilog="Example: lucyte detect plate/ -o out --model cellular   or with your own YOLO: "
    "--model best.onnx"
)
def detect(
    images: Annotated[Path, typer.Argument(help="A file, folder or glob of images.")],
    out: Out = Path("detected"),
    model: Model = "",
    kind: Annotated[str, typer.Option(help="cell, nucleus ...; default the model's.")] = "",
    channel: Annotated[list[str] | None, typer.Option(help="Channel(s) to look in.")] = None,
    diameter_px: Diameter = None,
    confidence: Confidence = None,
    channels: ChannelMap = "",
    select: Select = None,
    pages: Pages = "",
    engine: Engine = "auto",
    device: Device = "auto",
    tta: Tta = False,
    workers: Workers = None,
    quiet: Quiet = False,
) -> None:
    """Find boxes: OUT/boxes.parquet and OUT/overview.png."""
    from lucyte.pipeline.detect import detect_images

    wanted = wanted_objects(kind, channel, diameter_px, model, confidence, (engine, device, tta))
    reading = read_options(channels, select, pages)
    print(detect_images(images, out, wanted, reading, workers=workers, quiet=quiet))
    next_step(f"look at {out / 'overview.png'}")


@app.command(
    epilog="Example: lucyte segment images/ -o out --model nuclei   or without a model: "
    "--kind nucleus --channel DNA"
)
def segment(
    images: Annotated[Path, typer.Argument(help="A file, folder or glob of images.")],
    out: Out = Path("segmented"),
    model: Model = "",
    kind: Annotated[str, typer.Option(help="nucleus, cell ...; default from the channels.")] = "",
    channel: Annotated[list[str] | None, typer.Option(help="Channel(s) to look in.")] = None,
    diameter_px: Diameter = None,
    confidence: Confidence = None,
    outlines: Outlines = "",
    channels: ChannelMap = "",
    select: Select = None,
    pages: Pages = "",
    engine: Engine = "auto",
    device: Device = "auto",
    tta: Tta = False,
    workers: Workers = None,
    quiet: Quiet = False,
) -> None:
    """Find objects: OUT/labels/STEM.tif, OUT/objects.parquet and OUT/overview.png."""
    from lucyte.pipeline.segment_images import segment_images

    wanted = wanted_objects(
        kind, channel, diameter_px, model, confidence, (engine, device, tta), outlines
    )
    reading = read_options(channels, select, pages)
    print(segment_images(images, out, wanted, reading, workers=workers, quiet=quiet))
    next_step(f"lucyte track {shlex.quote(str(out / 'labels'))} -o tracks")


@app.command(
    epilog="Example: lucyte track labels/ -o out --images 01 --repair all   then correct: "
    "--edits edits.csv"
)
def track(
    labels: Annotated[Path, typer.Argument(help="A folder of label images, one per frame.")],
    out: Out = Path("tracks"),
    images: Annotated[Path | None, typer.Option(help="The images the labels were made on.")] = None,
    max_distance: Annotated[str, typer.Option(help="Longest step: px, um or diameter.")] = "auto",
    max_gap: Annotated[int, typer.Option(min=0, help="Frames an object may be missing.")] = 1,
    divisions: Annotated[bool, typer.Option(help="Allow cells to divide.")] = True,
    repair: Annotated[
        str,
        typer.Option(help="off; bridge: masks for missed cells; all: split merged ones, too."),
    ] = "off",
    edits: Annotated[Path | None, typer.Option(help="Your corrections: edits.csv.")] = None,
    to: Annotated[str, typer.Option(help="Further forms: trackmate,napari,parquet.")] = "",
) -> None:
    """Link label images into lineages: OUT/mask*.tif, OUT/res_track.txt, OUT/tracks.geff."""
    from lucyte.pipeline.track_labels import track_labels
    from lucyte.schema.errors import unknown

    if repair not in ("off", "bridge", "all"):
        raise unknown("repair", repair, ("off", "bridge", "all"))
    settings = {
        "max_distance": max_distance,
        "max_gap": max_gap,
        "divisions": divisions,
        "repair": repair,
    }
    print(track_labels(labels, out, settings, images, edits, names(to)))
    next_step(f"lucyte validate {shlex.quote(str(out))} REFERENCE --task tracking")


@app.command(epilog="Example: lucyte models   lucyte models my-nuclei --json")
def models(
    model: Annotated[str, typer.Argument(help="One model; default all that are shipped.")] = "",
    json_output: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """List models: what they look at, what they find, how well, and what must not be claimed."""
    from lucyte.pipeline.models import describe_models

    print(describe_models(model, json_output))
