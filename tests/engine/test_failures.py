"""Games and policies that misbehave cost their own match, never the run - until too many do."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from dataclasses import replace

import pytest

from selfplay.alarm import Alarm
from selfplay.arena import Arena
from selfplay.driver import Limits
from selfplay.errors import GameHung, RunError, UnknownName, UsageError
from selfplay.game import Game, Role
from selfplay.types import Completion, Ending, Inline, Pairing, Player, Task

QUICK = Limits(step_s=0.15, steps=200, error_count=1000)


class Solo(Game):
    a = Role("You are a.")

    async def play(self, match):
        (await match.ask(self.a, "go")).reward = 1.0


async def raises(game, match):
    raise ValueError("no such move")


async def leaves(game, match):
    sys.exit(3)


async def hangs(game, match):
    while True:
        pass


async def hangs_and_swallows(game, match):
    while True:
        try:
            while True:
                pass
        except Exception:
            pass


async def hangs_on_the_way_out(game, match):
    try:
        await match.ask(game.a, "go", sampling={"nonsense": 1})
    finally:
        while True:
            pass


async def fails_on_the_way_out(game, match):
    try:
        await match.ask(game.a, "go", sampling={"nonsense": 1})
    finally:
        raise KeyError("while closing")


async def never_ends(game, match):
    while True:
        await match.check(bool, 1)


async def never_ends_in_branches(game, match):
    async def grow():
        await match.gather(grow(), grow())

    await grow()


async def sleeps(game, match):
    await asyncio.sleep(0.01)


async def yields(game, match):
    await asyncio.sleep(0)


async def not_a_reward(game, match):
    (await match.ask(game.a, "go")).reward = float("nan")


async def wrong_type(game, match):
    (await match.ask(game.a, "go")).reward = "high"


MISBEHAVING = [
    (raises, "ValueError: no such move (test_failures.py:"),
    (leaves, "SystemExit: 3"),
    (hangs, "GameHung: computed for more than 0.15 s"),
    (hangs_and_swallows, "GameHung: "),
    (hangs_on_the_way_out, "unknown sampling setting 'nonsense'"),
    (fails_on_the_way_out, "unknown sampling setting 'nonsense'"),
    (never_ends, "GameEndless: took more than 200 steps"),
    (never_ends_in_branches, "GameEndless: "),
    (sleeps, "RuntimeError: no running event loop"),
    (yields, "GameError: NoneType was awaited; only match verbs may be (test_failures.py:"),
    (not_a_reward, "GameError: reward of move 0 is nan"),
    (wrong_type, "ValueError: could not convert string to float: 'high'"),
]


@pytest.mark.parametrize("mode", ["exact", "fast"])
@pytest.mark.parametrize(("misbehave", "words"), MISBEHAVING, ids=[f.__name__ for f, _ in MISBEHAVING])
def test_a_game_that_misbehaves_is_a_record_and_the_run_goes_on(play_many, Replies, misbehave, words, mode) -> None:
    class Sometimes(Solo):
        async def play(self, match):
            if match.task == "bad":
                await misbehave(self, match)
            await super().play(match)

    tasks = ["good", "bad", "good"]
    pairings = [Pairing("game", {"a": "p"}, {"a": True}, i, i, task=Task(task)) for i, task in enumerate(tasks)]
    records = play_many(Sometimes(), Replies(lambda r: "ok"), 3, pairings=pairings, mode=mode, limits=QUICK)
    assert len(records) == 3
    good, bad = [r for r in records if r.pairing.task.data == "good"], [r for r in records if r.error]
    assert [r.moves[0].reward for r in good] == [1.0, 1.0] and [r.ending for r in good] == [Ending.OK] * 2
    assert len(bad) == 1 and bad[0].ending == Ending.ERROR and words in bad[0].error


def test_the_alarm_stops_a_hanging_game_soon(play) -> None:
    class Hangs(Solo):
        play = hangs

    began = time.monotonic()
    assert "GameHung" in play(Hangs(), {}, limits=QUICK).error
    assert time.monotonic() - began < 1.0


class Failing(Solo):
    async def play(self, match):
        await super().play(match)
        if match.task is None:
            raise ValueError("always")


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_too_many_errors_stop_the_run(Replies, pairing, mode: str) -> None:
    game = Failing()
    words = r"8 of 8 matches were errors; the last, g0000-m0007: ValueError: always"
    players = {"p": Player("p", Replies(lambda r: "ok"))}
    with Arena({"game": game}, players, mode=mode) as arena, pytest.raises(RunError, match=words):
        list(arena.play(pairing(game, i) for i in range(100)))


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_errors_below_the_threshold_do_not(play_many, Replies, pairing, mode: str) -> None:
    game = Failing()
    pairings = [pairing(game, i, task=None if i % 2 else "fine") for i in range(100)]
    records = play_many(game, Replies(lambda r: "ok"), 100, pairings=pairings, mode=mode)
    assert sum(record.error is not None for record in records) == 50


def test_the_record_that_breaks_the_threshold_is_not_lost(Replies, pairing) -> None:
    game, finished = Failing(), []
    with Arena({"game": game}, {"p": Player("p", Replies(lambda r: "ok"))}) as arena, pytest.raises(RunError):
        for record in arena.play(pairing(game, i) for i in range(100)):
            finished.append(record.id)
    assert len(finished) == 8


# ------------------------------------------------------------------------------------------------- policies, players


class Broken:
    def __init__(self, replies) -> None:
        self.replies = replies

    def complete(self, requests):
        return self.replies(requests)


def unplugged(requests):
    raise ConnectionError("unplugged")


@pytest.mark.parametrize("mode", ["exact", "fast"])
@pytest.mark.parametrize(
    ("replies", "words"),
    [
        (unplugged, "player bad failed: ConnectionError: unplugged"),
        (lambda requests: [], "player bad failed: ValueError: gave [] replies to requests for [1"),
        (lambda requests: [[] for _ in requests], "player bad failed: ValueError: gave [0"),
        (lambda requests: None, "player bad failed: TypeError"),
    ],
)
def test_a_policy_that_fails_costs_its_matches_only(Replies, pairing, replies, words: str, mode: str) -> None:
    game = Solo()
    players = {"good": Player("good", Replies(lambda r: "ok")), "bad": Player("bad", Broken(replies))}
    with Arena({"game": game}, players, mode=mode, limits=QUICK) as arena:
        records = list(arena.play(pairing(game, i, player=("good", "bad")[i % 2]) for i in range(10)))
    assert len(records) == 10
    for record in records:
        if record.pairing.seats["a"] == "good":
            assert record.error is None and record.moves[0].reward == 1.0
        else:
            assert words in record.error and record.moves == []


@pytest.mark.parametrize("mode", ["exact", "fast"])
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"player": "q"}, "unknown player 'q'"),
        ({"seats": {"a": "p", "b": "p"}}, "seats a, b were paired, but the game has: a"),
        ({"seats": {}}, "but the game has: a"),
    ],
)
def test_pairings_that_make_no_sense(Replies, pairing, wrong, words: str, mode: str) -> None:
    game = Solo()
    good = pairing(game, 0)
    bad = pairing(game, 1, **wrong) if "player" in wrong else replace(good, **wrong)
    with Arena({"game": game}, {"p": Player("p", Replies(lambda r: "ok"))}, mode=mode) as arena:
        with pytest.raises(UsageError, match=words):
            list(arena.play([good, bad]))
        with pytest.raises(UnknownName, match="unknown game 'gane' - did you mean 'game'"):
            list(arena.play([replace(good, game="gane")]))
        assert [record.error for record in arena.play([good])] == [None]


@pytest.mark.parametrize("wrong", [{"in_flight": 0}, {"batch": 0}])
def test_an_arena_that_could_not_play(wrong) -> None:
    with pytest.raises(UsageError, match="both are at least 1"):
        Arena({}, {}, **wrong)


# ---------------------------------------------------------------------------------------------- loops, threads, Ctrl-C


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_inside_a_running_event_loop(play_many, Replies, mode: str) -> None:
    async def main():
        return play_many(Solo(), Replies(lambda r: "ok"), 5, mode=mode)

    assert [record.error for record in asyncio.run(main())] == [None] * 5


def test_asyncio_in_a_game_is_an_error_also_where_a_loop_runs(play) -> None:
    class Sleeps(Solo):
        play = sleeps

    async def main():
        return play(Sleeps(), {})

    assert "GameError: Future was awaited; only match verbs may be" in asyncio.run(main()).error


def test_on_another_thread_there_is_no_alarm_but_all_else_works(play_many, Replies) -> None:
    seen = []

    def work():
        with Alarm(1.0) as alarm:
            seen.append(alarm.active)
        seen.append([record.error for record in play_many(Solo(), Replies(lambda r: "ok"), 3)])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False, [None] * 3]


def test_the_alarm_gives_the_signal_back() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with Alarm(0.1) as alarm:
        assert alarm.active
        with Alarm(0.2) as inner, pytest.raises(GameHung, match=r"more than 0.2 s"):
            assert inner.active
            inner.guard(lambda: [None for _ in iter(int, 1)])
        with pytest.raises(GameHung, match=r"more than 0.1 s"):
            alarm.guard(lambda: [None for _ in iter(int, 1)])
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("selfplay-policy")]


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_ctrl_c_passes_through_and_threads_end(pairing, mode: str) -> None:
    class Slow:
        def complete(self, requests):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            time.sleep(0.05)
            return [[Completion("ok")] for _ in requests]

    game = Solo()
    with pytest.raises(KeyboardInterrupt), Arena({"game": game}, {"p": Player("p", Slow())}, mode=mode) as arena:
        list(arena.play([pairing(game)]))
    for thread in workers():
        thread.join(timeout=2)
    assert workers() == []


def test_ctrl_c_in_a_game_passes_through(play) -> None:
    class Interrupted(Solo):
        async def play(self, match):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play(Interrupted(), {})


def test_what_an_abandoned_play_left_behind_reaches_nobody(pairing) -> None:
    class Counting(Inline):
        def __init__(self) -> None:
            self.batches: list[int] = []

        def complete(self, requests):
            self.batches.append(len(requests))
            return [[Completion("ok")] for _ in requests]

    closed = []

    class Two(Solo):
        async def play(self, match):
            try:
                for _ in range(match.task):
                    await match.ask(self.a, "go")
            finally:
                closed.append(match.task)

    game, policy = Two(), Counting()
    with Arena({"game": game}, {"p": Player("p", policy)}) as arena:
        playing = arena.play(pairing(game, i, task=i + 1) for i in range(5))
        next(playing)
        playing.close()
        assert closed == [1, 2, 3, 4, 5]
        policy.batches.clear()
        assert len(list(arena.play([pairing(game, task=1)]))) == 1
    assert policy.batches == [1]


def test_workers_of_players_that_left_end(pairing) -> None:
    class Threaded:
        def complete(self, requests):
            return [[Completion("ok")] for _ in requests]

    game = Solo()
    players = {"p": Player("p", Threaded())}
    with Arena({"game": game}, players) as arena:
        for _ in range(4):
            list(arena.play([pairing(game)]))
            players["p"] = Player("p", Threaded())
        time.sleep(0.05)
        assert len(workers()) <= 1
