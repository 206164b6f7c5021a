"""Screens: which treatment moves disease towards health."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from lucyte.cli.app import app
from lucyte.cli.options import Seed, names, next_step


@app.command(
    epilog="Example: lucyte screen out --disease disease --wild-type healthy --dose dose_um"
)
def screen(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run with states.")],
    disease: Annotated[str, typer.Option(help="Treatment of the wells that count as 0.")],
    wild_type: Annotated[str, typer.Option(help="Treatment of the wells that count as 1.")],
    treatment: Annotated[
        str, typer.Option(help="Column that says what was done to a well.")
    ] = "condition",
    dose: Annotated[str, typer.Option(help="Column of doses; auto, none or its name.")] = "auto",
    sham: Annotated[str, typer.Option(help="Treatments known to do nothing, A,B.")] = "",
    features: Annotated[
        str, typer.Option(help="Features whose rescue is worked out too, A,B.")
    ] = "",
    median_polish: Annotated[
        bool, typer.Option(help="Take row and column effects of each plate off first.")
    ] = False,
    min_wells: Annotated[int, typer.Option(min=2, help="Wells of a treatment, for a test.")] = 3,
    least: Annotated[
        float, typer.Option(min=0, help="Rescue below which nothing is called a hit.")
    ] = 0.2,
    fdr: Annotated[
        float, typer.Option(min=0, max=1, help="False discovery rate among hits.")
    ] = 0.05,
    unseen: Annotated[
        bool, typer.Option(help="Your word: the model saw none of these wells.")
    ] = False,
    seed: Seed = 0,
) -> None:
    """Z', rescue, doses and hits of a plate: RUN/screen/screen.html, hits.csv, evidence.json."""
    from pydantic import ValidationError

    from lucyte.pipeline.screen import screen_run
    from lucyte.schema.plan import explain_validation
    from lucyte.screen.settings import ScreenSettings

    try:
        settings = ScreenSettings(
            disease=disease,
            wild_type=wild_type,
            treatment=treatment,
            dose=dose,
            sham=names(sham),
            features=names(features),
            position="median_polish" if median_polish else "none",
            min_wells=min_wells,
            least=least,
            fdr=fdr,
            unseen=unseen,
            seed=seed,
        )
    except ValidationError as error:
        raise explain_validation(error, ScreenSettings, "lucyte screen") from None
    print(screen_run(run, settings, shlex.join(["lucyte", *sys.argv[1:]])))
    next_step(f"open {run / 'screen' / 'screen.html'}")
