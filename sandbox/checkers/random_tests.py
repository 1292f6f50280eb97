"""A checker that believes whatever a few tests do not refute: for measuring what soundness is worth.

Kind ``solution`` of the contracts checker, with its language, interpreter and inputs, but no proof: PROVED, at the
level ``tested``, says that the first `limits.tests` inputs allowed by the precondition did not break the contract.
Never use it where a verdict has to be true; propose-solve-verify learns with it to show what becomes of a pool that is
not.
"""

from __future__ import annotations

from selfplay.sandbox.checkers.contracts.faults import Fault
from selfplay.sandbox.checkers.contracts.forms import read_solution
from selfplay.sandbox.checkers.contracts.problem import BadProblem, Problem
from selfplay.sandbox.checkers.contracts.replay import Replay
from selfplay.sandbox.checkers.types import Blame, Claim, ProofLevel, ProofStatus, ProofVerdict


class RandomTests:
    """Runs functions on `limits.tests` inputs. Unsound on purpose."""

    name = "random_tests"
    version = "1"

    def check(self, claim: Claim) -> ProofVerdict:
        """Total: whatever the claim contains becomes a verdict."""
        solution = claim.payload.get("solution")
        if claim.kind != "solution" or not isinstance(solution, str):
            return ProofVerdict(ProofStatus.MALFORMED, "a problem and the text of a solution are needed", Blame.SOLVER)
        try:
            problem = Problem.from_json(claim.payload.get("problem"))
            replay = Replay(read_solution(problem, solution, claim.limits))
            refuted = replay.search(claim.limits)
        except Fault as fault:
            return ProofVerdict(fault.status, fault.reason, fault.blame, "parse", fault.line or None)
        except BadProblem as error:
            return ProofVerdict(ProofStatus.MALFORMED, str(error), Blame.PROPOSER, "parse")
        except Exception as error:  # a fault of ours is no verdict about the claim
            return ProofVerdict(ProofStatus.CRASH, f"{type(error).__name__}: {error}"[:300], Blame.CHECKER, "worker")
        tests = replay.tests.conclusive
        passed = ProofVerdict(ProofStatus.PROVED, f"{tests} tests passed", stage="test", level=ProofLevel.TESTED)
        return (refuted or passed).but(
            tests=tests, checker=self.name, version=self.version, claim=claim.key(self.version)
        )
