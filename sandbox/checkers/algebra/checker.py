"""The checker named ``algebra``: what can be asked about equations, inequalities and integer puzzles.

Kinds of claim and their payload (a problem's JSON form is in `problem`):

    satisfies   {"problem": ..., "answer": {"x": 5}}
    solvable    {"problem": ...}
    unique      {"problem": ...}
    complete    {"problem": ..., "answers": [{"x": 1}, {"x": 2}]}
    entails     {"problem": ..., "statement": "x^2 >= 0"}      without constraints in the problem: an identity
    minimal     {"problem": ...}
"""

from __future__ import annotations

from selfplay.sandbox.checkers.algebra import questions
from selfplay.sandbox.checkers.algebra.find import Finder
from selfplay.sandbox.checkers.algebra.problem import Problem, check_integers
from selfplay.sandbox.checkers.algebra.reader import read_condition
from selfplay.sandbox.checkers.algebra.tree import Condition, names
from selfplay.sandbox.checkers.contracts.faults import malformed
from selfplay.sandbox.checkers.total import Total
from selfplay.sandbox.checkers.types import Claim, ProofVerdict
from selfplay.types import Json

MAX_ANSWERS = 20


class Algebra(Total):
    """Decides equations, inequalities and integer puzzles. Small finite problems need no z3 (extra ``formal``)."""

    name = "algebra"
    version = "1"
    kinds = ("satisfies", "solvable", "unique", "complete", "entails", "minimal")

    def decide(self, claim: Claim) -> ProofVerdict:
        """See `Total.decide`."""
        if claim.kind not in self.kinds:
            raise self.unknown_kind(claim)
        finder = Finder(claim.limits)
        found = self._ask(claim, _stated(claim), finder)
        return found.but(rlimit_used=finder.rlimit_used)

    def _ask(self, claim: Claim, problem: Problem, finder: Finder) -> ProofVerdict:
        payload, limits = claim.payload, claim.limits
        match claim.kind:
            case "satisfies":
                return questions.satisfies(problem, problem.answer(payload.get("answer"), limits))
            case "solvable":
                return questions.solvable(problem, finder)
            case "unique":
                return questions.unique(problem, finder)
            case "complete":
                given = payload.get("answers")
                if not isinstance(given, list) or len(given) > MAX_ANSWERS:
                    raise malformed(0, f"answers are a list of at most {MAX_ANSWERS}")
                return questions.complete(problem, [problem.answer(answer, limits) for answer in given], finder)
            case "entails":
                return questions.entails(problem, _statement(claim, problem), finder)
        return questions.minimal(problem, finder)


def _stated(claim: Claim) -> Problem:
    """The claim's problem. An identity may leave the variables' domains to its statement."""
    data: Json = claim.payload.get("problem", {})
    statement = claim.payload.get("statement")
    if claim.kind == "entails" and isinstance(data, dict) and isinstance(statement, str):
        domains = data.get("domains", {})
        known = domains if isinstance(domains, dict) else {}
        default = data.get("domain", "int")
        mentioned = names(read_condition(statement, claim.limits))
        data = {**data, "domains": {**{name: default for name in sorted(mentioned)}, **known}}
    return Problem.from_json(data, claim.limits)


def _statement(claim: Claim, problem: Problem) -> Condition:
    text = claim.payload.get("statement")
    if not isinstance(text, str):
        raise malformed(0, "the statement must be a text")
    found = read_condition(text, claim.limits)
    check_integers(found, problem.domains)
    return found
