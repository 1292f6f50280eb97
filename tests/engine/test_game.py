"""Game classes and their settings: mistakes are found as soon as they are written."""

from __future__ import annotations

from typing import ClassVar, Literal

import pytest

from selfplay.errors import UnknownName, UsageError
from selfplay.game import Game, Role


class Settled(Game):
    solver = Role("Solve.", seats=2)
    attempts: int = 8
    share: float = 0.5
    level: Literal["easy", "hard"] = "easy"
    sizes: tuple[int, ...] = (3, 4)
    span: tuple[int, float] = (1, 2.0)
    title: str | None = None
    zero_sum: ClassVar[bool] = True

    async def play(self, match): ...


def test_settings_from_toml_become_the_declared_types() -> None:
    game = Settled(attempts=2, share=1, level="hard", sizes=[5], span=[1, 2], title="x")
    assert (game.attempts, game.share, game.level, game.sizes, game.title) == (2, 1.0, "hard", (5,), "x")
    assert isinstance(game.share, float) and game.span == (1, 2.0)
    assert list(game.settings()) == ["attempts", "share", "level", "sizes", "span", "title"]
    assert Settled().attempts == 8 and Settled.seats() == ("solver#1", "solver#2")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"attempts": "2"}, "Settled.attempts = '2' (str): expected int"),
        ({"attempts": True}, "expected int"),
        ({"attempts": 2.0}, "expected int"),
        ({"level": "medium"}, "Settled.level = 'medium'"),
        ({"sizes": [1, "2"]}, r"Settled.sizes\[1\] = '2'"),
        ({"span": [1]}, "Settled.span"),
        ({"title": 3}, "Settled.title = 3"),
    ],
)
def test_a_setting_of_the_wrong_type(setting, words: str) -> None:
    with pytest.raises(UsageError, match=words.replace("(", r"\(").replace(")", r"\)")):
        Settled(**setting)


def test_an_unknown_setting_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match="unknown setting of game Settled 'atempts' - did you mean 'attempts'"):
        Settled(atempts=3)


def test_play_must_be_a_coroutine() -> None:
    with pytest.raises(UsageError, match=r"Plain.play must be a coroutine"):

        class Plain(Game):
            def play(self, match): ...

    with pytest.raises(UsageError, match=r"Yielding.play must be a coroutine"):

        class Yielding(Game):
            async def play(self, match):
                yield 1


def test_names_that_every_game_has() -> None:
    with pytest.raises(UsageError, match=r"Hides.settings hides `Game.settings`"):

        class Hides(Game):
            settings = Role("oops")

            async def play(self, match): ...

    with pytest.raises(UsageError, match=r"Named.name hides `Game.name`"):

        class Named(Game):
            name: str = "x"

            async def play(self, match): ...


def test_a_role_object_serves_one_name() -> None:
    shared = Role("shared")
    with pytest.raises(UsageError, match="give each role one of its own"):

        class Shares(Game):
            white = shared
            black = shared

            async def play(self, match): ...


def test_a_role_has_a_seat() -> None:
    with pytest.raises(UsageError, match="at least 1 seat"):
        Role("nobody", seats=0)
