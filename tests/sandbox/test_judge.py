"""The judge by itself, on a sandbox that does what a script says: verdicts, retries, refusals, calls of tests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from selfplay.errors import RunError, UsageError
from selfplay.sandbox.cache import VerdictCache
from selfplay.sandbox.comparators import Custom, Exact
from selfplay.sandbox.inside.values import decode, encode
from selfplay.sandbox.judge import Claim, Judge, Rules
from selfplay.sandbox.local import LocalSandbox
from selfplay.sandbox.suites import SuiteRun, SuiteWorth, Trial
from selfplay.sandbox.tasks import CodeChecker, FunctionTask, ScriptTask
from selfplay.sandbox.types import (
    Answer,
    Call,
    Case,
    CaseResult,
    ExecResult,
    Integrity,
    Isolation,
    Job,
    Level,
    Limits,
    Raised,
    Reply,
    Status,
)
from selfplay.types import Outcome, Verdict

Behaviour = Callable[[Job, Case], CaseResult]
OK = Status.OK


@dataclass
class Scripted:
    """A sandbox in which sources are names of what happens; tests are functions that may call."""

    programs: dict[str, Behaviour]
    suites: dict[str, Callable[..., object]] = field(default_factory=dict)
    level: Level = Level.L3
    integrity: Integrity = Integrity.HIGH
    batches: list[list[tuple[str, list[str]]]] = field(default_factory=list)

    async def run(self, batch: Sequence[Job], answer: Answer | None = None) -> list[ExecResult]:
        self.batches.append([(job.source, [case.id for case in job.cases]) for job in batch])
        return [await self.one(job, answer) for job in batch]

    async def one(self, job: Job, answer: Answer | None) -> ExecResult:
        if job.proxies:
            cases = [await self.test(job, answer)]
        else:
            cases = [replace(self.programs[job.source](job, case), id=case.id) for case in job.cases]
        status = next((case.status for case in cases if case.status is not OK), OK)
        return ExecResult(status, tuple(cases), "scripted", self.level, self.integrity, "")

    async def test(self, job: Job, answer: Answer | None) -> CaseResult:
        assert answer is not None

        async def call(*args: object, **named: object) -> object:
            reply = await answer(Call(job, job.cases[0], job.proxies[0], encode((args, named)).encode()))
            if reply.error:
                raise RuntimeError(*reply.error)
            return decode(reply.value or b"")

        try:
            status = await self.suites[job.source](job.entry, call)
        except Exception:
            status = Status.EXCEPTION
        return CaseResult("0", status or OK)


def returns(function: Callable[..., object]) -> Behaviour:
    return lambda job, case: CaseResult("", OK, value=encode(function(*case.args)).encode())


def ends(*statuses: Status) -> Behaviour:
    """Each execution ends as the next status says; the last one stays."""
    left = list(statuses)

    def behave(job: Job, case: Case) -> CaseResult:
        status = left.pop(0) if len(left) > 1 else left[0]
        return CaseResult("", status, value=encode(9).encode() if status is OK else None)

    return behave


def judged(sandbox: Scripted, checker: CodeChecker, *claims: object, **judge: object) -> list[Verdict]:
    texts = [Claim(checker, checker.texts(claim)) for claim in claims]
    return asyncio.run(Judge(sandbox, **judge).judge(texts))


SQUARE = FunctionTask("f", [((3,), 9), ((5,), 25), ((-1,), 1)])
NINE = FunctionTask("f", [((3,), 9)])


# ---- functions and scripts


def test_scores_are_shares_and_parts_are_in_the_tasks_order() -> None:
    sandbox = Scripted(
        {"right": returns(lambda x: x * x), "nine": returns(lambda x: 9), "never": ends(Status.EXCEPTION)}
    )
    right, nine, never = judged(sandbox, SQUARE, "right", "nine", "never")
    assert (right.outcome, right.score, right.status, right.parts) == (Outcome.PASS, 1.0, "ok", ("ok", "ok", "ok"))
    assert (nine.outcome, nine.score, nine.status, nine.parts) == (
        Outcome.FAIL,
        1 / 3,
        "wrong",
        ("ok", "wrong", "wrong"),
    )
    assert (never.outcome, never.score, never.status) == (Outcome.FAIL, 0.0, "exception")
    assert "25" not in nine.detail, "expected values are not told"


def test_only_inputs_enter_the_sandbox_and_in_an_order_that_the_seed_decides() -> None:
    seen: list[list[object]] = []

    class Watching(Scripted):
        async def run(self, batch, answer=None):
            assert [job.cases for job in batch] and "25" not in repr(batch)
            seen.append([case.args for case in batch[0].cases])
            assert [case.id for case in batch[0].cases] == [str(n) for n in range(12)]
            return await super().run(batch, answer)

    cases = [((n,), f"expected 25 {n}") for n in range(12)]
    for seed in (0, 0, 1):
        (verdict,) = judged(
            Watching({"p": returns(lambda n: f"expected 25 {n}")}), FunctionTask("f", cases, seed=seed), "p"
        )
        assert verdict
    assert seen[0] == seen[1] != seen[2] and sorted(seen[0]) == sorted(seen[2]) == [(n,) for n in range(12)]


@pytest.mark.parametrize("status", sorted(set(Status) - {OK, Status.SANDBOX_ERROR}))
def test_every_way_of_failing_is_a_failure(status: Status) -> None:
    (verdict,) = judged(Scripted({"p": ends(status)}), NINE, "p")
    assert (verdict.outcome, verdict.score, verdict.status, verdict.parts) == (Outcome.FAIL, 0.0, status, (status,))


@pytest.mark.parametrize("value", [None, b"", b"9", b'"i9"x', b"[" * 100_000, b'"s\\ud800"'])
def test_what_is_not_a_value_is_an_invalid_result(value: bytes | None) -> None:
    (verdict,) = judged(Scripted({"p": lambda job, case: CaseResult("", OK, value=value)}), NINE, "p")
    assert (verdict.outcome, verdict.status) == (Outcome.FAIL, "invalid_result")


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (CaseResult("", OK, stdout=b"1\n2\n"), "ok"),
        (CaseResult("", OK, stdout=b"1\n"), "wrong"),
        (CaseResult("", OK, stdout=b"1\n2\n", stdout_truncated=True), "wrong"),
        (CaseResult("", OK, stdout=b"1\n2\xff"), "invalid_result"),
        (CaseResult("", Status.EXCEPTION, stdout=b"1\n2\n", exit_code=1), "exception"),
        (CaseResult("", Status.TIMEOUT, stdout=b"1\n2\n"), "timeout"),
    ],
)
def test_scripts(result: CaseResult, status: str) -> None:
    (verdict,) = judged(Scripted({"p": lambda job, case: result}), ScriptTask([("in", "1\n2\n")]), "p")
    assert (verdict.status, verdict.outcome is Outcome.PASS) == (status, status == "ok")


def test_of_an_exception_the_type_and_line_are_told_and_nothing_that_may_differ() -> None:
    def raising(kind: str) -> Behaviour:
        return lambda job, case: CaseResult("", Status.EXCEPTION, raised=Raised(kind, "at 0x7f", 3))

    sandbox = Scripted({"p": raising("KeyError"), "q": raising("[red]x[/red]")})
    told, silent = judged(sandbox, NINE, "p", "q")
    assert told.detail.endswith("case 1: exception (KeyError in line 3)") and silent.detail.endswith(
        "case 1: exception"
    )


def test_claims_that_are_no_programs() -> None:
    task = FunctionTask("f", [((), 1)], limits=Limits(source=10))
    long, odd = judged(Scripted({}), task, "x" * 11, "\ud800")
    assert [long.status, odd.status, long.outcome, odd.outcome] == ["too_long", "not_text", Outcome.FAIL, Outcome.FAIL]
    with pytest.raises(TypeError, match="the source of a program was expected"):
        task.texts(None)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FunctionTask("f", []), "at least one case"),
        (lambda: FunctionTask("f", [((1,), object())]), "type object cannot travel"),
        (lambda: FunctionTask("f", [((10**9999,), 1)]), "more than 4096 bits"),
        (lambda: FunctionTask("f", [((1,), float("nan"))]), "not even equal to itself"),
        (lambda: FunctionTask("f", [((1,), 1)], Custom("odd", lambda a, b: b / 0)), "not even equal to itself"),
        (lambda: SuiteWorth("f", [], ["x"]), "0 right and 1 wrong"),
    ],
)
def test_tasks_that_nobody_can_pass_are_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make()
    FunctionTask("f", [((1,), float("nan"))], Exact(nan_equal=True))


# ---- retries and refusals


@pytest.mark.parametrize(
    ("fates", "outcome", "status", "runs"),
    [
        ([Status.SANDBOX_ERROR, OK], Outcome.PASS, "ok", 2),
        ([Status.SANDBOX_ERROR, Status.SANDBOX_ERROR, OK], Outcome.PASS, "ok", 3),
        ([Status.SANDBOX_ERROR] * 3, Outcome.NO_VERDICT, "sandbox_error", 3),
        ([Status.TIMEOUT, OK], Outcome.PASS, "ok", 2),
        ([Status.TIMEOUT, Status.TIMEOUT, OK], Outcome.FAIL, "timeout", 2),
        ([Status.TIMEOUT, Status.SANDBOX_ERROR, OK], Outcome.PASS, "ok", 3),
        ([Status.CPU_LIMIT, OK], Outcome.FAIL, "cpu_limit", 1),
    ],
)
def test_what_the_machine_may_be_to_blame_for_is_run_again(
    fates: list[Status], outcome: Outcome, status: str, runs: int
) -> None:
    sandbox = Scripted({"p": ends(*fates)})
    (verdict,) = judged(sandbox, NINE, "p")
    assert (verdict.outcome, verdict.status, len(sandbox.batches)) == (outcome, status, runs)


def test_only_the_cases_in_trouble_are_run_again_alone_after_everything_else() -> None:
    broken = {"x": 2}

    def once_broken(job: Job, case: Case) -> CaseResult:
        if case.args == (5,) and broken["x"]:
            broken["x"] -= 1
            return CaseResult("", Status.SANDBOX_ERROR)
        return returns(lambda x: x * x)(job, case)

    sandbox = Scripted({"p": once_broken, "q": returns(lambda x: x * x)})
    first, second = judged(sandbox, SQUARE, "p", "q")
    assert first.parts == second.parts == ("ok", "ok", "ok")
    together, *alone = sandbox.batches
    assert [source for source, _ in together] == ["p", "q"]
    assert [[(source, len(ids)) for source, ids in batch] for batch in alone] == [[("p", 1)], [("p", 1)]]


def test_one_case_that_sleeps_again_speaks_for_all() -> None:
    sandbox = Scripted({"p": ends(Status.TIMEOUT)})
    (verdict,) = judged(sandbox, SQUARE, "p")
    assert verdict.parts == ("timeout",) * 3 and [len(ids) for ((_, ids),) in sandbox.batches] == [3, 1]


def test_a_case_that_slept_by_accident_gives_the_others_another_chance() -> None:
    sandbox = Scripted({"p": ends(*[Status.TIMEOUT] * 3, OK)})
    task = FunctionTask("f", [((n,), 9) for n in range(3)])
    (verdict,) = judged(sandbox, task, "p")
    assert verdict and [len(ids) for ((_, ids),) in sandbox.batches] == [3, 1, 2]


def test_weak_sandboxes_are_refused() -> None:
    sandbox = Scripted({"p": ends(OK)}, level=Level.L1)
    with pytest.raises(UsageError, match=r"holds level L1 .* but L2 is demanded"):
        judged(sandbox, NINE, "p")
    assert judged(sandbox, NINE, "p", rules=Rules(allow_weak_sandbox=True))[0]
    sandbox.level = Level.L2
    judge = Judge(sandbox)
    sandbox.level = Level.L0
    with pytest.raises(UsageError, match="level L0"):
        asyncio.run(judge.judge([Claim(NINE, ("p",))]))


def test_low_integrity_is_refused() -> None:
    shared = replace(NINE, isolation=Isolation.SUBMISSION)
    sandbox = Scripted({"p": ends(OK)}, integrity=Integrity.LOW)
    with pytest.raises(UsageError, match="could forge the result of another"):
        judged(sandbox, shared, "p")
    assert sandbox.batches == []
    assert judged(sandbox, shared, "p", rules=Rules(allow_low_integrity=True))[0]
    with pytest.raises(RunError, match="integrity low for 1 cases with isolation case"):
        judged(sandbox, NINE, "p", rules=Rules(allow_low_integrity=True))


def test_results_of_other_cases_are_refused() -> None:
    class Mixed(Scripted):
        async def one(self, job, answer):
            result = await super().one(job, answer)
            return replace(result, cases=result.cases[::-1])

    with pytest.raises(RunError, match="nothing was judged"):
        judged(Mixed({"p": ends(OK)}), SQUARE, "p")


def test_too_many_lost_verdicts_stop_the_run() -> None:
    sandbox = Scripted({**{f"p{n}": ends(Status.SANDBOX_ERROR) for n in range(8)}, "q": ends(OK)})
    lost = judged(sandbox, NINE, *(f"p{n}" for n in range(7)))
    assert {verdict.outcome for verdict in lost} == {Outcome.NO_VERDICT}
    with pytest.raises(RunError, match=r"failed for 8 of 9 claims \(allowed: 1%\)"):
        judged(sandbox, NINE, *(f"p{n}" for n in range(8)), "q")


# ---- keeping


@pytest.mark.parametrize("status", sorted(Status))
def test_only_what_neither_clock_nor_limits_decided_is_kept(status: Status) -> None:
    cache, sandbox = VerdictCache(), Scripted({"p": ends(status)})
    first = judged(sandbox, NINE, "p", cache=cache)
    runs = len(sandbox.batches)
    assert judged(sandbox, NINE, "p", cache=cache) == first
    assert (len(sandbox.batches) == runs) == (status in {OK, Status.EXCEPTION}) == bool(cache)


def test_the_same_claim_twice_in_a_batch_is_judged_once() -> None:
    sandbox = Scripted({"p": ends(OK, Status.EXCEPTION)})
    assert [bool(verdict) for verdict in judged(sandbox, NINE, "p", "p", "p")] == [True] * 3
    assert len(sandbox.batches) == 1 and len(sandbox.batches[0]) == 1


# ---- tests against a program

TESTS = "def test_three():\n    ...\ndef test_five():\n    ...\n"
WORKING = {"right": returns(lambda x: x * x), "wrong": returns(lambda x: x + x), "nine": returns(lambda x: 9)}


async def honest(entry: str, call: Callable[..., object]) -> None:
    assert await call(3) == 9 if entry == "test_three" else await call(5) == 25


async def silent(entry: str, call: Callable[..., object]) -> None:
    """Catches whatever happens."""
    with contextlib.suppress(Exception):
        await call(3)


def suite_verdict(suite: Callable[..., object], source: str = "right", tests: str = TESTS, **more: object) -> Verdict:
    programs = {**WORKING, **more.pop("programs", {})}
    return judged(Scripted(programs, {tests: suite}), SuiteRun("f", blame="verifier", **more), Trial(source, tests))[0]


@pytest.mark.parametrize(
    ("source", "parts"),
    [("right", ("ok", "ok")), ("nine", ("ok", "exception")), ("wrong", ("exception", "exception"))],
)
def test_a_suite_accepts_or_rejects(source: str, parts: tuple[str, ...]) -> None:
    verdict = suite_verdict(honest, source)
    assert verdict.parts == parts and bool(verdict) == (parts == ("ok", "ok"))


@pytest.mark.parametrize(
    "status", [Status.SIGNAL, Status.CPU_LIMIT, Status.NO_RESULT, Status.VIOLATION, Status.TIMEOUT]
)
def test_a_test_cannot_hide_that_the_program_died(status: Status) -> None:
    verdict = suite_verdict(silent, "dies", programs={"dies": ends(status)})
    assert verdict.outcome is Outcome.FAIL and verdict.parts == (status, status)


def test_a_result_that_cannot_travel_back_is_a_death() -> None:
    bad = {"bad": lambda job, case: CaseResult("", OK, value=b'["d",1]')}
    assert suite_verdict(silent, "bad", programs=bad).parts == ("invalid_result",) * 2


def test_exceptions_of_the_program_reach_the_test_which_may_expect_them() -> None:
    raising = {"raises": lambda job, case: CaseResult("", Status.EXCEPTION, raised=Raised("KeyError", "x", 1))}
    exits = {"exits": lambda job, case: CaseResult("", Status.EXCEPTION, raised=Raised("SystemExit", "0", 1))}
    own = {"own": lambda job, case: CaseResult("", Status.EXCEPTION, raised=Raised("__import__", "os", 1))}
    assert suite_verdict(silent, "raises", programs=raising)
    assert suite_verdict(silent, "exits", programs=exits).parts == ("exception",) * 2
    assert suite_verdict(silent, "own", programs=own)
    assert suite_verdict(honest, "own", programs=own).parts == ("exception",) * 2


def test_calls_are_counted_and_limited() -> None:
    async def eager(entry: str, call: Callable[..., object]) -> None:
        for n in range(5):
            with contextlib.suppress(RuntimeError):
                await call(n)

    assert suite_verdict(eager, max_calls=5)
    assert suite_verdict(eager, max_calls=4).parts == ("too_many_calls",) * 2


def test_calls_that_are_no_calls_are_the_tests_own_fault() -> None:
    class Garbled(Scripted):
        async def test(self, job, answer):
            replies = [await answer(Call(job, job.cases[0], "f", text)) for text in (b"9", b'["t",["t"]]', b"[" * 9999)]
            replies.append(await answer(Call(job, job.cases[0], "f", encode(((), {"x": 1})).encode())))
            assert [reply.error[0] for reply in replies] == ["TypeError"] * 4
            return CaseResult("0", OK)

    verdict = judged(Garbled(WORKING), SuiteRun("f"), Trial("right", TESTS))[0]
    assert (verdict.outcome, verdict.detail) == (Outcome.INVALID_CLAIM, "no test ever calls f")


def test_the_same_call_runs_the_program_once() -> None:
    sandbox = Scripted(WORKING, {TESTS: honest})
    judged(sandbox, SuiteWorth("f", ["right"], ["wrong"]), TESTS)
    runs = [source for batch in sandbox.batches for source, _ in batch if source != TESTS]
    assert sorted(runs) == ["right", "right", "wrong", "wrong"]


@pytest.mark.parametrize(
    ("tests", "why"),
    [
        ("", "there is no function"),
        ("def check():\n    assert True\n", "there is no function"),
        ("class T:\n    def test_a(self): ...\n", "there is no function"),
        ("def test_a(): ...\ndef test_a(): ...\n", "same name"),
        ("".join(f"def test_{n}(): ...\n" for n in range(31)), "31 tests; at most 30"),
        ("\ud800", "not_text"),
        ("#" * 70_000, "too_long"),
    ],
)
def test_ill_formed_suites_are_not_run(tests: str, why: str) -> None:
    verdict = suite_verdict(honest, tests=tests)
    assert (verdict.outcome, verdict.blame) == (Outcome.INVALID_CLAIM, "verifier") and why in verdict.detail


def test_infrastructure_below_a_test_is_tried_again_and_then_masked() -> None:
    for fates, outcome in (
        ([Status.SANDBOX_ERROR, OK], Outcome.PASS),
        ([Status.TIMEOUT, OK], Outcome.PASS),
        ([Status.SANDBOX_ERROR], Outcome.NO_VERDICT),
        ([Status.TIMEOUT], Outcome.FAIL),
    ):
        assert suite_verdict(silent, "p", programs={"p": ends(*fates)}).outcome is outcome


# ---- a suite's worth


def worth(suite: Callable[..., object], tests: str = TESTS) -> Verdict:
    checker = SuiteWorth("f", ["right"], ["wrong", "nine"], blame="verifier")
    return judged(Scripted(WORKING, {tests: suite}), checker, tests)[0]


def test_the_share_of_wrong_programs_that_a_suite_rejects_is_its_worth() -> None:
    async def weak(entry: str, call: Callable[..., object]) -> None:
        assert await call(3) == 9

    verdict = worth(honest)
    assert (verdict.outcome, verdict.score, verdict.parts) == (Outcome.PASS, 1.0, ("killed", "killed"))
    verdict = worth(weak)
    assert (verdict.outcome, verdict.score, verdict.parts) == (Outcome.PASS, 0.5, ("killed", "survived"))


def test_a_suite_that_accepts_everything_is_worth_nothing() -> None:
    verdict = worth(silent)
    assert (verdict.outcome, verdict.score, verdict.status) == (Outcome.FAIL, 0.0, "kills_nothing")


def test_a_suite_that_rejects_the_right_program_is_invalid() -> None:
    async def picky(entry: str, call: Callable[..., object]) -> None:
        assert await call(3) == 6

    verdict = worth(picky)
    assert (verdict.outcome, verdict.blame) == (Outcome.INVALID_CLAIM, "verifier")
    assert verdict.detail == "a right program was rejected"


def test_a_flaky_suite_is_invalid() -> None:
    runs = iter([True, True, False, True, True, True, True, True])

    async def flaky(entry: str, call: Callable[..., object]) -> None:
        await call(3)
        assert next(runs)

    assert worth(flaky).detail.startswith("flaky")


def test_a_suite_that_never_calls_is_invalid() -> None:
    async def idle(entry: str, call: Callable[..., object]) -> None:
        assert True

    assert worth(idle).detail == "no test ever calls f"


def test_replies_hold_a_value_or_an_error() -> None:
    assert Reply(value=b"null") != Reply(error=("KeyError", ""))


def test_suites_of_two_functions_of_one_program_are_answered_by_their_own(local: LocalSandbox) -> None:
    source = "def f(x): return 1\ndef g(x): return 2\n"
    claims = []
    for name, value in (("f", 1), ("g", 2)):
        checker = SuiteRun(name)
        tests = f"def test_it():\n    assert {name}(0) == {value}\n"
        claims.append(Claim(checker, checker.texts(Trial(source, tests))))
    assert [verdict.outcome for verdict in asyncio.run(Judge(local).judge(claims))] == [Outcome.PASS, Outcome.PASS]
