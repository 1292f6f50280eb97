"""Finds an assignment, or shows that there is none: by trying all, by guessing, by z3, in this order.

Small finite problems, and those that one clue after the other decides, are tried out and need no prover. Whatever z3
finds is evaluated before it is believed; that there is no assignment rests on z3 (level ``smt``) or on having tried all
(``exhaustive``). Attempts are fixed, as in `contracts.prove`, so that a larger budget never finds less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from selfplay.sandbox.checkers.algebra.evaluate import compile_test
from selfplay.sandbox.checkers.algebra.problem import Problem
from selfplay.sandbox.checkers.algebra.search import OutOfSteps, guesses, solutions, violated
from selfplay.sandbox.checkers.algebra.tree import Assignment, Condition
from selfplay.sandbox.checkers.types import Limits, ProofLevel

if TYPE_CHECKING:
    from selfplay.sandbox.checkers.algebra.prover import Prover

FEW = 2_000
"""Values tried for a finite problem before z3 is asked."""
STEPS = 60_000
"""Values tried for a finite problem that z3 does not decide."""


@dataclass(frozen=True, slots=True)
class Found:
    """An assignment; none, for certain; or (`level` is `None`) no answer."""

    assignment: Assignment | None = None
    level: ProofLevel | None = None

    @property
    def nothing(self) -> bool:
        """There is no such assignment."""
        return self.assignment is None and self.level is not None


class Finder:
    """Looks for assignments on behalf of one claim, within its budget."""

    def __init__(self, limits: Limits, few: int = FEW) -> None:
        self.limits = limits
        self.few = few
        self._prover: Prover | None = None

    @property
    def rlimit_used(self) -> int:
        """By z3, so far."""
        return self._prover.used if self._prover else 0

    def find(self, problem: Problem, extra: Sequence[Condition] = ()) -> Found:
        """A solution that satisfies `extra` too."""
        if problem.finite and (found := tried_all(problem, extra, self.few)).level:
            return found
        tests = [compile_test(condition) for condition in extra]
        for guess in guesses(problem, extra, self.limits.tests, self.limits.seed):
            if all(test(guess) for test in tests) and violated(problem, guess) is None:
                return Found(guess, ProofLevel.TESTED)
        found = self._prove(problem, extra)
        return tried_all(problem, extra) if found.level is None and problem.finite else found

    def _prove(self, problem: Problem, extra: Sequence[Condition]) -> Found:
        if self._prover is None:
            from selfplay.sandbox.checkers.algebra.prover import Prover

            self._prover = Prover(self.limits.rlimit_step, self.limits.rlimit_total)
        found = self._prover.find(problem, extra)
        if found.assignment is not None:
            wrong = violated(problem, found.assignment)
            if wrong is not None or not all(compile_test(condition)(found.assignment) for condition in extra):
                raise RuntimeError(f"z3's model does not satisfy {wrong or 'the question'}")
        return found


def tried_all(problem: Problem, extra: Sequence[Condition], steps: int = STEPS) -> Found:
    """What trying the assignments of a finite problem shows, within so many steps."""
    try:
        return Found(next(solutions(problem, extra, steps), None), ProofLevel.EXHAUSTIVE)
    except OutOfSteps:
        return Found()
