"""What is there: look at images, plan, simulate, merge."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from lucyte.cli.app import app
from lucyte.cli.options import (
    ChannelMap,
    Out,
    Pages,
    PixelSize,
    Seed,
    Select,
    next_step,
    read_options,
)
from lucyte.schema.errors import UsageError


@app.command(epilog="Example: lucyte info plate/   lucyte info image.nd2 --json")
def info(
    path: Annotated[Path, typer.Argument(help="A file, folder, glob or OME-Zarr.")],
    json_output: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Tell what a file or folder holds: axes, channels, wells, sizes, problems."""
    from lucyte.pipeline.info import describe, describe_text

    facts = describe(path)
    if json_output:
        import json

        print(json.dumps(facts, indent=2))
    else:
        print(describe_text(facts))


@app.command(epilog="Example: lucyte init plate/ -o plan.toml && lucyte run plan.toml -o out")
def init(
    images: Annotated[Path, typer.Argument(help="A file, folder or glob of images.")],
    out: Out = Path("plan.toml"),
    channels: ChannelMap = "",
    pixel_size_um: PixelSize = None,
    plate_map: Annotated[
        Path | None, typer.Option("--plate-map", help="CSV with well, condition ...")
    ] = None,
    layout: Annotated[str, typer.Option("--layout", help="How names are read.")] = "auto",
    pattern: Annotated[
        str, typer.Option("--pattern", help="Regular expression with named groups.")
    ] = "",
    select: Select = None,
    pages: Pages = "",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing plan.")] = False,
) -> None:
    """Look at images and write a starter plan that says what was seen."""
    from lucyte.pipeline.starter import write_starter

    if out.exists() and not force:
        raise UsageError(f"{out} exists; choose another name with -o, or replace it with --force.")
    reading = {
        "plate_map": plate_map,
        "layout": layout,
        "pattern": pattern,
        "pixel_size_um": pixel_size_um,
        **read_options(channels, select, pages),
    }
    print(write_starter(images, out, reading))
    next_step(f"lucyte run {shlex.quote(str(out))} -o out")


@app.command(epilog="Example: lucyte simulate autophagy -o plate --seed 1")
def simulate(
    world: Annotated[str, typer.Argument(help="The world; see below.")],
    out: Out = Path("simulated"),
    seed: Seed = 0,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the world, KEY=VALUE.")
    ] = None,
) -> None:
    """Make cells whose causes are known, with the truth beside the images."""
    from lucyte.pipeline.simulated import write_world

    print(write_world(world, out, seed, setting or []))
    next_step(f"lucyte init {shlex.quote(str(out / 'images'))} -o plan.toml")


@app.command(epilog="Example: lucyte merge plate/ -o pictures")
def merge(
    images: Annotated[Path, typer.Argument(help="A file, folder or glob of images.")],
    out: Out = Path("pictures"),
    channels: ChannelMap = "",
    select: Select = None,
    pages: Pages = "",
) -> None:
    """Turn raw channels into colour pictures that a person can read."""
    from lucyte.pipeline.pictures import merge_images

    print(merge_images(images, out, read_options(channels, select, pages)))
