"""`selfplay play`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfplay.cli import screen
from selfplay.cli.commands import (
    JsonFlag,
    Paid,
    Prices,
    Root,
    Settings,
    SpendingCap,
    command,
    endpoints_from,
    new_app,
    settings_from,
    split_seats,
)
from selfplay.types import Ending, Move, Pairing

app = new_app()


@command(
    app,
    examples=(
        "selfplay play hidden_number --seat guesser=human",
        "selfplay play countdown --seat solver=tiny:countdown --set attempts=2",
    ),
    more="PLAYER: human, random, scripted:NAME, tiny:FAMILY, hf:PATH_OR_ID, openai:MODEL@URL, RUN@best, RUN@last, "
    "RUN@gen-7. `selfplay games show GAME` lists seats, settings and bots.",
)
def play(
    game: Annotated[str, typer.Argument(metavar="GAME", help="Game id or path/to/file.py:Class.")],
    seat: Annotated[
        list[str] | None, typer.Option("--seat", metavar="ROLE=PLAYER", help="Who plays; otherwise `random`.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Fixes the deal and the sampling.")] = 0,
    settings: Settings = None,
    prices: Prices = None,
    spending_cap: SpendingCap = None,
    paid: Paid = None,
    root: Root = Path("runs"),
    json: JsonFlag = False,
) -> None:
    """Play one match and show it.

    Whoever plays as `human` is shown what the seat is told and asked for replies; what the others said is shown when
    the match is over, for it may be their secret.
    """
    from selfplay.run import play as play_match

    seats, endpoints = split_seats(seat), endpoints_from(prices, spending_cap, paid)
    human = "human" in seats.values()

    def on_move(pairing: Pairing, move: Move) -> None:
        if human and move.player != "human":
            screen.say(f"{move.seat} has moved")

    with screen.waiting("playing", unless=human or json):
        record = play_match(
            game, seats, seed=seed, settings=settings_from(settings), root=root, on_move=on_move, endpoints=endpoints
        )
    if endpoints.used:
        screen.say(str(endpoints.ledger.bill))
    if json:
        from selfplay.record.codec import to_json

        screen.json(to_json(record))
    else:
        from selfplay.watch.transcript import transcript

        screen.show(transcript(record))
    raise typer.Exit(1 if record.ending is Ending.ERROR else 0)
