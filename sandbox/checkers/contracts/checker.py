"""The checker named ``contracts``: tests first, then proofs, then the inputs that failed proofs suggest.

Kinds of claim and their payload:

    solution        {"problem": Problem as JSON, "solution": text}    the text meets the problem's contract
    file            {"source": text}                                  a file meets its contracts, which are worth posing
    specification   {"problem": Problem as JSON}                      the contract is worth posing
"""

from __future__ import annotations

import functools
import importlib.util
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata

from selfplay.sandbox.checkers.contracts.faults import Fault
from selfplay.sandbox.checkers.contracts.forms import read_file, read_problem, read_solution
from selfplay.sandbox.checkers.contracts.problem import BadProblem, Problem
from selfplay.sandbox.checkers.contracts.tree import Program
from selfplay.sandbox.checkers.types import Blame, Claim, ProofStatus, ProofVerdict

VERSION = "1"
"""Changes with every change that may change a verdict."""
KINDS = ("solution", "file", "specification")


class Contracts:
    """Verifies functions against contracts. Needs z3 (extra ``formal``), which it imports when it is first used."""

    name = "contracts"
    version = VERSION

    def check(self, claim: Claim) -> ProofVerdict:
        """Decide a claim in this process. Total: whatever the claim contains becomes a verdict."""
        if importlib.util.find_spec("z3") is None:
            return ProofVerdict(
                ProofStatus.UNAVAILABLE, "z3 is not installed: pip install 'selfplay[formal]'", Blame.CHECKER
            )
        started = time.process_time()
        try:
            with _deep_stack():
                found = self._decide(claim)
        except Fault as fault:
            found = ProofVerdict(fault.status, fault.reason, fault.blame, "parse", fault.line or None)
        except BadProblem as error:
            found = ProofVerdict(ProofStatus.MALFORMED, str(error), Blame.PROPOSER, "parse")
        except MemoryError:
            found = ProofVerdict(ProofStatus.MEMORY, "out of memory", Blame.CHECKER, "worker")
        except Exception as error:  # a fault of ours is no verdict about the claim
            reason = f"{type(error).__name__}: {error}"
            found = ProofVerdict(ProofStatus.CRASH, reason[:300], Blame.CHECKER, "worker")
        return found.but(
            cpu_ms=(time.process_time() - started) * 1000,
            checker=self.name,
            version=self.version,
            backend=_backend(),
            claim=claim.key(self.version),
        )

    def _decide(self, claim: Claim) -> ProofVerdict:
        from selfplay.sandbox.checkers.contracts.lint import lint
        from selfplay.sandbox.checkers.contracts.verify import verify

        limits, payload = claim.limits, claim.payload
        match claim.kind:
            case "solution":
                problem = Problem.from_json(payload.get("problem"))
                return verify(read_solution(problem, _text(claim, "solution"), limits), limits)
            case "file":
                program: Program = read_file(_text(claim, "source"), limits)
                fault = lint(program, limits, written=True)
                if fault.status is not ProofStatus.PROVED:
                    return fault
                return verify(program, limits).but(notes=fault.notes)
            case "specification":
                return lint(read_problem(Problem.from_json(payload.get("problem")), limits), limits)
        raise Fault(ProofStatus.MALFORMED, 0, f"unknown kind of claim {claim.kind!r}; known: {', '.join(KINDS)}")


@functools.cache
def _backend() -> str:
    return f"z3-solver {metadata.version('z3-solver')}"


@contextmanager
def _deep_stack() -> Iterator[None]:
    """Room for recursion that our own limits end, so that a verdict does not depend on how deep the caller was."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 20_000))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _text(claim: Claim, field: str) -> str:
    value = claim.payload.get(field)
    if not isinstance(value, str):
        raise Fault(ProofStatus.MALFORMED, 0, f"the claim's {field!r} must be a text")
    return value
