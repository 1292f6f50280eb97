"""`selfplay replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfplay.cli import screen
from selfplay.cli.commands import JsonFlag, Root, command, new_app
from selfplay.cli.show import find_match, split_match
from selfplay.errors import UsageError
from selfplay.games import find_game
from selfplay.record import open_run
from selfplay.replay import first_difference
from selfplay.replay import replay as play_again
from selfplay.watch.words import inert

app = new_app()


@command(app, examples=("selfplay replay last/last", "selfplay replay 3f2a/g0003-m0012 --json"))
def replay(
    what: Annotated[str, typer.Argument(metavar="RUN/MATCH", help="Such as 3f2a/g0003-m0012, or RUN/last.")],
    root: Root = Path("runs"),
    json: JsonFlag = False,
) -> None:
    """Play a recorded match again and compare.

    The rules run anew on the recorded replies, verdicts and tool results; no model is asked. Exit code 1 and the first
    difference if anything comes out differently: the game has changed since, or it depends on something it should not.
    """
    name, match = split_match(what)
    if match is None:
        raise UsageError(
            f"{what!r} names no match\n  expected RUN/MATCH, for example {name}/g0000-m0000 or {name}/last"
        )
    run = open_run(name, root)
    id = find_match(run, match).id
    record = run.match(id, settled=False)  # what `settle` changed later is no part of the match
    found = first_difference(record, play_again(record, find_game(run.info.game)))
    if json:
        place = found and {"move": found.move, "text": found.text}
        screen.json({"run": run.info.id, "match": id, "same": found is None, "difference": place})
    elif found is None:
        screen.show(f"{id}: the same, {len(record.moves)} moves and {len(record.facts)} facts")
    else:
        screen.show(inert(f"{id} differs: {found.text}"))
    raise typer.Exit(0 if found is None else 1)
