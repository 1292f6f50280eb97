"""What the tests of the engine share: a policy that follows a script, and ways to play a match with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pytest

from selfplay.arena import Arena
from selfplay.game import Game
from selfplay.types import Completion, Inline, MatchRecord, Pairing, Player, Policy, Request, Sampling, Task

Answer = Callable[[Request], str | Sequence[str]]


class Replies(Inline):
    """Answers from lists, one per seat, or by a function of the request; remembers what it was asked.

    A function returns the one reply to all siblings, or a list with one for each.
    """

    def __init__(self, replies: Mapping[str, Iterable[str]] | Answer) -> None:
        self.lists = {} if callable(replies) else {seat: iter(texts) for seat, texts in replies.items()}
        self.function = replies if callable(replies) else None
        self.asked: list[Request] = []
        self.batches: list[list[tuple[int, tuple[int, ...]]]] = []

    def complete(self, requests: Sequence[Request]) -> list[list[Completion]]:
        self.asked += requests
        self.batches.append([(request.number, request.path) for request in requests])
        return [[Completion(text) for text in self.texts(request)] for request in requests]

    def texts(self, request: Request) -> Sequence[str]:
        n = len(request.seeds)
        if self.function is None:
            return [next(self.lists[request.seat]) for _ in range(n)]
        said = self.function(request)
        return [said] * n if isinstance(said, str) else said

    def prompts(self) -> list[str]:
        """The newest message of every request, in order."""
        return [request.messages[-1].text if request.messages else "" for request in self.asked]


def pairing(game: Game, number: int = 0, *, seed: int = 0, task: Any = None, player: str = "p", **more: Any) -> Pairing:
    seats = game.seats()
    defaults: dict[str, Any] = {"learns": dict.fromkeys(seats, True), "sampling_seed": number + 1000}
    return Pairing("game", dict.fromkeys(seats, player), seed=seed, number=number, task=Task(task), **defaults | more)


def play_many(
    game: Game, policy: Policy, count: int, *, sampling: Sampling | None = None, pairings: Any = None, **arena: Any
) -> list[MatchRecord]:
    players = {"p": Player("p", policy, sampling or Sampling())}
    with Arena({"game": game}, players, **arena) as open_arena:
        return list(open_arena.play(pairings or [pairing(game, number, seed=number) for number in range(count)]))


def play_one(game: Game, replies: Any, **more: Any) -> MatchRecord:
    """Play one match; `replies` is a `Replies` or what makes one. Arena settings and pairing fields by keyword."""
    of_arena = {"mode", "limits", "tools", "on_move", "recorded", "sampling"} & set(more)
    arena = {key: more.pop(key) for key in of_arena}
    policy = replies if hasattr(replies, "complete") else Replies(replies)
    return play_many(game, policy, 1, pairings=[pairing(game, **more)], **arena)[0]


@pytest.fixture(name="Replies")
def replies_class() -> type[Replies]:
    return Replies


@pytest.fixture
def play() -> Callable[..., MatchRecord]:
    return play_one


@pytest.fixture(name="play_many")
def play_many_function() -> Callable[..., list[MatchRecord]]:
    return play_many


@pytest.fixture(name="pairing")
def pairing_function() -> Callable[..., Pairing]:
    return pairing
