"""Discharges obligations within a deterministic budget.

Each obligation goes through fixed attempts, cheap ones first: solver kind, rlimit and random seed. The attempts do not
depend on the budget, which only says where to stop, so a larger budget never proves less. z3's resource counter is
cumulative within a context; differences are what counts. Every claim gets a context of its own: names and term numbers
of an earlier claim would change z3's search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import z3

from selfplay.sandbox.checkers.contracts.laws import Laws
from selfplay.sandbox.checkers.contracts.logic import Term, boolean
from selfplay.sandbox.checkers.contracts.obligations import Obligation


class Attempt(NamedTuple):
    rlimit: int
    models: bool
    """Model-based instantiation and z3's preprocessing: slower, but can also say that there is a countermodel."""
    seed: int = 0
    occurrence: bool = False
    """With the laws about what occurs in lists; left out where there are none."""


CHEAP = (Attempt(10_000, False), Attempt(10_000, True))
DEAR = (
    Attempt(20_000, False, occurrence=True),
    Attempt(100_000, False, occurrence=True),
    *(Attempt(50_000, models, seed) for seed in (0, 1, 2) for models in (False, True)),
    *(Attempt(200_000, models) for models in (False, True)),
    *(Attempt(500_000, models, seed) for seed in (0, 1) for models in (False, True)),
)


class Answer(Enum):
    PROVED = "proved"
    COUNTERMODEL = "countermodel"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """What an attempt found; the model may be a mere guess when the answer is UNKNOWN."""

    answer: Answer
    model: z3.ModelRef | None = None


def new_context() -> None:
    """Give this process a new z3 context, as if nothing had been asked before."""
    z3.z3._main_ctx = None


class Prover:
    """Spends a claim's budget."""

    def __init__(self, rlimit_step: int, rlimit_total: int) -> None:
        self.step, self.total = rlimit_step, rlimit_total
        self.used = 0
        self._counted = 0

    @property
    def spent(self) -> bool:
        return self.used >= self.total

    def attempt(self, attempt: Attempt, laws: Laws, facts: Sequence[Term], goal: Term) -> Finding:
        """Try to prove that `goal` follows from `facts`."""
        if attempt.occurrence and not laws.sometimes:
            return Finding(Answer.UNKNOWN)
        rlimit = min(attempt.rlimit, self.step, self.total - self.used)
        if rlimit <= 0 or attempt.rlimit > self.step:
            return Finding(Answer.UNKNOWN)
        solver = z3.Solver() if attempt.models else z3.SimpleSolver()
        if not attempt.models:
            solver.set("mbqi", False)
        solver.set("rlimit", rlimit)
        if attempt.seed:
            solver.set("random_seed", attempt.seed)
        solver.add([*laws.always, *(laws.sometimes if attempt.occurrence else ())])
        solver.add([boolean(fact) for fact in facts])
        solver.add(z3.Not(boolean(goal)))
        try:
            answer = solver.check()
        except z3.Z3Exception:
            answer = z3.unknown
        self._count(solver)
        if answer == z3.unsat:
            return Finding(Answer.PROVED)
        return Finding(Answer.COUNTERMODEL if answer == z3.sat else Answer.UNKNOWN, _model(solver))

    def _count(self, solver: z3.Solver) -> None:
        count = _rlimit_count(solver.statistics())
        self.used += max(count - self._counted, 0)
        self._counted = max(count, self._counted)

    def forget_context(self) -> None:
        """To be called when the context is a new one, whose counter starts again."""
        self._counted = 0

    def prove(self, obligation: Obligation, laws: Laws, attempts: Sequence[Attempt]) -> list[Finding]:
        """The findings of attempts up to the first that settles the obligation."""
        found = []
        for attempt in attempts:
            if self.spent:
                break
            found.append(self.attempt(attempt, laws, obligation.facts, obligation.goal))
            if found[-1].answer is not Answer.UNKNOWN:
                break
        return found


def _rlimit_count(statistics: z3.Statistics) -> int:
    """The counter alone; reading all statistics costs as much as a small proof."""
    context, handle = statistics.ctx.ref(), statistics.stats
    for i in reversed(range(z3.Z3_stats_size(context, handle))):
        if z3.Z3_stats_get_key(context, handle, i) == "rlimit count":
            return int(z3.Z3_stats_get_uint_value(context, handle, i))
    return 0


def _model(solver: z3.Solver) -> z3.ModelRef | None:
    try:
        return solver.model()
    except z3.Z3Exception:
        return None
