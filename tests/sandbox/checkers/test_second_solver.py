"""A sample of what z3 proved is proved again by cvc5, from the same obligations."""

from __future__ import annotations

from collections import Counter

import pytest

pytest.importorskip("z3")
pytest.importorskip("cvc5")

import cvc5
import z3

from selfplay.sandbox.checkers import Limits
from selfplay.sandbox.checkers.benchmark import load
from selfplay.sandbox.checkers.contracts.encoder import Encoder
from selfplay.sandbox.checkers.contracts.forms import read_solution
from selfplay.sandbox.checkers.contracts.obligations import Obligation
from selfplay.sandbox.checkers.contracts.prove import new_context

SAMPLE = [graded for graded in load() if graded.family == "arithmetic" or graded.name in ("contains", "first_index")]
"""Problems without recursive functions, whose definitions z3 leaves out when it writes SMT-LIB."""


def answer(obligation: Obligation) -> str:
    """What cvc5 says about the facts and the negated goal: ``unsat`` is a proof."""
    solver = z3.Solver()
    solver.add(*obligation.facts)
    solver.add(z3.Not(obligation.goal))
    second = cvc5.Solver(cvc5.TermManager())
    second.setLogic("ALL")
    second.setOption("rlimit-per", "20000")
    parser = cvc5.InputParser(second)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, solver.to_smt2(), "obligation")
    said = ""
    while not (command := parser.nextCommand()).isNull():
        said = command.invoke(second, parser.getSymbolManager()).strip() or said
    return said


def test_cvc5_contradicts_no_proof_and_confirms_most() -> None:
    said: Counter[str] = Counter()
    for graded in SAMPLE:
        new_context()
        program = read_solution(graded.problem, graded.solution, Limits())
        for obligation in Encoder(program, Limits(), strict=True).obligations():
            found = answer(obligation)
            assert found != "sat", (graded.name, str(obligation))
            said[found] += 1
    assert said["unsat"] >= 0.9 * said.total() >= 40, said
