"""z3's part in finding assignments: fixed attempts with growing budgets."""

from __future__ import annotations

from collections.abc import Sequence

from selfplay.sandbox.checkers.algebra.encode import Encoder
from selfplay.sandbox.checkers.algebra.find import Found
from selfplay.sandbox.checkers.algebra.problem import Problem
from selfplay.sandbox.checkers.algebra.tree import Condition
from selfplay.sandbox.checkers.contracts.laws import Laws
from selfplay.sandbox.checkers.contracts.prove import Answer, Attempt
from selfplay.sandbox.checkers.contracts.prove import Prover as Attempts
from selfplay.sandbox.checkers.contracts.values import Store
from selfplay.sandbox.checkers.types import ProofLevel

ATTEMPTS = (
    Attempt(20_000, True),
    Attempt(100_000, False),
    *(Attempt(200_000, True, seed) for seed in (0, 1)),
    Attempt(500_000, True),
)


class Prover:
    """Spends the budget of one claim, in one z3 context; `used` says how much of it."""

    def __init__(self, rlimit_step: int, rlimit_total: int) -> None:
        self._attempts = Attempts(rlimit_step, rlimit_total)

    @property
    def used(self) -> int:
        return self._attempts.used

    def find(self, problem: Problem, extra: Sequence[Condition]) -> Found:
        """A model, which the caller has to evaluate, or the proof that there is none."""
        encoder = Encoder(problem)
        wanted = [encoder.holds(constraint.condition) for constraint in problem.constraints]
        wanted += [encoder.holds(condition) for condition in extra]
        facts = [*encoder.facts, *wanted]
        for attempt in ATTEMPTS:
            found = self._attempts.attempt(attempt, _NO_LAWS, facts, False)
            if found.answer is Answer.PROVED:
                return Found(None, ProofLevel.SMT)
            if found.answer is Answer.COUNTERMODEL and found.model is not None:
                return Found(encoder.assignment(found.model), ProofLevel.SMT)
        return Found()


_NO_LAWS = Laws(Store())
