"""Policies that need no model: a game's scripted players, and replies written down beforehand.

``scripted:NAME`` plays ``Game.bots[NAME]``. ``random`` plays the bot of that name, or, where the game has none, repeats
a random demonstration of the role: well-formed, seldom wise.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from selfplay.errors import GameError, UnknownName
from selfplay.game import Bot, Game
from selfplay.types import Completion, Inline, Request

_DEMOS_TRIED = 1000
"""So many demonstrations are looked through for one of the wanted role."""


class ScriptedPolicy(Inline):
    """Plays a game's bot. A reply depends on what the seat sees and on its seed, on nothing else.

    Raises:
        UnknownName: the game has no bot of this name.
    """

    def __init__(self, bot: str | Bot, game: Game) -> None:
        if callable(bot):
            self._bot = bot
        elif bot in game.bots:
            self._bot = game.bots[bot]
        elif bot == "random" and next(game.demos(random.Random(0)), None) is not None:
            self._bot = _Demonstrator(game)
        else:
            raise UnknownName(f"bot of game {game.name()}", bot, game.bots, "a game's `bots` and `demos` make bots")

    def complete(self, requests: Sequence[Request]) -> list[list[Completion]]:
        return [[Completion(self._bot(request, random.Random(seed))) for seed in request.seeds] for request in requests]


class _Demonstrator:
    """The bot `random` of a game that only has demonstrations."""

    def __init__(self, game: Game) -> None:
        self._game = game

    def __call__(self, request: Request, rng: random.Random) -> str:
        for demo in islice(self._game.demos(rng), _DEMOS_TRIED):
            if demo.role == request.role:
                return demo.reply
        raise GameError(f"{self._game.name()}: no demonstration of role {request.role} among the first {_DEMOS_TRIED}")


class Replies(Inline):
    """Gives each seat the replies written down for it, in the order of its asks; for tests of games.

        record = selfplay.play(game, Replies({"proposer": ["3*5+7"], "solver": ["7+3*5", "22"]}))

    Args:
        replies: seat or role -> texts. Siblings of one ask take one text each.

    `complete` raises GameError when a seat is asked more often than it has replies.
    """

    def __init__(self, replies: Mapping[str, Iterable[str]]) -> None:
        self._replies = {seat: iter(texts) for seat, texts in replies.items()}
        self.requests: list[Request] = []
        """Everything that was asked, to look at afterwards."""

    def complete(self, requests: Sequence[Request]) -> list[list[Completion]]:
        self.requests += requests
        return [[Completion(self._next(request)) for _ in request.seeds] for request in requests]

    def _next(self, request: Request) -> str:
        texts = self._replies.get(request.seat, self._replies.get(request.role, iter(())))
        text = next(texts, None)
        if text is None:
            raise GameError(f"no reply is left for {request.seat}, asked: {request.messages[-1].text!r}")
        return text
