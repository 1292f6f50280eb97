"""CrossHair in the sandbox, where it is installed: a second opinion on the benchmark of `contracts`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("z3")

from selfplay.sandbox.checkers import Blame, Claim, Limits, Pool, ProofLevel, ProofStatus, ProofVerdict, benchmark
from selfplay.sandbox.checkers.adapters import crosshair
from selfplay.sandbox.checkers.contracts.forms import read_solution
from selfplay.sandbox.checkers.contracts.problem import Problem
from selfplay.sandbox.checkers.contracts.replay import Replay
from selfplay.sandbox.types import Level

QUICK = Limits(cpu_s=4)
MAX = Problem("f", (("a", "int"), ("b", "int")), "int", (), ("result >= a and result >= b", "result in [a, b]"))
RIGHT = "def f(a, b):\n    if a > b:\n        return a\n    return b\n"
WRONG = RIGHT.replace("return b", "return b if a != 7919 else a - 1")

needs_crosshair = pytest.mark.skipif(
    importlib.util.find_spec("crosshair") is None or sys.platform != "linux",
    reason="crosshair-tool is not installed: pip install 'selfplay[crosshair]'",
)


def check(solution: str, problem: Problem = MAX, limits: Limits = QUICK) -> ProofVerdict:
    claim = Claim("crosshair", "solution", {"problem": problem.to_json(), "solution": solution}, limits)
    return crosshair.CrossHair().check(claim)


@needs_crosshair
def test_confirmed_over_all_paths() -> None:
    found = check(RIGHT)
    assert (found.status, found.level, found.outcome) == (ProofStatus.PROVED, ProofLevel.SMT, "pass"), found
    assert found.backend.startswith("crosshair-tool ")


@needs_crosshair
def test_a_counterexample_that_random_tests_would_miss() -> None:
    found = check(WRONG)
    assert (found.status, found.blame, found.level) == (ProofStatus.REFUTED, Blame.SOLVER, ProofLevel.TESTED), found
    assert found.counterexample and found.counterexample["a"] == 7919 and found.counterexample["result"] == 7918


@needs_crosshair
def test_lists_strings_helpers_and_what_python_reads_otherwise() -> None:
    problem = Problem(
        "last",
        (("a", "list[int]"), ("s", "str")),
        "int",
        (),
        ("implies(len(a) > 0, result == old(a)[-1])", "implies(len(a) == 0, result == size(s))"),
        "def size(s: str) -> int:\n    return len(s)",
    )
    helper = (
        'def end(a: list[int]) -> int:\n    """post: False"""\n    requires(len(a) > 0)\n    return a[len(a) - 1]\n\n'
    )
    body = "def last(a, s):\n    if a == []:\n        return len(s)\n    return end(a)\n"
    assert check(helper + body, problem).status in (ProofStatus.PROVED, ProofStatus.UNKNOWN)
    found = check(helper + body.replace("len(s)", "len(s) * len(s)"), problem)
    assert found.status is ProofStatus.REFUTED, found


@needs_crosshair
def test_what_cannot_be_told() -> None:
    vacuous = check(RIGHT, Problem("f", MAX.params, "int", ("a > b", "a < b"), MAX.ensures))
    assert vacuous.status is ProofStatus.UNKNOWN and "precondition" in vacuous.reason
    loop = Problem("f", (("n", "int"),), "int", ("n >= 0",), ("result == n",))
    solution = "def f(n):\n    i = 0\n    while i < n:\n        decreases(n - i)\n        i += 1\n    return i\n"
    assert check(solution, loop).status in (ProofStatus.UNKNOWN, ProofStatus.TIMEOUT)


@needs_crosshair
def test_a_sample_of_the_benchmark_through_the_pool() -> None:
    """No right solution is refuted, every proof is right; most wrong ones are refuted with an input."""
    sample = [graded for graded in benchmark.load() if graded.difficulty <= 2][::4]
    texts = [(graded, text) for graded in sample for text in (graded.solution, *graded.wrong[:1])]
    claims = [
        Claim("crosshair", "solution", {"problem": graded.problem.to_json(), "solution": text}, QUICK)
        for graded, text in texts
    ]
    with Pool(workers=1) as pool:
        found = pool.check_many(claims)
    refuted = 0
    for (graded, text), verdict in zip(texts, found, strict=True):
        right = text == graded.solution
        assert verdict.status is not (ProofStatus.REFUTED if right else ProofStatus.PROVED), (graded.name, verdict)
        assert verdict.status is not ProofStatus.CRASH, (graded.name, verdict)
        refuted += verdict.status is ProofStatus.REFUTED
    assert refuted >= 0.6 * len(sample)


@pytest.mark.parametrize(
    "solution",
    [
        "import crosshair\n" + RIGHT,
        "from selfplay.sandbox import local\n" + RIGHT,
        RIGHT.replace("return a", "return open('/etc/passwd')"),
        RIGHT.replace("return a", "return __import__('os').getpid()"),
        RIGHT.replace("return a", "return (1).__class__"),
        RIGHT.replace("return a", "return exec('x')"),
        "def __entry(a, b):\n    return a\n" + RIGHT,
        "def f(a, b):\n    ensures(True)\n    return a\n",
        "x = 1\n" + RIGHT,
    ],
)
def test_nothing_runs_that_is_not_in_the_language(solution: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_sandbox(*_: object) -> None:
        raise AssertionError("it got as far as the sandbox")

    monkeypatch.setattr(crosshair, "run", no_sandbox)
    found = check(solution)
    assert found.status in (ProofStatus.MALFORMED, ProofStatus.UNSAFE), found


def test_a_counterexample_that_does_not_replay_refutes_nothing() -> None:
    replay = Replay(read_solution(MAX, RIGHT, QUICK))
    found = crosshair.judge("REFUTED", "POST_FAIL", [1, 2], replay)
    assert found.status is ProofStatus.UNPROVED and "does not confirm" in found.reason
    assert crosshair.judge("REFUTED", "EXEC_ERR", [], replay).status is ProofStatus.UNPROVED
    assert crosshair.judge("UNKNOWN", "", [], replay).status is ProofStatus.UNKNOWN


@needs_crosshair
def test_only_where_a_sandbox_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    crosshair._worker.cache_clear()
    monkeypatch.setattr(crosshair, "prove", lambda worker: Level.L1)
    found = check(RIGHT)
    assert found.status is ProofStatus.UNAVAILABLE and "level 2" in found.reason


def test_without_crosshair(monkeypatch: pytest.MonkeyPatch) -> None:
    crosshair._worker.cache_clear()
    monkeypatch.setattr(crosshair, "PACKAGES", ("no_such_package", "z3"))
    found = check(RIGHT)
    assert found.status is ProofStatus.UNAVAILABLE and "selfplay[crosshair]" in found.reason


def test_what_runs_inside_imports_nothing_of_ours() -> None:
    text = (Path(crosshair.__file__).parent / "crosshair_inside.py").read_text()
    assert "selfplay" not in text
