"""`selfplay runs list`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from selfplay.cli import screen
from selfplay.cli.commands import JsonFlag, Root, command, new_app
from selfplay.record import Run, RunInfo, list_runs

app = new_app("List the runs.")


@app.callback()
def runs() -> None:
    """List the runs."""


@command(app, "list", examples=("selfplay runs list", "selfplay runs list --root /data/runs --json"))
def list_(root: Root = Path("runs"), json: JsonFlag = False) -> None:
    """List all runs, oldest first.

    The canary is the mean held-out solve rate, at the first and the last time it was measured.
    """
    rows = [_row(Run(folder), info) for folder, info in list_runs(root)]
    if json:
        screen.json(rows)
    elif not rows:
        screen.say(f"no runs in {root}\nstart one with: selfplay league examples/countdown/recipe.toml")
    else:
        columns = ("id", "name", "game", "status", "gens", "matches", "canary", "started")
        screen.show(screen.table(columns, map(_cells, rows), right=("gens", "matches")))


def _row(run: Run, info: RunInfo) -> dict[str, Any]:
    canaries = [event["mean"] for event in run.events("canary")]
    closed = list(run.events("generation_closed"))
    return {
        "id": info.id,
        "name": info.name,
        "game": info.game,
        "status": run.status(),
        "path": str(run.path),
        "started": info.started,
        "ended": info.ended,
        "generations": len(closed),
        "matches": sum(event["matches"] for event in closed),
        "canary_first": canaries[0] if canaries else None,
        "canary_last": canaries[-1] if canaries else None,
    }


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    first, last = row["canary_first"], row["canary_last"]
    canary = "-" if first is None else f"{first:.2f} > {last:.2f}"
    started = time.strftime("%m-%d %H:%M", time.localtime(row["started"]))
    return row["id"], row["name"], row["game"], row["status"], row["generations"], row["matches"], canary, started
