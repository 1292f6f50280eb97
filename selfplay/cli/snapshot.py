"""`selfplay snapshot export`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from selfplay.cli import screen
from selfplay.cli.commands import JsonFlag, Root, command, new_app
from selfplay.errors import RunError, UsageError

app = new_app("Take weights out of a run.")


@app.callback()
def snapshot() -> None:
    """Take weights out of a run."""


@command(
    app,
    "export",
    examples=("selfplay snapshot export last@best my-model", "selfplay snapshot export 3f2a@gen-40 /models/gen-40"),
)
def export(
    which: Annotated[str, typer.Argument(metavar="RUN@WHICH", help="`RUN@best`, `RUN@last` or `RUN@gen-40`.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")],
    root: Root = Path("runs"),
    json: JsonFlag = False,
) -> None:
    """Copy a snapshot as a plain Hugging Face folder.

    transformers, vLLM and everything else that reads such folders can use it.
    """
    from selfplay.run.players import snapshot_path

    if "@" not in which:
        raise UsageError(f"{which!r} names no snapshot\n  expected RUN@best, RUN@last or RUN@gen-40")
    source = snapshot_path(which, root)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not empty\n  give a new folder")
    try:
        shutil.copytree(source, folder, dirs_exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot copy {source} to {folder}: {error}") from error
    if json:
        screen.json({"snapshot": which, "source": str(source), "folder": str(folder)})
    else:
        screen.show(str(folder))
        screen.say(f"play with it: selfplay play GAME --seat ROLE=hf:{folder}")
