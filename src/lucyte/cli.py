"""The command ``lucyte``: one thin function per verb; everything heavy is imported inside."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lucyte.schema.errors import LucyteError, UsageError

app = typer.Typer(
    name="lucyte",
    help="Raw fluorescence microscopy to cell states, lineages and explanations you can falsify.",
    epilog="First run: lucyte demo -o demo   Your data: lucyte init IMAGES -o plan.toml",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

STOPPED = 130
"""What typer exits with when a person presses Ctrl-C."""

Out = Annotated[Path, typer.Option("-o", "--out", help="Where to write.")]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes; default one per core.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of every random step.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
ChannelMap = Annotated[
    str, typer.Option("--channels", help="New names for channels, e.g. GFP=w1,RFP=w2.")
]
Select = Annotated[
    list[str] | None, typer.Option("--select", help="Position along a foreign axis, e.g. M=0.")
]
Pages = Annotated[str, typer.Option("--pages", help="What pages of a plain TIFF are: T, Z or C.")]
Model = Annotated[
    str, typer.Option("--model", help="nuclei, cellular, a model folder or an ONNX file.")
]
Diameter = Annotated[
    float | None, typer.Option("--diameter-px", help="Typical diameter; else found per image.")
]
Confidence = Annotated[
    float | None, typer.Option("--confidence", min=0, max=1, help="Lowest score of an object.")
]
Engine = Annotated[str, typer.Option("--engine", help="auto, torch, openvino or openvino-bf16.")]
Tta = Annotated[
    bool, typer.Option("--tta", help="Look four times, mirrored: 4 x the time, and uncertainty.")
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
PixelSize = Annotated[
    float | None, typer.Option("--pixel-size-um", help="Micrometres per pixel: your word.")
]


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
        **_reading(channels, select, pages),
    }
    print(write_starter(images, out, reading))
    _next(f"lucyte run {shlex.quote(str(out))} -o out")


@app.command(epilog="Example: lucyte run plan.toml -o out --workers 2")
def run(
    plan: Annotated[Path, typer.Argument(help="A plan; make one with lucyte init.")],
    out: Out = Path("run"),
    workers: Workers = None,
    copy_images: Annotated[
        bool, typer.Option("--copy-images", help="Copy pixels into the run folder.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Do the whole job: raw images to report. A stopped run goes on with the same command."""
    from lucyte.pipeline.run import run_plan_file

    done = run_plan_file(plan, out, workers=workers, copy_images=copy_images, quiet=quiet)
    print(done.summary)
    _next(f"open {out / 'report.html'}")


@app.command(epilog="Example: lucyte simulate autophagy -o plate --seed 1")
def simulate(
    world: Annotated[str, typer.Argument(help="autophagy, shortcut or lineage.")],
    out: Out = Path("simulated"),
    seed: Seed = 0,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the world, KEY=VALUE.")
    ] = None,
) -> None:
    """Make cells whose causes are known, with the truth beside the images."""
    from lucyte.pipeline.simulated import write_world

    print(write_world(world, out, seed, setting or []))
    _next(f"lucyte init {shlex.quote(str(out / 'images'))} -o plan.toml")


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

    print(merge_images(images, out, _reading(channels, select, pages)))


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

    wanted = _wanted(kind, channel, diameter_px, model, confidence, (engine, device, tta))
    reading = _reading(channels, select, pages)
    print(detect_images(images, out, wanted, reading, workers=workers, quiet=quiet))
    _next(f"look at {out / 'overview.png'}")


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
    from lucyte.pipeline.single import segment_images

    wanted = _wanted(kind, channel, diameter_px, model, confidence, (engine, device, tta))
    reading = _reading(channels, select, pages)
    print(segment_images(images, out, wanted, reading, workers=workers, quiet=quiet))
    _next(f"lucyte track {shlex.quote(str(out / 'labels'))} -o tracks")


