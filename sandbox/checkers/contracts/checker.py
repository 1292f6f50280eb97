"""The checker named ``contracts``: tests first, then proofs, then the inputs that failed proofs suggest.

Kinds of claim and their payload:

    solution        {"problem": Problem as JSON, "solution": text}    the text meets the problem's contract
    file            {"source": text}                                  a file meets its contracts, which are worth posing
    specification   {"problem": Problem as JSON}                      the contract is worth posing
"""

from __future__ import annotations

from selfplay.sandbox.checkers.contracts.faults import Fault
from selfplay.sandbox.checkers.contracts.forms import read_file, read_problem, read_solution
from selfplay.sandbox.checkers.contracts.problem import BadProblem, Problem
from selfplay.sandbox.checkers.contracts.tree import Program
from selfplay.sandbox.checkers.total import Total
from selfplay.sandbox.checkers.types import Blame, Claim, ProofStatus, ProofVerdict

VERSION = "1"
"""Changes with every change that may change a verdict."""


class Contracts(Total):
    """Verifies functions against contracts. Needs z3 (extra ``formal``), which it imports when it is first used."""

    name = "contracts"
    version = VERSION
    kinds = ("solution", "file", "specification")

    def decide(self, claim: Claim) -> ProofVerdict:
        """See `Total.decide`."""
        from selfplay.sandbox.checkers.contracts.lint import lint
        from selfplay.sandbox.checkers.contracts.verify import verify

        limits = claim.limits
        match claim.kind:
            case "solution":
                return verify(read_solution(problem_of(claim), text_of(claim, "solution"), limits), limits)
            case "file":
                program: Program = read_file(text_of(claim, "source"), limits)
                fault = lint(program, limits, written=True)
                if fault.status is not ProofStatus.PROVED:
                    return fault
                return verify(program, limits).but(notes=fault.notes)
            case "specification":
                return lint(read_problem(problem_of(claim), limits), limits)
        raise self.unknown_kind(claim)


def problem_of(claim: Claim) -> Problem:
    """The problem in a claim's payload; raises `Fault`."""
    try:
        return Problem.from_json(claim.payload.get("problem"))
    except BadProblem as error:
        raise Fault(ProofStatus.MALFORMED, 0, str(error), Blame.PROPOSER) from None


def text_of(claim: Claim, field: str) -> str:
    """A text in a claim's payload; raises `Fault`."""
    value = claim.payload.get(field)
    if not isinstance(value, str):
        raise Fault(ProofStatus.MALFORMED, 0, f"the claim's {field!r} must be a text")
    return value
