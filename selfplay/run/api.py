"""One match from Python: `selfplay.play`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from selfplay.arena import Arena
from selfplay.driver import OnMove
from selfplay.game import Game
from selfplay.games import make_game
from selfplay.policies.api import Endpoints
from selfplay.run.players import make_players, seat_map
from selfplay.seeds import derive
from selfplay.types import Json, MatchRecord, Pairing, Sampling, Task


def play(
    game: str | Game,
    seats: Mapping[str, str] | None = None,
    *,
    seed: int = 0,
    settings: Mapping[str, Json] | None = None,
    task: Json = None,
    root: str | Path = "runs",
    sampling: Sampling | None = None,
    on_move: OnMove | None = None,
    endpoints: Endpoints | None = None,
) -> MatchRecord:
    """Play one match and return its record. Needs no event loop and runs inside one too.

    Args:
        game: registered id, ``path/to/file.py:Class``, or a game.
        seats: seat or role -> player (see `selfplay.run.players`); seats left out are played by ``random``.
        seed: fixes the rules' chance and the sampling.
        settings: of the game.
        task: the match's input.
        root: where runs are looked for, for players such as ``last@best``.
        sampling: for all players; the default suits the tiny models.
        on_move: called with every reply as it arrives.
        endpoints: limits, prices and account of ``openai:`` players.

    Raises:
        UnknownName: an unknown game, setting, seat or player.
        UsageError: anything else wrong with the arguments.
    """
    rules = game if isinstance(game, Game) else make_game(game, dict(settings or {}))
    given = dict(seats or {})
    wanted = {seat: spec or "random" for seat, spec in seat_map(rules, given).items()}
    sampling = sampling or Sampling(max_tokens=64)
    players = make_players({**wanted, **given}, rules, root=root, sampling=sampling, endpoints=endpoints)
    pairing = Pairing(
        rules.name(),
        wanted,
        dict.fromkeys(wanted, False),
        seed=derive(seed, "deal"),
        task=Task(task),
        sampling_seed=derive(seed, "sampling"),
    )
    with Arena({rules.name(): rules}, players, on_move=on_move) as arena:
        (record,) = arena.play([pairing])
    return record
