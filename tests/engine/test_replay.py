"""A recorded match, played again: the same, under another rule, or differently from some move on."""

from __future__ import annotations

import numpy as np
import pytest

from selfplay.driver import Limits
from selfplay.errors import UnknownName
from selfplay.game import Foul, Game, Role, retry
from selfplay.record.codec import dumps, loads
from selfplay.replay import difference, first_difference, fork, recorded, replay, rescore
from selfplay.types import Completion, Ending, Inline, Player


def number(text: str) -> int:
    if not text.isdigit():
        raise Foul("not a number")
    return int(text)


class Rich(Game):
    """Uses every verb that a record must answer for."""

    proposer = Role("Propose.", parse=number, foul=retry(1))
    solver = Role("Solve.", parse=number, seats=2)
    tools = {"oracle": lambda args: {"answer": args["x"] * 2}}
    bonus: float = 1.0
    sizes: tuple[int, ...] = (1, 2)

    async def play(self, match):
        match.tell("all", f"dice {match.rng.random()}")
        proposal = await match.ask(self.proposer, "go", tag="t")
        oracle = await match.call("oracle", {"x": proposal.value})

        async def branch(i):
            for turn in range(1 + i):
                move = await match.ask(self.solver, f"{turn} {match.rng.random()}", seat=1 + i)
                verdict = await match.check(lambda claim: claim % 2 == 0, move.value, about=move)
                move.reward = float(bool(verdict)) * self.bonus
            return move

        _, last = await match.gather(branch(0), branch(1))
        for answer in await match.ask(self.solver, "all", seat=2, n=3, after=last):
            answer.reward = float(answer.foul is None and answer.value < oracle["answer"])
        await match.extend(last)
        match.note(task=match.task)
        match.pay(self.proposer, 0.5)
        match.result({"solver#1": 1.0})


class Numbers(Inline):
    """Numbers drawn from the request's seeds; every ninth reply or so is a foul."""

    def __init__(self, foul: int = 9) -> None:
        self.foul = foul
        self.asked = 0

    def complete(self, requests):
        self.asked += len(requests)
        return [[self.reply(seed) for seed in request.seeds] for request in requests]

    def reply(self, seed: int) -> Completion:
        if seed % self.foul == 0:
            return Completion("none")
        ids = np.array([seed % 7, 1], np.int32)
        return Completion(str(seed % 100), ids, ids, np.array([-0.5, -1e-7 * (seed % 11)], np.float32))


def records(play_many, count: int = 40):
    found = play_many(Rich(bonus=0.5), Numbers(), count)
    assert {record.ending for record in found} == {Ending.OK, Ending.FOUL}
    return found


@pytest.mark.parametrize("through_json", [False, True])
def test_a_replay_is_the_same_byte_for_byte(play_many, through_json: bool) -> None:
    for record in records(play_many):
        kept = loads(dumps(record)) if through_json else record
        for game in (Rich, Rich(bonus=0.5)):
            again = replay(kept, game)
            assert difference(kept, again) is None
            assert dumps(again) == dumps(record)


def test_a_replay_asks_no_service_and_no_checker(play_many) -> None:
    def unplugged(args):
        raise AssertionError("asked")

    class Offline(Rich):
        tools = {"oracle": unplugged}

    for record in records(play_many):
        assert difference(record, replay(record, Offline(bonus=0.5))) is None


def test_errors_are_replayed_too(play, play_many) -> None:
    class Unlucky(Rich):
        async def play(self, match):
            await super().play(match)
            raise ValueError("after all that")

    class Endless(Rich):
        async def play(self, match):
            while True:
                await match.check(bool, 1)

    class Broken(Inline):
        def complete(self, requests):
            if requests[0].role == "solver":
                raise OSError("unplugged")
            return [[Completion("4")] for _ in requests]

    for record in play_many(Unlucky(), Numbers(10**9), 3):
        assert difference(record, replay(record, Unlucky)) is None
    limits = Limits(steps=50)
    record = play(Endless(), {}, limits=limits)
    assert difference(record, replay(record, Endless, limits)) is None
    record = play(Rich(), Broken())
    assert "unplugged" in record.error and difference(record, replay(record, Rich)) is None


def test_a_game_that_changed_shows_where(play_many) -> None:
    class Otherwise(Rich):
        async def play(self, match):
            self.solver = Role("Solve well.", parse=number, seats=2)
            self.solver.__set_name__(type(self), "solver")
            await super().play(match)

    record = play_many(Rich(), Numbers(10**9), 1)[0]
    found = first_difference(record, replay(record, Otherwise))
    assert found is not None and found.move == "3.0.0"
    assert found.text.startswith("move 3.0.0 (solver#1): messages was") and "Solve well." in found.text


