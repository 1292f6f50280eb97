"""Kept verdicts: found again under exactly the same question, forgotten in order of disuse."""

from __future__ import annotations

from selfplay.sandbox.cache import VerdictCache, key_of
from selfplay.sandbox.comparators import Exact, Numeric
from selfplay.sandbox.suites import SuiteRun
from selfplay.sandbox.tasks import FunctionTask, ScriptTask
from selfplay.sandbox.types import Limits, Profile
from selfplay.types import Outcome, Verdict

YES = Verdict(Outcome.PASS)


def test_parts_do_not_run_into_each_other() -> None:
    assert len({key_of("ab", "c"), key_of("a", "bc"), key_of("abc"), key_of("ab", "c", ""), key_of("\ud800", "c")}) == 5


def test_the_least_used_is_forgotten() -> None:
    cache = VerdictCache(most=2)
    cache.put("a", YES)
    cache.put("b", YES)
    assert cache.get("a") is YES
    cache.put("c", YES)
    assert (cache.get("b"), cache.get("a"), cache.get("c"), len(cache), cache.hits) == (None, YES, YES, 2, 3)


def test_whatever_could_decide_otherwise_has_another_name() -> None:
    cases = [((1,), 2)]
    tasks = [
        FunctionTask("f", cases),
        FunctionTask("g", cases),
        FunctionTask("f", [((1,), 3)]),
        FunctionTask("f", [((1,), 2.0)]),
        FunctionTask("f", [((True,), 2)]),
        FunctionTask("f", cases, Numeric()),
        FunctionTask("f", cases, Exact(floats=True)),
        FunctionTask("f", cases, limits=Limits(cpu_s=1.0)),
        FunctionTask("f", cases, profile=Profile.SCI),
        FunctionTask("f", cases, writable=True),
        FunctionTask("f", cases, seed=1),
        ScriptTask([("1", "2")]),
        SuiteRun("f"),
        SuiteRun("f", max_calls=3),
    ]
    assert len({task.digest for task in tasks}) == len(tasks)
    assert FunctionTask("f", cases).digest == tasks[0].digest
