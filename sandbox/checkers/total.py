"""What most checkers share: deciding a claim by a method that may raise, and never raising."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata

from selfplay.sandbox.checkers.contracts.faults import Fault
from selfplay.sandbox.checkers.types import Blame, Claim, ProofStatus, ProofVerdict


class Total:
    """A checker whose subclass decides in `decide`. z3 is optional until a claim needs it."""

    name: str
    version: str
    kinds: tuple[str, ...]

    def check(self, claim: Claim) -> ProofVerdict:
        """Decide a claim in this process. Total: whatever the claim contains becomes a verdict."""
        started = time.process_time()
        _forget_prover()
        try:
            with _deep_stack():
                found = self.decide(claim)
        except Fault as fault:
            found = ProofVerdict(fault.status, fault.reason, fault.blame, "parse", fault.line or None)
        except MemoryError:
            found = ProofVerdict(ProofStatus.MEMORY, "out of memory", Blame.CHECKER, "worker")
        except Exception as error:  # a fault of ours is no verdict about the claim
            found = _trouble(error)
        return found.but(
            cpu_ms=found.cpu_ms + (time.process_time() - started) * 1000,
            checker=self.name,
            version=self.version,
            backend=_backend(),
            claim=claim.key(self.version),
        )

    def decide(self, claim: Claim) -> ProofVerdict:
        """The verdict on a claim.

        Raises:
            Fault: the claim cannot be read.
        """
        raise NotImplementedError

    def unknown_kind(self, claim: Claim) -> Fault:
        """What to raise for a kind of claim that this checker does not have."""
        reason = f"unknown kind of claim {claim.kind!r}; known: {', '.join(self.kinds)}"
        return Fault(ProofStatus.MALFORMED, 0, reason, Blame.CHECKER)


def _trouble(error: Exception) -> ProofVerdict:
    if isinstance(error, ModuleNotFoundError) and error.name == "z3":
        reason = "z3 is not installed: pip install 'selfplay[formal]'"
        return ProofVerdict(ProofStatus.UNAVAILABLE, reason, Blame.CHECKER)
    return ProofVerdict(ProofStatus.CRASH, f"{type(error).__name__}: {error}"[:300], Blame.CHECKER, "worker")


@functools.cache
def _backend() -> str:
    try:
        return f"z3-solver {metadata.version('z3-solver')}"
    except metadata.PackageNotFoundError:
        return ""


@contextmanager
def _deep_stack() -> Iterator[None]:
    """Room for recursion that our own limits end, so that a verdict does not depend on how deep the caller was."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 20_000))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _forget_prover() -> None:
    """Names and term numbers of an earlier claim would change z3's search; a context is made anew when needed."""
    if "z3" in sys.modules:
        from selfplay.sandbox.checkers.contracts.prove import new_context

        new_context()
