"""`selfplay export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfplay.cli import screen
from selfplay.cli.commands import JsonFlag, Root, command, new_app
from selfplay.record import open_run
from selfplay.record.export import export as write_table

app = new_app()


@command(app, examples=("selfplay export last --to parquet", "selfplay export 3f2a --to jsonl -o moves.jsonl"))
def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id, name, path, or `last`.")],
    to: Annotated[str, typer.Option("--to", metavar="jsonl|parquet", help="Format.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE", help="Default: the run's name.")] = None,
    root: Root = Path("runs"),
    json: JsonFlag = False,
) -> None:
    """Write all moves of a run as a table, one row per move, that `datasets` and pandas read."""
    opened = open_run(run, root)
    target = out or Path(f"{opened.path.name}.{to}")
    rows = write_table(opened.folder, to, target)
    if json:
        screen.json({"file": str(target), "rows": rows, "format": to})
    else:
        reader = "parquet" if to == "parquet" else "json"
        screen.show(f"{rows:,} moves in {target}")
        screen.say(f'datasets.load_dataset("{reader}", data_files="{target}")')
