"""The graded benchmark: every right solution is proved, every wrong one refuted by an input that was run."""

from __future__ import annotations

from collections import Counter

import pytest

pytest.importorskip("z3")

from selfplay.sandbox.checkers import ProofLevel, ProofStatus
from selfplay.sandbox.checkers.benchmark import Graded, load
from selfplay.sandbox.checkers.contracts.checker import Contracts

PROBLEMS = load()


@pytest.mark.parametrize("graded", PROBLEMS, ids=lambda graded: graded.name)
def test_right_solutions_are_proved_and_wrong_ones_refuted(graded: Graded) -> None:
    right, *wrong = (Contracts().check(claim) for claim in graded.claims())
    assert right.status is ProofStatus.PROVED, right
    assert right.level is ProofLevel.SMT and right.proved == right.obligations > 0
    assert wrong
    for found in wrong:
        assert found.status is ProofStatus.REFUTED, found
        assert found.counterexample and {"result", "error"} & found.counterexample.keys()


def test_there_are_enough_problems_of_every_difficulty() -> None:
    assert len(PROBLEMS) >= 40
    assert len({graded.name for graded in PROBLEMS}) == len(PROBLEMS)
    assert min(Counter(graded.difficulty for graded in PROBLEMS).values()) >= 3
    assert {graded.difficulty for graded in PROBLEMS} == {1, 2, 3, 4, 5}