def test_a_game_that_asks_more_than_was_recorded(play_many) -> None:
    class More(Rich):
        async def play(self, match):
            await super().play(match)
            await match.ask(self.proposer, "one more")

    record = play_many(Rich(), Numbers(10**9), 1)[0]
    assert replay(record, More).error == "the record has no reply for move 6 (proposer)"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: setattr(r.moves[1], "_reward", 7.0), "move 3.0.0 (solver#1): reward was"),
        (lambda r: setattr(r.moves[0].completion, "text", "x"), "move 0 (proposer): text was"),
        (lambda r: r.moves[0].completion.logprobs.__setitem__(0, 1.0), "move 0 (proposer): logprobs was"),
        (lambda r: r.facts.pop(), "facts, then"),
        (lambda r: r.moves.pop(), "moves, then"),
        (lambda r: r.facts[0].data.update(text="other"), "tell at 0: it was"),
        (lambda r: setattr(r, "result", None), "result was {'proposer': 0.0, 'solver#1': 1.0"),
        (lambda r: setattr(r, "ending", Ending.FOUL), "ending was 'ok', then 'foul'"),
        (lambda r: r.config.update(bonus=2.0), "config was"),
    ],
)
def test_difference_names_the_first_thing(play_many, change, words: str) -> None:
    one, other = (play_many(Rich(), Numbers(10**9), 1)[0] for _ in range(2))
    assert difference(one, other) is None
    change(other)
    assert words.replace("move 0 ", "move 1 ") in difference(one, other)


def test_rescore_keeps_the_replies_and_may_note_and_check_more(play_many) -> None:
    class Generous(Rich):
        async def play(self, match):
            match.note(rule="generous")
            await super().play(match)
            await match.check(bool, 1)
            for move in match.moves:
                move.reward = 3.0

    for record in map(loads, map(dumps, records(play_many))):
        if record.ending is Ending.FOUL:
            continue
        again = rescore(record, Generous)
        assert again.error is None
        assert [m.text for m in again.moves] == [m.text for m in record.moves]
        assert {m.reward for m in again.moves if m.foul is None} == {3.0}
    unchanged = rescore(record, Rich)
    assert difference(record, unchanged) is None


def test_rescore_asks_no_service_again(play_many) -> None:
    class Twice(Rich):
        async def play(self, match):
            await super().play(match)
            await match.call("oracle", {"x": 1000})

    record = play_many(Rich(), Numbers(10**9), 1)[0]
    assert "this call was not made in the recorded match" in rescore(record, Twice).error


def test_rescore_says_when_a_rule_asks_what_was_never_asked(play_many) -> None:
    class Wordy(Rich):
        async def play(self, match):
            await match.ask(self.proposer, "warm up")

    record = play_many(Rich(), Numbers(10**9), 1)[0]
    assert "move 0 (proposer) was never asked this" in rescore(record, Wordy).error


def test_fork_reuses_what_came_before_and_plays_the_rest(play_many) -> None:
    record = loads(dumps(play_many(Rich(), Numbers(10**9), 1)[0]))
    asks = [tuple(map(int, move.id.split(".")))[: 3 if move.id.startswith("3") else 1] for move in record.moves]
    for move, ask in zip(record.moves, asks, strict=True):
        policy = Numbers(10**9)
        forked = fork(record, move.id, Rich, {"p": Player("p", policy)}, sampling_seed=77)
        texts = {new.id: new.text for new in forked.moves}
        assert forked.error is None and policy.asked == len({other for other in asks if other >= ask})
        assert texts[move.id] != move.text
        assert all(texts[old.id] == old.text for old, path in zip(record.moves, asks, strict=True) if path < ask)


def test_fork_with_the_same_seed_and_player_plays_the_same_again(play_many) -> None:
    record = play_many(Rich(), Numbers(10**9), 1)[0]
    assert difference(record, fork(record, record.moves[2].id, Rich, {"p": Player("p", Numbers(10**9))})) is None


def test_fork_at_a_move_that_is_not_there(play_many) -> None:
    record = play_many(Rich(), Numbers(10**9), 1)[0]
    with pytest.raises(UnknownName, match="unknown move '99'"):
        fork(record, "99", Rich, {})


def test_recorded_before_a_path(play_many) -> None:
    record = play_many(Rich(), Numbers(10**9), 1)[0]
    assert set(recorded(record).replies) == {(1,), (3, 0, 0), (3, 1, 0), (3, 1, 2), (4,), (5,)}
    early = recorded(record, before=(3, 1, 0))
    assert set(early.replies) == {(1,), (3, 0, 0)}
    assert set(early.verdicts) == {(3, 0, 1)} and set(early.calls) == {(2,)}
