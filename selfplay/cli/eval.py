"""`selfplay eval`."""

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
)
from selfplay.record.intervals import Estimate, level_rates, mean_rate

app = new_app()


@command(
    app,
    "eval",
    examples=("selfplay eval tiny:countdown --game countdown", "selfplay eval last@best --game countdown --tasks 50"),
)
def evaluate(
    player: Annotated[str, typer.Argument(metavar="PLAYER", help="As in `selfplay play --seat`.")],
    game: Annotated[str, typer.Option("--game", metavar="G", help="Game id or path/to/file.py:Class.")],
    tasks: Annotated[int, typer.Option("--tasks", min=1, metavar="N", help="Held-out tasks per level.")] = 200,
    seed: Annotated[int, typer.Option("--seed", help="Chance of the rules and of scripted opponents.")] = 0,
    settings: Settings = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, mps or auto.")] = "auto",
    prices: Prices = None,
    spending_cap: SpendingCap = None,
    paid: Paid = None,
    root: Root = Path("runs"),
    json: JsonFlag = False,
) -> None:
    """Give a player the held-out exam of a game: greedy answers to fixed tasks that no run is trained on.

    Intervals are 95 %: Wilson's for each level, combined for the mean.
    """
    from selfplay.games import make_game
    from selfplay.run.evaluate import evaluate as examine
    from selfplay.run.evaluate import exam_of
    from selfplay.run.players import make_players

    rules = make_game(game, settings_from(settings))
    exam = exam_of(rules)
    endpoints = endpoints_from(prices, spending_cap, paid)
    players = make_players({exam.role: player}, rules, root=root, device=device, endpoints=endpoints)
    result = examine(players[player], rules, tasks=tasks, seed=seed)
    if endpoints.used:
        screen.say(str(endpoints.ledger.bill))
    rates, mean = level_rates(result.levels), mean_rate(result.levels)
    counts = {level: (sum(marks), len(marks)) for level, marks in result.levels.items()}
    if json:
        levels = {level: _plain(rate, *counts[level]) for level, rate in rates.items()}
        what = {"player": player, "game": game, "role": exam.role, "seed": seed}
        troubles = {"errors": result.errors, "unanswered": result.unanswered}
        screen.json({**what, "levels": levels, "mean": mean._asdict(), **troubles})
        return
    rows = [(level, f"{counts[level][0]} of {counts[level][1]}", *_cells(rate)) for level, rate in rates.items()]
    columns = ("level", "solved", "rate", "95 % interval")
    screen.show(screen.table(columns, [*rows, ("mean", "", *_cells(mean))], right=("solved", "rate")))
    if result.errors:
        screen.say(f"{result.errors} matches were errors and count as not solved", "red")
    if result.unanswered:
        screen.say(f"{result.unanswered} tasks got no reply from the player and are left out", "red")


def _plain(rate: Estimate, solved: int, of: int) -> dict[str, float]:
    return {"solved": solved, "of": of, "rate": rate.value, "low": rate.low, "high": rate.high}


def _cells(rate: Estimate) -> tuple[str, str]:
    return f"{rate.value:.3f}", f"{rate.low:.3f} to {rate.high:.3f}"
