"""What can be asked about a problem, each question with an answer of its own.

    satisfies   this answer is a solution                 evaluated, no prover
    solvable    there is a solution                       IMPOSSIBLE if not
    unique      there is exactly one                      REFUTED by two, IMPOSSIBLE without any
    complete    these answers are all the solutions       REFUTED by another one
    entails     a statement holds in every solution       REFUTED by a solution in which it does not
    minimal     unique, and not without any one constraint

Solutions found by z3 are evaluated before anything is refuted with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from selfplay.sandbox.checkers.algebra.find import Finder, Found, tried_all
from selfplay.sandbox.checkers.algebra.problem import Constraint, Problem, shown
from selfplay.sandbox.checkers.algebra.search import violated
from selfplay.sandbox.checkers.algebra.tree import Assignment, Condition, Fails, differs
from selfplay.sandbox.checkers.types import Blame, ProofLevel, ProofStatus, ProofVerdict
from selfplay.types import Json


def satisfies(problem: Problem, answer: Assignment) -> ProofVerdict:
    """Whether an answer is a solution."""
    broken = violated(problem, answer)
    if broken is None:
        return _proved("every constraint holds", ProofLevel.EXHAUSTIVE)
    return _refuted(f"`{broken}` does not hold", {**shown(answer), "violated": broken}, Blame.SOLVER)


def solvable(problem: Problem, finder: Finder) -> ProofVerdict:
    """Whether there is a solution."""
    found = finder.find(problem)
    if found.assignment is not None:
        return _proved("there is a solution", found.level, found.assignment)
    return _impossible(found) if found.nothing else _unknown("a solution was neither found nor excluded")


def unique(problem: Problem, finder: Finder) -> ProofVerdict:
    """Whether there is exactly one solution."""
    first = finder.find(problem)
    if first.assignment is None:
        return _impossible(first) if first.nothing else _unknown("a solution was neither found nor excluded")
    second = finder.find(problem, [differs(first.assignment)])
    if second.assignment is not None:
        both: dict[str, Json] = {"first": shown(first.assignment), "second": shown(second.assignment)}
        return _refuted("there are at least two solutions", both, Blame.PROPOSER)
    if second.nothing:
        return _proved("there is exactly one solution", second.level, first.assignment)
    return _unknown("a second solution was neither found nor excluded")


def complete(problem: Problem, answers: Sequence[Assignment], finder: Finder) -> ProofVerdict:
    """Whether the answers are all the solutions there are."""
    for answer in answers:
        found = satisfies(problem, answer)
        if found.status is not ProofStatus.PROVED:
            return found
    other = finder.find(problem, [differs(answer) for answer in answers])
    if other.assignment is not None:
        return _refuted("there is another solution", shown(other.assignment), Blame.SOLVER)
    if other.nothing:
        return _proved("there are no other solutions", other.level)
    return _unknown("another solution was neither found nor excluded")


def entails(problem: Problem, statement: Condition, finder: Finder) -> ProofVerdict:
    """Whether a statement holds for all values that satisfy the problem; there have to be some."""
    counter = finder.find(problem, [Fails(statement)])
    if counter.assignment is not None:
        return _refuted("the statement does not hold for these values", shown(counter.assignment), Blame.SOLVER)
    some = finder.find(problem)
    if some.nothing:
        return ProofVerdict(
            ProofStatus.VACUOUS, "nothing satisfies the constraints", Blame.PROPOSER, "prove", level=some.level
        )
    if counter.nothing and some.assignment is not None:
        return _proved("the statement holds for all values", counter.level)
    return _unknown("the statement was neither proved nor refuted")


def minimal(problem: Problem, finder: Finder) -> ProofVerdict:
    """Whether the solution is unique, and no constraint could be left out without losing that."""
    found = unique(problem, finder)
    if found.status is not ProofStatus.PROVED:
        return found
    solution = finder.find(problem).assignment
    assert solution is not None
    for constraint in problem.constraints:
        if constraint.rule:
            continue
        less = without(problem, constraint)
        other = finder.find(less, [differs(solution)])
        if other.assignment is None:
            return _redundant(less, constraint, solution, other)
    return found.but(reason="there is exactly one solution, and every clue is needed")


def _redundant(less: Problem, constraint: Constraint, solution: Assignment, other: Found) -> ProofVerdict:
    """A clue looks as if it could be left out: refute only by having tried everything."""
    if less.finite and other.level is not ProofLevel.EXHAUSTIVE:
        confirmed = tried_all(less, [differs(solution)])
    else:
        confirmed = other
    if confirmed.nothing and confirmed.level is ProofLevel.EXHAUSTIVE:
        reason = f"`{constraint.text}` could be left out"
        return _refuted(reason, {"without": constraint.text, "only": shown(solution)}, Blame.PROPOSER)
    if other.nothing:  # z3 alone says so, and that cannot be replayed
        reason = f"`{constraint.text}` seems not to be needed: no second solution without it was found"
        return ProofVerdict(ProofStatus.UNPROVED, reason, Blame.CHECKER, "prove")
    return _unknown(f"whether `{constraint.text}` is needed was not settled")


def without(problem: Problem, constraint: Constraint) -> Problem:
    """The problem with one constraint less."""
    return replace(problem, constraints=tuple(c for c in problem.constraints if c is not constraint))


def _proved(reason: str, level: ProofLevel | None, witness: Assignment | None = None) -> ProofVerdict:
    found = ProofVerdict(ProofStatus.PROVED, reason, stage="prove", level=level)
    return found if witness is None else found.but(witness=shown(witness))


def _refuted(reason: str, counterexample: dict[str, Json], blame: Blame) -> ProofVerdict:
    return ProofVerdict(
        ProofStatus.REFUTED, reason, blame, "test", counterexample=counterexample, level=ProofLevel.TESTED
    )


def _impossible(found: Found) -> ProofVerdict:
    return ProofVerdict(ProofStatus.IMPOSSIBLE, "there is no solution", Blame.PROPOSER, "prove", level=found.level)


def _unknown(reason: str) -> ProofVerdict:
    return ProofVerdict(ProofStatus.UNKNOWN, reason, Blame.CHECKER, "prove")
