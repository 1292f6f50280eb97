"""A checker that believes whatever a few tests do not refute: for measuring what soundness is worth.

Kind ``solution`` of the contracts checker, with its language, interpreter and inputs, but no proof: PROVED, at the
level ``tested``, says that the first `limits.tests` inputs allowed by the precondition did not break the contract.
Never use it where a verdict has to be true; propose-solve-verify learns with it to show what becomes of a pool that is
not.
"""

from __future__ import annotations

from selfplay.sandbox.checkers.contracts.checker import problem_of, text_of
from selfplay.sandbox.checkers.contracts.forms import read_solution
from selfplay.sandbox.checkers.contracts.replay import Replay
from selfplay.sandbox.checkers.total import Total
from selfplay.sandbox.checkers.types import Claim, ProofLevel, ProofStatus, ProofVerdict


class RandomTests(Total):
    """Runs functions on `limits.tests` inputs. Unsound on purpose."""

    name = "random_tests"
    version = "1"
    kinds = ("solution",)

    def decide(self, claim: Claim) -> ProofVerdict:
        """See `Total.decide`."""
        if claim.kind not in self.kinds:
            raise self.unknown_kind(claim)
        replay = Replay(read_solution(problem_of(claim), text_of(claim, "solution"), claim.limits))
        refuted = replay.search(claim.limits)
        tests = replay.tests.conclusive
        passed = ProofVerdict(ProofStatus.PROVED, f"{tests} tests passed", stage="test", level=ProofLevel.TESTED)
        return (refuted or passed).but(tests=tests)
