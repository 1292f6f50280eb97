"""The encoder, the interpreter and CPython agree on random programs; no proved mutant of a solution is wrong.

Small here; `make soundness` runs `soundness.py`, the same with tens of thousands of mutants.
"""

from __future__ import annotations

import pytest

pytest.importorskip("z3")

from random_programs import arguments, outcome, program
from soundness import agree_with_cpython, check_mutants, claim_value

from selfplay.sandbox.checkers import ProofStatus
from selfplay.sandbox.checkers.contracts.checker import Contracts

TRUE_FOR_ONE_INPUT = 60


def test_the_interpreter_agrees_with_cpython() -> None:
    assert agree_with_cpython(range(400)) == []


@pytest.mark.parametrize("seed", range(TRUE_FOR_ONE_INPUT))
def test_the_encoder_proves_what_cpython_computes_and_nothing_else(seed: int) -> None:
    source, args = program(seed), arguments(seed)
    value = outcome(source, args)
    if isinstance(value, str):
        assert Contracts().check(claim_value(source, args, 0)).status is ProofStatus.REFUTED
        return
    assert Contracts().check(claim_value(source, args, value, tests=0)).status is ProofStatus.PROVED
    wrong = Contracts().check(claim_value(source, args, value + 1, tests=0)).status
    assert wrong not in (ProofStatus.PROVED, ProofStatus.VACUOUS)


def test_no_proved_mutant_breaks_its_contract() -> None:
    found = check_mutants(limit=60, seed=1)
    assert found.contradicted == []
    assert found.mutants == 60 and found.refuted > 15 and found.by_status.get("MALFORMED", 0) < 20
