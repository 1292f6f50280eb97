"""`selfplay watch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfplay.cli import screen
from selfplay.cli.commands import Root, command, new_app
from selfplay.record import open_run
from selfplay.watch.terminal import watch as view

app = new_app()


@command(app, examples=("selfplay watch", "selfplay watch 3f2a"))
def watch(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id, name, path, or `last`.")] = "last",
    root: Root = Path("runs"),
) -> None:
    """Watch a run in the terminal, while it goes on or afterwards; reads the run folder and nothing else.

    `q` leaves the view, and the run goes on. Where output is no terminal, one line is printed every ten seconds.
    """
    view(open_run(run, root), console=screen.out())