@app.command(
    epilog="Example: lucyte train segment annotated/ -o my-nuclei --kind nucleus   Refine: "
    "lucyte train segment annotated/ -o mine --from nuclei --steps 300"
)
def train(
    task: Annotated[str, typer.Argument(help="detect (boxes or masks) or segment (masks).")],
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
    """Train a network on annotated images. A stopped training goes on with the same command."""
    from lucyte.pipeline.train_objects import TrainRequest
    from lucyte.pipeline.train_objects import train as train_model
    from lucyte.schema.errors import unknown

    if task not in ("detect", "segment"):
        raise unknown("task", task, ("detect", "segment"))
    request = TrainRequest(
        task=task,
        data=data,
        out=out,
        reading={
            "images": images,
            "truth": truth,
            **{k: v for k, v in _reading(channels, select, pages).items() if v},
            "layout": layout,
            "binary": binary,
            "group_regex": group_regex,
            "group_column": group_column,
        },
        use=_names(use),
        finds=kind,
        start=start,
        validation=validation,
        validation_groups=_names(validation_groups),
        steps=steps,
        batch=batch,
        rate=rate,
        crop_px=crop_px,
        diameter_px=network_diameter_px,
        losses=_weights(loss or []),
        licence=licence,
        device=device,
        seed=seed,
        quiet=quiet,
    )
    print(train_model(request))
    _next(f"lucyte {task} IMAGES -o out --model {shlex.quote(str(out))}")


@app.command(epilog="Example: lucyte models   lucyte models my-nuclei --json")
def models(
    model: Annotated[str, typer.Argument(help="One model; default all that are shipped.")] = "",
    json_output: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """List models: what they look at, what they find, how well, and what must not be claimed."""
    from lucyte.pipeline.models import describe_models

    print(describe_models(model, json_output))


@app.command(epilog="Example: lucyte track labels/ -o out --images 01")
def track(
    labels: Annotated[Path, typer.Argument(help="A folder of label images, one per frame.")],
    out: Out = Path("tracks"),
    images: Annotated[Path | None, typer.Option(help="The images the labels were made on.")] = None,
    max_distance: Annotated[str, typer.Option(help="Longest step: px, um or diameter.")] = "auto",
    max_gap: Annotated[int, typer.Option(min=0, help="Frames an object may be missing.")] = 1,
    divisions: Annotated[bool, typer.Option(help="Allow cells to divide.")] = True,
) -> None:
    """Link label images into lineages: OUT/mask*.tif, OUT/res_track.txt, OUT/tracks.geff."""
    from lucyte.pipeline.single import track_labels

    settings = {"max_distance": max_distance, "max_gap": max_gap, "divisions": divisions}
    print(track_labels(labels, out, settings, images))
    _next(f"lucyte validate {shlex.quote(str(out))} REFERENCE --task tracking")


@app.command(epilog="Example: lucyte validate out 01_GT --task tracking -o scores")
def validate(
    prediction: Annotated[Path, typer.Argument(help="What was found: labels, boxes or tracks.")],
    reference: Annotated[Path, typer.Argument(help="The truth, in the same form.")],
    task: Annotated[
        str, typer.Option(help="instance, detection, semantic, classification or tracking.")
    ],
    out: Out = Path("validated"),
    group_regex: Annotated[str, typer.Option(help="What of a name is the group.")] = "",
    tolerance_px: Annotated[float, typer.Option(min=0, help="Of boundaries that agree.")] = 2.0,
    pixel_size_um: PixelSize = None,
    at_least: Annotated[
        float | None, typer.Option(help="The score that would do; else none is judged.")
    ] = None,
) -> None:
    """Score predictions against truth: OUT/scores.csv and OUT/evidence.json."""
    from lucyte.pipeline.validate import validate_files

    print(
        validate_files(
            prediction,
            reference,
            task,
            out,
            group_regex=group_regex,
            tolerance_px=tolerance_px,
            spacing_um=None if pixel_size_um is None else [pixel_size_um],
            at_least=at_least,
        )
    )


@app.command(epilog="Example: lucyte report out")
def report(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
) -> None:
    """Write the report of a finished run again."""
    from lucyte.pipeline.run import report_again

    print(report_again(run_folder).summary)


@app.command(epilog="Example: lucyte demo -o demo")
def demo(out: Out = Path("demo"), seed: Seed = 0, workers: Workers = None) -> None:
    """Simulate a plate (2 conditions x 6 wells x 2 sites x 5 frames) and do the whole job on it."""
    from lucyte.pipeline.simulated import run_demo

    print(run_demo(out, seed, workers))
    _next(f"open {out / 'report.html'}")


@app.command(epilog="Example: lucyte bench track")
def bench(
    what: Annotated[
        list[str] | None, typer.Argument(help="start, memory, features, track; default all.")
    ] = None,
    out: Out = Path("docs/benchmarks.md"),
) -> None:
    """Measure speed and memory beside peers, in one run, and write the table."""
    from lucyte.testing.bench import run_benchmarks

    print(run_benchmarks(what or [], out))


def _wanted(
    kind: str,
    channel: list[str] | None,
    diameter_px: float | None,
    model: str,
    confidence: float | None,
    how: tuple[str, str, bool],
) -> dict[str, Any]:
    """What to look for, as the commands for one stage take it; ``how``: engine, device, TTA."""
    from lucyte.networks.engine import choose_engine

    engine, device, tta = how
    choose_engine(engine, device)
    return {
        "kind": kind,
        "channels": channel or [],
        "diameter_px": diameter_px,
        "model": model,
        "confidence": confidence,
        "engine": engine,
        "device": device,
        "tta": tta,
    }


def _reading(channels: str, select: list[str] | None, pages: str) -> dict[str, Any]:
    """Keys of ``[input]`` that say how files are read."""
    chosen = dict(each.partition("=")[::2] for each in select or [])
    return {"channels": _pairs(channels), "select": chosen, "pages": pages or None}


def _pairs(text: str) -> dict[str, str]:
    """``NEW=OLD,NEW=OLD`` as a mapping."""
    pairs: dict[str, str] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        new, equals, old = part.partition("=")
        if not (new and equals and old):
            raise UsageError(f"--channels: write NEW=OLD, e.g. GFP=w1,RFP=w2; got {part!r}.")
        pairs[new] = old
    return pairs


def _names(text: str) -> tuple[str, ...]:
    """``A,B`` as names."""
    return tuple(filter(None, (each.strip() for each in text.split(","))))


def _weights(texts: list[str]) -> dict[str, float]:
    """``NAME=NUMBER`` as a mapping."""
    found: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            raise UsageError(f"--loss: write NAME=NUMBER, got {text!r}.") from None
    return found


def _next(command: str) -> None:
    print(f"Next: {command}")


def _version(wanted: bool) -> None:
    if wanted:
        from lucyte import __version__

        print(f"lucyte {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the verb."""


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; a person's mistake is one line on standard error, never a traceback.

    Exits with 0 (done), 1 (failed) or 2 (wrong use).
    """
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # small matrices: threads cost time and change sums
    try:
        return app(args=arguments)
    except LucyteError as error:
        print(f"lucyte: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except SystemExit as done:
        if done.code != STOPPED:
            raise
        print("lucyte: stopped. The same command goes on where it was.", file=sys.stderr)
        raise SystemExit(1) from None
    except BrokenPipeError:
        raise SystemExit(0) from None
    except OSError as error:
        print(f"lucyte: {_disk_trouble(error)}", file=sys.stderr)
        raise SystemExit(1) from None


def _disk_trouble(error: OSError) -> str:
    """A file that cannot be made, read or written, in one line."""
    import errno

    told = {
        errno.ENOSPC: "disk full. Free some space and run again.",
        errno.EDQUOT: "disk full. Free some space and run again.",
        errno.EACCES: "no permission. Choose another folder with -o.",
        errno.EPERM: "no permission. Choose another folder with -o.",
        errno.EROFS: "no permission. Choose another folder with -o.",
        errno.EEXIST: "is in the way. Choose another folder with -o.",
        errno.ENOTDIR: "a file stands where a folder is needed. Choose another folder with -o.",
    }
    where = f"{error.filename}: " if error.filename else ""
    return where + told.get(error.errno or 0, f"{error.strerror or error}.")
