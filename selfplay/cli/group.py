"""The commands by name. A command's module is imported when that command is used, so `selfplay --help` is quick."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from selfplay.cli.commands import epilog, new_app

COMMANDS = {
    "doctor": "Check this machine and the runs folder.",
    "games": "List games, show one, start a new one, check one.",
    "play": "Play one match and watch it: you, bots, models.",
    "league": "Let a model improve by playing: start or resume a run.",
    "watch": "Watch a run, while it goes on or afterwards.",
    "show": "Show what a run has reached, or one of its matches.",
    "replay": "Play a recorded match again and compare.",
    "eval": "Give a player the held-out exam of a game.",
    "verify": "Prove that a Python function meets its contract.",
    "export": "Write the moves of a run as a table.",
    "snapshot": "Take weights out of a run.",
    "sandbox": "Run code that nobody trusts, or try whether the sandbox holds.",
    "tiny": "Make a tiny model for any game with demonstrations.",
    "runs": "List the runs.",
}


class Later(TyperCommand):
    """A command known by name and summary; the real one takes its place when it is used."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        module = import_module(f"selfplay.cli.{info_name}")
        return get_command(module.app).make_context(info_name, args, parent=parent, **extra)


class Commands(TyperGroup):
    """All of them, none loaded."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: Later(name, help=summary) for name, summary in COMMANDS.items()}


app = new_app(cls=Commands)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(import_module("selfplay").__version__)
        raise typer.Exit


@app.callback(
    epilog=epilog(
        "selfplay play hidden_number --seat guesser=human",
        "selfplay league examples/countdown/recipe.toml",
        more="`selfplay COMMAND --help` explains a command and gives examples.",
    )
)
def selfplay(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Language models that improve by playing games against each other and against their own past."""
