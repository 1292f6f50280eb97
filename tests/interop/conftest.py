"""How the tests of foreign games play: every seat gets the replies written down for it, or the random bot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from selfplay.arena import Arena
from selfplay.game import Game
from selfplay.policies.bots import Replies, ScriptedPolicy
from selfplay.types import Json, MatchRecord, Pairing, Player, Task

Playing = Callable[..., MatchRecord]


def _play(
    game: Game, replies: Mapping[str, Sequence[str]] | Replies | None = None, *, seed: int = 0, task: Json = None
) -> MatchRecord:
    """One match in which every seat learns."""
    policy = ScriptedPolicy("random", game) if replies is None else replies
    player = Player("p", Replies(policy) if isinstance(policy, Mapping) else policy)
    seats = dict.fromkeys(game.seats(), "p")
    learns = dict.fromkeys(seats, True)
    pairing = Pairing(game.name(), seats, learns, seed=seed, task=Task(task), sampling_seed=seed + 1000)
    with Arena({game.name(): game}, {"p": player}) as arena:
        (record,) = arena.play([pairing])
    return record


@pytest.fixture
def play() -> Playing:
    return _play
