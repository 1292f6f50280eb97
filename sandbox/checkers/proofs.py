"""The checker that a game passes to `match.check`: ``await match.check(Proofs(), claim, about=answer)``."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from selfplay.errors import UsageError
from selfplay.sandbox.checkers.pool import Pool
from selfplay.sandbox.checkers.types import Claim, ProofStatus
from selfplay.types import PooledChecker, Verdict


class ProofPool:
    """The workers of this process, shared by all games."""

    def __init__(self) -> None:
        self.pool = Pool()

    def judge(self, checks: Sequence[tuple[PooledChecker, Any]]) -> list[Verdict]:
        """What games get to see of the verdicts on claims.

        Raises:
            UnknownName: a claim names no checker.
            UsageError: a prover is not installed; a run in which nothing can be decided had better not begin.
        """
        claims: list[Claim] = [claim for _, claim in checks]
        found = self.pool.check_many(claims)
        for verdict in found:
            if verdict.status is ProofStatus.UNAVAILABLE:
                raise UsageError(verdict.reason)
        return [verdict.verdict() for verdict in found]


@functools.cache
def _shared() -> ProofPool:
    return ProofPool()


class Proofs(PooledChecker):
    """Has claims (`selfplay.sandbox.checkers.Claim`) decided by the checkers they name, on worker processes."""

    @property
    def pool(self) -> ProofPool:
        return _shared()
