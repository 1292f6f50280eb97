"""`gather`: paths, chance, order of results, and what happens when a branch fouls or fails."""

from __future__ import annotations

import asyncio
import time

import pytest

from selfplay.arena import Arena
from selfplay.game import Foul, Game, Role
from selfplay.types import Completion, Ending, Pairing, Player


def legal(text: str) -> str:
    if text.startswith("bad"):
        raise Foul(f"{text} is not legal")
    return text


class Solo(Game):
    a = Role("You are a.", parse=legal)


def test_paths_ids_and_results_in_order(play) -> None:
    class Nested(Solo):
        async def play(self, match):
            await match.ask(self.a, "0")

            async def leaf(name):
                return (await match.ask(self.a, name)).id

            async def inner(name):
                match.note(name=name)
                return await match.gather(leaf(name + "l"), leaf(name + "r"))

            found = await match.gather(inner("x"), inner("y"))
            assert found == [["1.0.0.0.0", "1.0.0.1.0"], ["1.1.0.0.0", "1.1.0.1.0"]]
            assert await match.gather() == []
            await match.ask(self.a, "end", n=2, after=match.moves[0])

    record = play(Nested(), lambda request: "ok")
    assert record.error is None
    ids = ["0", "1.0.0.0.0", "1.0.0.1.0", "1.1.0.0.0", "1.1.0.1.0", "2.0", "2.1"]
    assert [move.id for move in record.moves] == ids
    assert [fact.path for fact in record.facts] == [(1, 0, 0), (1, 1, 0)]


def test_every_branch_has_its_own_chance(play) -> None:
    class Dice(Solo):
        async def play(self, match):
            async def roll(asks):
                for _ in range(asks):
                    await match.ask(self.a, "wait")
                return match.rng.random()

            before = match.rng.random()
            first, second = await match.gather(roll(0), roll(2))
            match.note(rolls=[before, first, second, match.rng.random()])

    def rolls(seed: int) -> list[float]:
        return play(Dice(), lambda request: "ok", seed=seed).facts[0].data["rolls"]

    assert len(set(rolls(1))) == 4
    assert rolls(1) == rolls(1) and not set(rolls(1)) & set(rolls(2))


def test_moves_are_in_branch_order_whoever_is_faster(play) -> None:
    class Race(Solo):
        async def play(self, match):
            async def branch(asks):
                for i in range(asks):
                    await match.ask(self.a, str(i))

            await match.gather(branch(3), branch(1))
            assert [move.id for move in match.moves] == ["0.0.0", "0.0.1", "0.0.2", "0.1.0"]
            match.pay(self.a, 1.0, discount=0.5)

    record = play(Race(), lambda request: "ok")
    assert record.error is None
    assert [move.reward for move in record.moves] == [0.125, 0.25, 0.5, 1.0]


def test_a_foul_in_a_branch_ends_the_match_after_the_other_branches(play) -> None:
    class Fouling(Solo):
        async def play(self, match):
            async def branch(i):
                for j in range(3):
                    (await match.ask(self.a, f"{i}.{j}")).reward = 1.0

            await match.gather(branch(0), branch(1), branch(2))
            raise AssertionError("not reached")

    record = play(Fouling(), lambda request: "bad" if request.messages[-1].text in ("1.0", "2.1") else "ok")
    assert (record.ending, record.forfeit, record.error) == (Ending.FOUL, "a", None)
    assert [(m.id, m.reward) for m in record.moves if m.foul is None] == [
        ("0.0.0", 1.0), ("0.0.1", 1.0), ("0.0.2", 1.0), ("0.2.0", 1.0),
    ]  # fmt: skip


def test_an_exception_in_a_branch_is_raised_from_the_await(play) -> None:
    class Failing(Solo):
        async def play(self, match):
            async def branch(i):
                await match.ask(self.a, str(i))
                if i:
                    raise ValueError(f"branch {i}")

            try:
                await match.gather(branch(0), branch(1), branch(2))
            except ValueError as error:
                match.note(caught=str(error), moves=len(match.moves))

    record = play(Failing(), lambda request: "ok")
    assert record.ending == Ending.OK
    assert record.facts[0].data == {"caught": "branch 1", "moves": 3}


def test_an_exception_nobody_catches_names_both_lines(play) -> None:
    class Failing(Solo):
        async def play(self, match):
            async def branch():
                await match.ask(self.a, "x")
                raise ValueError("oh")

            await match.gather(branch())

    error = play(Failing(), lambda request: "ok").error
    assert error.startswith("ValueError: oh (test_gather.py:") and " in play > test_gather.py:" in error
    assert error.endswith(" in branch)")


def test_gather_takes_coroutines_only(play) -> None:
    class Odd(Solo):
        async def play(self, match):
            await match.gather(match.ask(self.a, "x"), asyncio.sleep)

    assert "match.gather takes coroutines, got function" in play(Odd(), {}).error


@pytest.mark.parametrize("mode", ["exact", "fast"])
@pytest.mark.parametrize("fast_player", ["x", "y", "z"])
def test_a_match_does_not_depend_on_which_branch_is_faster(mode: str, fast_player: str) -> None:
    class Three(Game):
        x = Role("x", parse=legal)
        y = Role("y", parse=legal)
        z = Role("z", parse=legal)

        async def play(self, match):
            async def branch(i, role):
                for j in range(3):
                    (await match.ask(role, f"{i}.{j}")).reward = 1.0

            await match.gather(*(branch(i, role) for i, role in enumerate(self.roles.values())))

    class Lagging:
        def __init__(self, lag: float) -> None:
            self.lag = lag

        def complete(self, requests):
            time.sleep(self.lag)
            return [[Completion("bad" if r.messages[-1].text in ("0.1", "2.0") else "ok")] for r in requests]

    players = {name: Player(name, Lagging(0.0 if name == fast_player else 0.03)) for name in "xyz"}
    seats = {name: name for name in "xyz"}
    with Arena({"g": Three()}, players, mode=mode) as arena:
        (record,) = arena.play([Pairing("g", seats, dict.fromkeys(seats, True), 1)])
    assert (record.ending, record.forfeit) == (Ending.FOUL, "x")
    assert [(m.id, m.reward) for m in record.moves] == [
        ("0.0.0", 1.0), ("0.0.1", 0.0), ("0.1.0", 1.0), ("0.1.1", 1.0), ("0.1.2", 1.0), ("0.2.0", 0.0),
    ]  # fmt: skip
