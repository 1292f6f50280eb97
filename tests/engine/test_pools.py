"""Claims for a pool of checkers: those of many matches together, and the same records whatever the timing."""

from __future__ import annotations

import random
import time

import pytest

from selfplay.errors import RunError, UsageError
from selfplay.game import Game, Role
from selfplay.record.codec import to_json
from selfplay.replay import difference, replay, rescore
from selfplay.types import Outcome, PooledChecker, Verdict


class Pool:
    """Says whether numbers are even, after a random time; remembers its batches."""

    def __init__(self, lag_s: float = 0.0, seed: int = 0, error: Exception | None = None) -> None:
        self.lag_s, self.chance, self.error = lag_s, random.Random(seed), error
        self.batches: list[list[int]] = []

    def judge(self, checks):
        time.sleep(self.lag_s * self.chance.random())
        self.batches.append([claim for _, claim in checks])
        if self.error is not None:
            raise self.error
        return [checker.verdict(claim) for checker, claim in checks]


class Even(PooledChecker):
    def __init__(self, pool) -> None:
        self.shared = pool

    @property
    def pool(self):
        return self.shared

    def verdict(self, claim: int) -> Verdict:
        if claim == 13:
            return Verdict(Outcome.NO_VERDICT, status="sandbox_error")
        return Verdict(Outcome.FAIL if claim % 2 else Outcome.PASS, parts=("ok", str(claim)))


class Judged(Game):
    """Each match asks, checks three claims in parallel, asks again, and checks once more."""

    a = Role("You are a.", parse=int)

    def __init__(self, pool, **settings) -> None:
        super().__init__(**settings)
        self.even = Even(pool)

    async def play(self, match):
        first = await match.ask(self.a, "a number?")
        first.reward = 1.0

        async def branch(i):
            verdict = await match.check(self.even, first.value + i, about=first)
            return None if verdict.outcome is Outcome.NO_VERDICT else bool(verdict)

        found = await match.gather(*(branch(i) for i in range(3)))
        second = await match.ask(self.a, f"{found}")
        verdict = await match.check(self.even, second.value, about=[second])
        second.reward = float(verdict.outcome is Outcome.PASS)
        match.note(parts=list(verdict.parts))


@pytest.fixture(name="judged")
def judged_function(Replies, play_many):
    def judged(pool, count, reply=lambda request: str(request.seeds[0] % 20), **arena):
        return play_many(Judged(pool), Replies(reply), count, **arena)

    return judged


@pytest.mark.parametrize("lag_s", [0.0, 0.01])
def test_exact_mode_judges_together_and_before_it_asks_again(judged, lag_s: float) -> None:
    pool = Pool(lag_s)
    records = judged(pool, 8)
    assert [record.error for record in records] == [None] * 8
    assert [len(batch) for batch in pool.batches] == [24, 8]
    firsts = [record.moves[0].value for record in records]
    assert pool.batches[0] == [first + i for first in firsts for i in range(3)]
    assert any(13 in batch for batch in pool.batches), "the masked claim is part of this test"


def test_fast_mode_gives_the_same_records(judged) -> None:
    expected = sorted(map(str, map(to_json, judged(Pool(), 8))))
    for seed in range(2):
        records = judged(Pool(0.004, seed), 8, mode="fast", batch=3)
        assert sorted(map(str, map(to_json, records))) == expected


def test_a_verdicts_parts_are_recorded_and_replayed_without_a_pool(judged) -> None:
    records = judged(Pool(), 4)
    for record in records:
        again = replay(record, Judged(None))
        assert difference(record, again) is None
        pool = Pool()
        assert difference(record, rescore(record, Judged(pool))) is None
        assert [len(batch) for batch in pool.batches] == [1] * 4
    assert any(fact.data.get("parts") for record in records for fact in record.facts if fact.kind == "check")


def test_no_verdict_of_a_pool_masks_and_is_not_tried_again(judged) -> None:
    pool = Pool()
    (record,) = judged(pool, 1, lambda request: "13")
    assert pool.batches == [[13, 14, 15], [13]]
    assert [move.why_masked for move in record.moves] == ["no_verdict", "no_verdict"]


def test_a_pool_that_breaks_costs_the_claims_and_not_the_run(judged) -> None:
    pool = Pool(error=OSError("no more processes"))
    (record,) = judged(pool, 1, lambda request: "4")
    assert pool.batches == [[4, 5, 6], [4], [5], [6], [4], [4]]
    check = next(fact for fact in record.facts if fact.kind == "check")
    assert check.data["outcome"] == "no_verdict" and "no more processes" in check.data["detail"]


@pytest.mark.parametrize("mode", ["exact", "fast"])
@pytest.mark.parametrize("error", [RunError("the sandbox is gone"), UsageError("the sandbox is too weak")])
def test_a_pool_that_cannot_judge_at_all_stops_the_run(judged, mode: str, error: Exception) -> None:
    with pytest.raises(type(error), match="the sandbox is"):
        judged(Pool(error=error), 2, lambda request: "4", mode=mode)
