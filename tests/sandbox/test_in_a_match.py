"""The judge behind `match.check` and `match.call`: in the arena, on the real sandbox, and replayed without one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from selfplay.arena import Arena, Mode
from selfplay.errors import RunError, UsageError
from selfplay.game import Game, Role
from selfplay.record.codec import to_json
from selfplay.replay import difference, replay
from selfplay.sandbox import pool as pools
from selfplay.sandbox.inside.values import decode, encode
from selfplay.sandbox.judge import Rules
from selfplay.sandbox.local import LocalSandbox
from selfplay.sandbox.observe import observe, observed
from selfplay.sandbox.pool import CodePool, current_pool, use_pool
from selfplay.sandbox.suites import SuiteRun, Trial
from selfplay.sandbox.tasks import FunctionTask
from selfplay.sandbox.types import Level, Limits
from selfplay.types import Completion, Inline, MatchRecord, Outcome, Pairing, Player, Request

ANSWERS = [
    "def solve(xs): return sorted(xs)",
    "def solve(xs): return xs",
    "def solve(xs): return xs[::-1]",
    "import os; os._exit(0)",
    "def solve(xs): xs.sort(); return xs",
]


class Coder(Inline):
    def complete(self, requests: Sequence[Request]) -> list[list[Completion]]:
        return [[Completion(ANSWERS[seed % len(ANSWERS)]) for seed in request.seeds] for request in requests]


class Sorting(Game):
    """Solvers sort a list; what the sandbox finds is the reward."""

    solver = Role("Write solve(xs).")
    tools = {"observe": observe}

    async def play(self, match):
        task = FunctionTask("solve", [(([3, 1, 2],), [1, 2, 3]), (([],), []), (([1, 2],), [1, 2])])

        async def judged(move):
            verdict = await match.check(task, move.text, about=move)
            move.reward = verdict.score
            match.note(parts=list(verdict.parts))

        moves = await match.ask(self.solver, "Sort.", n=4)
        await match.gather(*map(judged, moves))
        claim = Trial(moves[0].text, "def test_a():\n    assert solve([2, 1]) == [1, 2]\n")
        match.note(accepted=bool(await match.check(SuiteRun("solve"), claim, about=moves)))
        seen = await match.call("observe", {"source": moves[0].text, "entry": "solve", "inputs": [encode(([2, 1],))]})
        match.note(seen=seen["values"])


@pytest.fixture(scope="module")
def pool() -> Iterator[CodePool]:
    pool = CodePool(lambda: LocalSandbox(workers=2))
    use_pool(pool)
    yield pool
    pool.close()


def played(mode: Mode = "exact") -> list[MatchRecord]:
    pairings = [Pairing("g", {"solver": "p"}, {"solver": True}, n, n, sampling_seed=n) for n in range(6)]
    with Arena({"g": Sorting()}, {"p": Player("p", Coder())}, mode=mode) as arena:
        return sorted(arena.play(pairings), key=lambda record: record.pairing.number)


def test_matches_are_judged_and_are_the_same_every_time(pool: CodePool) -> None:
    records = played()
    assert [record.error for record in records] == [None] * 6
    rewards = {move.text: move.reward for record in records for move in record.moves}
    assert rewards == dict(zip(ANSWERS, [1.0, 2 / 3, 1 / 3, 0.0, 1.0], strict=True))
    pool.cache = pool._judge.cache = type(pool.cache)()  # found anew, not remembered
    assert list(map(to_json, played())) == list(map(to_json, records))
    assert list(map(to_json, played("fast"))) == list(map(to_json, records))


def test_a_record_is_replayed_without_a_sandbox(pool: CodePool, monkeypatch: pytest.MonkeyPatch) -> None:
    record = played()[0]

    def refuse(*args: object) -> None:
        raise AssertionError("the sandbox was asked")

    monkeypatch.setattr(CodePool, "_wait_for", refuse)
    assert difference(record, replay(record, Sorting())) is None


def test_observing(pool: CodePool) -> None:
    inputs = [encode((3,)), encode((4,))]

    def seen(source: str) -> dict[str, object]:
        return observed(pool, source, "f", inputs)

    assert seen("def f(x): return (x, [x])") == {"status": "ok", "values": [encode((3, [3])), encode((4, [4]))]}
    assert seen("import os\ndef f(x): return os.urandom(9)") == {
        "status": "nondeterministic",
        "values": [None] * 2,
    }
    assert seen("def f(x): return 1 // (x - 4)") == {"status": "exception", "values": [encode(-1), None]}
    assert seen("def f(x): return object()")["status"] == "invalid_result"
    assert seen("#" * 70_000)["status"] == "too_long"
    assert decode(observe({"source": "def f(x): return {x}", "entry": "f", "inputs": inputs})["values"][0]) == {3}


def test_what_is_no_program_costs_no_other_claim(pool: CodePool) -> None:
    task = FunctionTask("solve", [((1,), 1)])
    none, good = pool.judge([(task, None), (task, "def solve(x): return x")])
    assert (none.outcome, good.outcome) == (Outcome.NO_VERDICT, Outcome.PASS)


def test_a_weak_sandbox_stops_the_run() -> None:
    with pytest.raises(UsageError, match="holds level L0 on this machine, but L2 is demanded"):
        weak = CodePool(lambda: Weak())
        weak.judge([(FunctionTask("solve", [((1,), 1)]), "def solve(x): return x")])


class Weak:
    """A sandbox that does not even try."""

    level = Level.L0

    async def __aenter__(self) -> Weak:
        return self

    async def close(self) -> None: ...


def test_a_closed_pool_starts_again_and_leaves_no_thread() -> None:
    before = threading.active_count()
    pool = CodePool(lambda: LocalSandbox(workers=1), Rules(min_level=Level.L1))
    task = FunctionTask("solve", [((1,), 1)])
    for source in ("def solve(x): return x", "def solve(x): return +x"):
        assert pool.judge([(task, source)])[0]
        pool.close()
    assert threading.active_count() <= before + 2, "only threads that are about to end"


def test_an_interrupted_pool_keeps_nobody_waiting() -> None:
    pool = CodePool(lambda: LocalSandbox(workers=1))
    task = FunctionTask("solve", [((n,), n) for n in range(20)], limits=Limits(cpu_s=0.3))
    assert pool.judge([(task, "def solve(x): return x")])[0]
    started = time.monotonic()
    threading.Timer(0.3, pool.interrupt).start()
    with pytest.raises(RunError, match="interrupted"):
        pool.judge([(task, "import time\ndef solve(x): time.sleep(99)")])
    assert time.monotonic() - started < 10, "twenty times the wall limit would be 38 s"
    pool.close()


def test_the_pool_of_the_process_is_replaced(pool: CodePool) -> None:
    assert current_pool() is pool is pools._current


def test_a_broken_sandbox_is_an_error_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> LocalSandbox:
        raise RunError("the sandbox cannot be started: no forks left")

    with pytest.raises(RunError, match="no forks left"):
        CodePool(broken).judge([(FunctionTask("solve", [((1,), 1)]), "x")])
