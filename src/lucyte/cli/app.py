"""The application all commands join."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from lucyte.schema.errors import unknown

ORDER = (
    ("Start", ("demo", "info", "init", "run", "report")),
    ("What is there?", ("merge", "detect", "segment", "track")),
    ("In what state?", ("label", "train", "classify", "screen")),
    ("Why believe it?", ("explain", "challenge", "validate", "bench")),
    ("Models and data", ("models", "simulate", "export", "fetch")),
)
"""Verbs as the help shows them, by the question they answer."""
PANEL = {verb: panel for panel, verbs in ORDER for verb in verbs}


class Verbs(TyperGroup):
    """Commands that are named when an unknown one is asked for."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first word names."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            raise unknown("command", args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)


class _Ordered(Verbs):
    """Commands in the order of the questions, each under its own."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names, in the order of `ORDER`."""
        for name, command in self.commands.items():
            command.rich_help_panel = PANEL[name]  # type: ignore[attr-defined]
        return [verb for verb in PANEL if verb in self.commands]


app = typer.Typer(
    name="lucyte",
    cls=_Ordered,
    help="Raw fluorescence microscopy to cell states, lineages and explanations you can falsify.",
    epilog="First run: lucyte demo -o demo   Your data: lucyte init IMAGES -o plan.toml",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
