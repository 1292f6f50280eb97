"""The pool: order, memory, kill switches; verdicts do not depend on worker, order or hash seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("z3")

from selfplay.errors import UnknownName
from selfplay.sandbox.checkers import Claim, Limits, Pool, ProofStatus
from selfplay.sandbox.checkers.benchmark import load
from selfplay.types import Outcome

CLAIMS = [claim for graded in load() if graded.family in ("search", "strings") for claim in graded.claims()]
REPEATED = """
import json, sys
from selfplay.sandbox.checkers import Claim
from selfplay.sandbox.checkers.contracts.checker import Contracts
claims = [Claim.from_json(data) for data in json.load(sys.stdin)]
found = [Contracts().check(claim) for claim in claims]
print(json.dumps([[v.status, v.rlimit_used, v.counterexample, v.reason] for v in found]))
"""


def file(source: str, limits: Limits | None = None) -> Claim:
    return Claim("contracts", "file", {"source": source}, limits or Limits())


def test_verdicts_come_in_order_and_are_remembered() -> None:
    with Pool(2) as pool:
        found = pool.check_many([*CLAIMS, CLAIMS[0]])
        assert [v.status is ProofStatus.PROVED for v in found[:-1]] == [
            index == 0
            for graded in load()
            if graded.family in ("search", "strings")
            for index in range(1 + len(graded.wrong))
        ]
        assert found[-1] == found[0]
        again = pool.check_many(CLAIMS[::-1])[::-1]
    assert all(v.cached for v in again)
    assert [v.but(cached=False) for v in again] == found[:-1]


def test_verdicts_do_not_depend_on_the_hash_seed_or_the_order() -> None:
    def run(seed: str, claims: list[Claim]) -> list[object]:
        done = subprocess.run(
            [sys.executable, "-c", REPEATED],
            input=json.dumps([claim.to_json() for claim in claims]),
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return list(json.loads(done.stdout))

    some = CLAIMS[::3]
    first = run("1", some)
    assert run("2", some) == first
    assert run("3", some[::-1])[::-1] == first


def test_a_claim_that_takes_too_long_is_killed_and_says_nothing() -> None:
    with Pool(1) as pool:
        found = pool.check(file("def f(n: int) -> int:\n    ensures(result == n)\n    return n\n", Limits(cpu_s=0.02)))
        assert found.status is ProofStatus.TIMEOUT and found.outcome is Outcome.NO_VERDICT, found
        assert len(pool.check_many(CLAIMS[:1])) == 1


def test_a_claim_that_takes_too_much_memory_says_nothing() -> None:
    with Pool(1) as pool:
        found = pool.check(
            file("def f(n: int) -> int:\n    ensures(result == n)\n    return n\n", Limits(memory_mb=60))
        )
    assert found.outcome is Outcome.NO_VERDICT, found


def test_a_worker_that_dies_is_replaced() -> None:
    with Pool(1) as pool:
        pool.check(CLAIMS[0])
        process = pool._workers[0]._process
        assert process is not None
        process.kill()
        process.wait()
        assert pool.check(CLAIMS[1]).status is ProofStatus.REFUTED


def test_unknown_checkers_are_refused() -> None:
    with Pool(1) as pool, pytest.raises(UnknownName, match="contracts"):
        pool.check(Claim("contract", "file", {}))
