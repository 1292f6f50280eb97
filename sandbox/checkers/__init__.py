"""Checkers decide claims that no player may decide: that a program meets its contract, that a puzzle has one solution.

    types      claim, status, verdict, and what a game gets to see of it
    registry   checkers by name
    pool       many claims at once, on killable worker processes (worker), remembered (cache)
    contracts  the default checker: Python functions against contracts
    problems   a graded benchmark for it

`Pool().check_many(claims)` is the way in from Python, `Proofs` the checker that a game passes to `match.check`,
`selfplay verify` the one for people. docs/checkers.md says what verdicts mean and how to write a checker.
"""

from __future__ import annotations

from selfplay.sandbox.checkers.pool import Pool
from selfplay.sandbox.checkers.proofs import Proofs
from selfplay.sandbox.checkers.types import Blame, Checker, Claim, Limits, ProofLevel, ProofStatus, ProofVerdict

__all__ = ["Blame", "Checker", "Claim", "Limits", "Pool", "ProofLevel", "ProofStatus", "ProofVerdict", "Proofs"]
