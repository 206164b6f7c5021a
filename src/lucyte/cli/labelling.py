"""Ask people: which state is this cell in?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lucyte.cli.app import app
from lucyte.cli.options import Quiet, Seed, names, next_step


@app.command(
    epilog="Example: lucyte label RUN --annotator anna --classes fed,starved   then a second "
    "person, then: lucyte label RUN --adjudicate"
)
def label(
    data: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run folder, or images to label as they are.")
    ],
    annotator: Annotated[str, typer.Option(help="Who labels; default who is logged in.")] = "",
    classes: Annotated[
        str, typer.Option(help="States to tell apart, A,B,C; later only to add some.")
    ] = "",
    sample: Annotated[
        int | None, typer.Option(min=0, help="Cells to label, 0 all; default 300, of images all.")
    ] = None,
    adjudicate: Annotated[
        bool, typer.Option("--adjudicate", help="Settle what annotators called differently.")
    ] = False,
    agreement: Annotated[
        bool, typer.Option("--agreement", help="Only say how far annotators agree.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Where labels go; default RUN/labels.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page; 0 any free.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page, where there is a screen.")] = True,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Label cells blind on a local page; agreement of two people; RUN/labels/labels.csv."""
    from lucyte.pipeline.label import LabelRequest
    from lucyte.pipeline.label import label as label_cells

    done = label_cells(
        LabelRequest(
            data=data,
            out=out,
            annotator=annotator,
            classes=names(classes),
            sample=sample,
            seed=seed,
            port=port,
            adjudicate=adjudicate,
            agreement=agreement,
            browser=browser,
            quiet=quiet,
        ),
        lambda line: print(line, flush=True),
    )
    print(done.summary)
    next_step(done.next_command)
