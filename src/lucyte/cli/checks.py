"""Score and measure: validate, bench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lucyte.cli.app import app
from lucyte.cli.options import Out, PixelSize


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
    metric: Annotated[
        list[str] | None, typer.Option(help="A score to show and judge; may come twice.")
    ] = None,
    fingerprint: Annotated[
        Path | None, typer.Option(help="TOML: what decides which scores fit.")
    ] = None,
    readout: Annotated[
        list[str] | None,
        typer.Option(help="count, area, fraction:STATE, spots, column:NAME or speed."),
    ] = None,
    within: Annotated[
        float | None, typer.Option(min=0, help="Difference of a readout that would do.")
    ] = None,
    condition_regex: Annotated[str, typer.Option(help="What of a name is the condition.")] = "",
    conditions: Annotated[
        Path | None, typer.Option(help="CSV of image and condition, instead.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Another prediction of the same images.")
    ] = None,
    costs: Annotated[
        Path | None, typer.Option(help="CSV of costs: true class down, answer across.")
    ] = None,
) -> None:
    """Score predictions against truth: OUT/scores.csv and OUT/evidence.json."""
    from lucyte.pipeline.validate import Question, validate_files

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
            question=Question(
                tuple(metric or ()),
                fingerprint,
                tuple(readout or ()),
                within,
                condition_regex,
                conditions,
                against,
                costs,
            ),
        )
    )


@app.command(epilog="Example: lucyte bench track")
def bench(
    what: Annotated[
        list[str] | None,
        typer.Argument(help="start, features, track, explain, evidence ...; default all."),
    ] = None,
    out: Out = Path("docs/benchmarks.md"),
) -> None:
    """Measure speed and memory beside peers, in one run, and write the table."""
    from lucyte.testing.bench import run_benchmarks

    print(run_benchmarks(what or [], out))
