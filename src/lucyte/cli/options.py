"""Options that several commands share, and what their texts mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lucyte.schema.errors import UsageError

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
Outlines = Annotated[
    str,
    typer.Option(
        "--outlines", help="Model that draws masks in the boxes: crop masks or a SAM checkpoint."
    ),
]
Engine = Annotated[str, typer.Option("--engine", help="auto, torch, openvino or openvino-bf16.")]
Tta = Annotated[
    bool, typer.Option("--tta", help="Look four times, mirrored: 4 x the time, and uncertainty.")
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
PixelSize = Annotated[
    float | None, typer.Option("--pixel-size-um", help="Micrometres per pixel: your word.")
]


def wanted_objects(
    kind: str,
    channel: list[str] | None,
    diameter_px: float | None,
    model: str,
    confidence: float | None,
    how: tuple[str, str, bool],
    outlines: str = "",
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
        "outlines": outlines,
        "engine": engine,
        "device": device,
        "tta": tta,
    }


def read_options(channels: str, select: list[str] | None, pages: str) -> dict[str, Any]:
    """Keys of ``[input]`` that say how files are read."""
    chosen = dict(each.partition("=")[::2] for each in select or [])
    return {"channels": pairs(channels), "select": chosen, "pages": pages or None}


def pairs(text: str) -> dict[str, str]:
    """``NEW=OLD,NEW=OLD`` as a mapping."""
    pairs: dict[str, str] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        new, equals, old = part.partition("=")
        if not (new and equals and old):
            raise UsageError(f"--channels: write NEW=OLD, e.g. GFP=w1,RFP=w2; got {part!r}.")
        pairs[new] = old
    return pairs


def names(text: str) -> tuple[str, ...]:
    """``A,B`` as names."""
    return tuple(filter(None, (each.strip() for each in text.split(","))))


def weights(texts: list[str]) -> dict[str, float]:
    """``NAME=NUMBER`` as a mapping."""
    found: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            raise UsageError(f"--loss: write NAME=NUMBER, got {text!r}.") from None
    return found


def next_step(command: str) -> None:
    print(f"Next: {command}")
