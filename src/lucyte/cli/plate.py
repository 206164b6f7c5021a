"""The whole job: run a plan, write its report, try it out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lucyte.cli.app import app
from lucyte.cli.options import Out, Quiet, Seed, Workers, next_step


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
    next_step(f"open {out / 'report.html'}")


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
    next_step(f"open {out / 'report.html'}")
