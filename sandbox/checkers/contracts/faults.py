"""Why a text is not in the contract language."""

from __future__ import annotations

from selfplay.sandbox.checkers.types import Blame, ProofStatus


class Fault(Exception):
    """A text that cannot be checked.

    Args:
        status: MALFORMED or UNSAFE.
        line: in the text, from 1; 0 where there is none.
        reason: what is wrong and what would be right.
        blame: who wrote the text.
    """

    def __init__(self, status: ProofStatus, line: int, reason: str, blame: Blame = Blame.SOLVER) -> None:
        super().__init__(reason)
        self.status, self.line, self.reason, self.blame = status, line, reason, blame


def malformed(line: int, reason: str) -> Fault:
    return Fault(ProofStatus.MALFORMED, line, reason)


def unsafe(line: int, reason: str) -> Fault:
    return Fault(ProofStatus.UNSAFE, line, reason)
