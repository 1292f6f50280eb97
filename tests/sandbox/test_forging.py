"""Nobody is paid for a forged pass: every known trick, as a function, as a script, under tests, and as tests.

On the real sandbox. The honest control of each mode makes sure that it is the forgery that fails.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from selfplay.sandbox.comparators import Numeric
from selfplay.sandbox.inside.values import decode, encode
from selfplay.sandbox.local import LocalSandbox
from selfplay.sandbox.observe import observed
from selfplay.sandbox.pool import CodePool
from selfplay.sandbox.selftest.forgeries import (
    FUNCTION,
    HONEST,
    HONEST_TESTS,
    LIMITS,
    RUN,
    SUITES,
    Question,
    Suite,
    forged_passes,
    questions,
    verdicts,
)
from selfplay.sandbox.suites import Trial
from selfplay.sandbox.tasks import FunctionTask, ScriptTask
from selfplay.sandbox.types import MIB, Limits
from selfplay.types import Outcome, Verdict


@pytest.fixture(scope="module")
def pool() -> Iterator[CodePool]:
    pool = CodePool(lambda: LocalSandbox(workers=2))
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def found(pool: CodePool) -> dict[Question, Verdict]:
    return verdicts(pool)


def test_the_tricks_are_really_played(found: dict[Question, Verdict]) -> None:
    """A forgery that fails for a typing error of ours would prove nothing."""
    played = {
        "every answer": "invalid_result",
        "an early end": "invalid_result",
        "half a record": "invalid_result",
        "a long record": "output_limit",
        "encoder replaced": "wrong",
        "json and type replaced": "wrong",
        "rewrites small ints": "wrong",
        "float for int": "wrong",
        "equal to everything": "invalid_result",
        "exit when asked": "no_result",
        "checks replaced": "no_result",
        "frames": "wrong",
        "reads the tests": "wrong",
        "garbage": "wrong",
    }
    assert {name: found["function", name].parts[-1] for name in played} == played


@pytest.mark.parametrize("question", questions(), ids=": ".join)
def test_only_the_honest_pass(question: Question, found: dict[Question, Verdict]) -> None:
    mode, name = question
    verdict = found[question]
    if name == "honest":
        assert (verdict.outcome, verdict.score) == (Outcome.PASS, 1.0), verdict
    elif mode == "suite":
        assert verdict.outcome in (Outcome.INVALID_CLAIM, Outcome.FAIL) and not verdict.score, verdict
    else:
        assert verdict.outcome is Outcome.FAIL, verdict


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_it_is_said_why_a_suite_deserves_nothing(suite: Suite, found: dict[Question, Verdict]) -> None:
    verdict = found["suite", suite.name]
    assert re.search(suite.why, f"{verdict.detail} {verdict.status}"), verdict


def test_nothing_passes_without_namespaces_either() -> None:
    pool = CodePool(lambda: LocalSandbox(workers=2, without=["namespaces"]))
    assert forged_passes(pool) == []
    pool.close()


def test_cases_know_nothing_of_each_other_and_cannot_change_what_is_expected(pool: CodePool) -> None:
    counting = "calls = 0\ndef solve(x):\n    global calls\n    calls += 1\n    return calls\n"
    once = FunctionTask("solve", [((n,), 1) for n in range(5)], limits=LIMITS)
    clearing = "def solve(xs):\n    xs.clear()\n    return xs\n"
    same = [1, 2]
    kept = FunctionTask("solve", [((same,), same)], limits=LIMITS)
    assert [bool(verdict) for verdict in pool.judge([(once, counting), (kept, clearing)])] == [True, False]
    assert same == [1, 2]


SEARCH = """
import gc, sys
def strings(thing, seen, depth=0):
    if id(thing) in seen or depth > 6:
        return
    seen.add(id(thing))
    if isinstance(thing, (str, bytes, bytearray)):
        yield thing if isinstance(thing, str) else bytes(thing).decode("latin-1")
    elif isinstance(thing, dict):
        for pair in list(thing.items()):
            for part in pair:
                yield from strings(part, seen, depth + 1)
    elif isinstance(thing, (list, tuple, set, frozenset)):
        for part in list(thing):
            yield from strings(part, seen, depth + 1)

def solve(mine):
    wanted, found, seen = "can" + "ary", set(), set()
    frame = sys._getframe()
    while frame:
        for text in strings(dict(frame.f_locals), seen):
            found.update(word for word in text.replace('"', " ").split() if word.startswith(wanted) and word != wanted)
        frame = frame.f_back
    for thing in gc.get_objects():
        for text in strings(thing, seen):
            found.update(word for word in text.replace('"', " ").split() if word.startswith(wanted) and word != wanted)
    return sorted(found - {mine})
