"""How the tests of games play: every seat gets the replies written down for it, or a bot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from selfplay.arena import Arena
from selfplay.game import Game
from selfplay.policies.bots import Replies, ScriptedPolicy
from selfplay.types import MatchRecord, Pairing, Player, Task

Playing = Callable[..., MatchRecord]


def _play(
    game: Game,
    replies: Mapping[str, Sequence[str]] | Replies | None = None,
    bots: Mapping[str, str] | None = None,
    task: Any = None,
    seed: int = 0,
) -> MatchRecord:
    """One match; seats without a bot in `bots` get `replies`."""
    scripted = replies if isinstance(replies, Replies) else Replies(replies or {})
    bots = bots or {}
    players = {"replies": Player("replies", scripted)}
    players |= {bot: Player(bot, ScriptedPolicy(bot, game)) for bot in bots.values()}
    seats = {seat: bots.get(seat, "replies") for seat in game.seats()}
    pairing = Pairing(
        game.name(), seats, dict.fromkeys(seats, True), seed=seed, task=Task(task), sampling_seed=seed + 1000
    )
    with Arena({game.name(): game}, players) as arena:
        (record,) = arena.play([pairing])
    return record


@pytest.fixture
def play() -> Playing:
    return _play