"""


def test_neither_other_cases_nor_expected_values_are_in_memory(pool: CodePool) -> None:
    probe = FunctionTask("solve", [((f"canary{n}",), []) for n in range(3)], limits=Limits(cpu_s=5.0))
    decoy = FunctionTask("solve", [(("x",), "canary-expected")], limits=LIMITS)
    verdicts = pool.judge([(probe, SEARCH), (decoy, "def solve(x): return x"), (probe, SEARCH + "\n")])
    assert [verdict.parts for verdict in verdicts] == [("ok",) * 3, ("wrong",), ("ok",) * 3]
    seeing = SEARCH.replace("found - {mine}", "found")
    (control,) = pool.judge([(probe, seeing)])
    assert control.parts == ("wrong",) * 3, "the search finds what is there"


PATCHING = "import builtins, unittest\nbuiltins.any = lambda x: 7\nunittest.TestCase.fail = print\n"
UNPATCHED = """
import unittest
def test_a():
    assert solve(3) == 9
    assert any([]) is False
    assert unittest.TestCase.fail is not print
"""
WRITING = """
def solve(x):
    for name in ("conftest.py", "sitecustomize.py", "pytest.ini", "a.pth"):
        try:
            open(name, "w").write("import os; os._exit(0)")
        except OSError:
            pass
    return x * x
"""


def test_what_a_program_patches_or_writes_does_not_reach_its_tests(pool: CodePool) -> None:
    claims = [Trial(PATCHING + HONEST, UNPATCHED), Trial(HONEST, PATCHING + UNPATCHED), Trial(WRITING, HONEST_TESTS)]
    first, control, written = pool.judge([(RUN, claim) for claim in claims])
    assert (first.outcome, control.outcome, written.outcome) == (Outcome.PASS, Outcome.FAIL, Outcome.PASS)


def test_the_first_line_of_an_answer_is_not_the_answer(pool: CodePool) -> None:
    task = ScriptTask([("", "1\n2\n3\n")], limits=LIMITS)
    first, whole = pool.judge([(task, "print(1)"), (task, "print(1, 2, 3, sep='\\n')")])
    assert (first.status, whole.status) == ("wrong", "ok")


LOOK_AROUND = """
import os, sys
def solve(x):
    frame, names = sys._getframe(), []
    while frame:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    around = [sys.argv, sorted(os.environ.items()), os.getcwd(), os.getpid(), names, __name__]
    return x if x == 3 else repr(around)
"""


def test_a_program_cannot_tell_who_asks(pool: CodePool) -> None:
    """The same surroundings for a hidden case, for another one, and for a call of a test."""
    (said,) = {value for value in observed(pool, LOOK_AROUND, "solve", [encode((5,)), encode((9,))])["values"]}
    task = FunctionTask("solve", [((3,), 3), ((5,), decode(said)), ((25,), decode(said))], limits=LIMITS)
    tests = f"def test_a():\n    assert solve(5) == {decode(said)!r}\n"
    cases, tested = pool.judge([(task, LOOK_AROUND), (RUN, Trial(LOOK_AROUND, tests))])
    assert (cases.parts, tested.parts) == (("ok",) * 3, ("ok",))


def test_a_program_that_sleeps_fails_and_costs_the_others_nothing(pool: CodePool) -> None:
    sleepy = "import time\ndef solve(x):\n    time.sleep(99)\n    return x * x\n"
    short = replace(FUNCTION, limits=Limits(cpu_s=0.1, memory=256 * MIB))
    slept, honest = pool.judge([(short, sleepy), (replace(FUNCTION, seed=3), HONEST)])
    assert (slept.outcome, slept.parts, honest.outcome) == (Outcome.FAIL, ("timeout", "timeout"), Outcome.PASS)


CHATTER = {
    "junk": "os.write(3, b'v' * 65536)",
    "one endless record": "os.write(3, b'c' + bytes(8) + b'\\xff' * 65536)",
    "tiny records": "os.write(3, (b'q' + bytes(12)) * 4000)",
    "huge calls": "solve('x' * 900_000)",
}


@pytest.mark.parametrize("what", CHATTER)
def test_a_suite_that_says_too_much_is_stopped_before_it_costs_the_parent_anything(pool: CodePool, what: str) -> None:
    tests = f"import os\ndef test_a():\n    solve(3)\n    while True: {CHATTER[what]}\n"
    used = time.process_time()
    (verdict,) = pool.judge([(RUN, Trial(HONEST, tests))])
    assert verdict.outcome in (Outcome.FAIL, Outcome.INVALID_CLAIM), verdict
    assert time.process_time() - used < 1.0


def test_policies_decide_what_odd_numbers_are_worth(pool: CodePool) -> None:
    give = {"nan": "float('nan')", "inf": "float('inf')", "-0.0": "-0.0", "2.0": "2.0", "True": "True", "2": "2"}
    sources = {name: f"def solve():\n    return {text}\n" for name, text in give.items()}
    expected = {"inf": float("inf"), "0.0": 0.0, "2": 2, "1": 1}
    tasks = {name: FunctionTask("solve", [((), value)], limits=LIMITS) for name, value in expected.items()}
    loose = FunctionTask("solve", [((), 2)], Numeric(), limits=LIMITS)
    pairs = [("inf", "inf"), ("nan", "inf"), ("-0.0", "0.0"), ("2.0", "2"), ("True", "1"), ("2", "2")]
    found = pool.judge([(tasks[task], sources[name]) for name, task in pairs] + [(loose, sources["2.0"])])
    assert [bool(verdict) for verdict in found] == [True, False, True, False, False, True, True]
