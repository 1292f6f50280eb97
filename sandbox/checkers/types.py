"""What checkers are asked and what they answer.

A **claim** names a checker and carries a JSON payload and limits. A checker answers with a `ProofVerdict`: one
`ProofStatus`, whom to blame, where, and the counterexample or witness. `ProofVerdict.verdict()` maps it onto the five
outcomes a game sees (`selfplay.types.Outcome`); rewards are the game's business.

Not here: any back end. This module needs the standard library only.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Protocol, cast

from selfplay.types import Json, Outcome, Verdict


class ProofStatus(StrEnum):
    """What a checker found; a closed set."""

    PROVED = "PROVED"
    REFUTED = "REFUTED"
    """A counterexample was found and replayed concretely."""
    UNPROVED = "UNPROVED"
    """A proof obligation has a countermodel, but no concrete counterexample is known (a weak invariant?)."""
    UNKNOWN = "UNKNOWN"
    """The deterministic budget was spent, or the solver is incomplete here."""
    MALFORMED = "MALFORMED"
    """Syntax, types, a construct outside the language, or too large."""
    UNSAFE = "UNSAFE"
    """Tried a way out: imports, dunders, `eval`, `assume`, axioms."""
    VACUOUS = "VACUOUS"
    """Nothing satisfies the precondition."""
    TRIVIAL = "TRIVIAL"
    """Everything satisfies the postcondition."""
    IMPOSSIBLE = "IMPOSSIBLE"
    """For some allowed input no result satisfies the postcondition."""
    TIMEOUT = "TIMEOUT"
    """The kill switch fired; nothing is known."""
    MEMORY = "MEMORY"
    CRASH = "CRASH"
    UNAVAILABLE = "UNAVAILABLE"
    """The back end is not installed."""


class Blame(StrEnum):
    """Whose fault a verdict other than PROVED is."""

    SOLVER = "solver"
    PROPOSER = "proposer"
    CHECKER = "checker"


class ProofLevel(StrEnum):
    """What stands behind a verdict, the strongest first."""

    KERNEL = "kernel"
    SMT = "smt"
    EXHAUSTIVE = "exhaustive"
    TESTED = "tested"


INFRASTRUCTURE = frozenset({ProofStatus.TIMEOUT, ProofStatus.MEMORY, ProofStatus.CRASH, ProofStatus.UNAVAILABLE})
"""Statuses that say nothing about the claim; never cached, retried once."""
_SPEC_FAULTS = frozenset({ProofStatus.VACUOUS, ProofStatus.TRIVIAL, ProofStatus.IMPOSSIBLE})


@dataclass(frozen=True, slots=True)
class Limits:
    """What a check may use. All but the kill switches (`cpu_s`, `wall_s`, `memory_mb`) are deterministic."""

    rlimit_step: int = 500_000
    """z3 resource units for one attempt at one proof obligation."""
    rlimit_total: int = 2_000_000
    """z3 resource units for the claim."""
    source_chars: int = 8_000
    nodes: int = 1_500
    depth: int = 40
    paths: int = 128
    obligations: int = 400
    tests: int = 60
    """Concrete inputs tried before anything is proved."""
    seed: int = 0
    cpu_s: float = 20.0
    wall_s: float = 120.0
    memory_mb: int = 1024


@dataclass(frozen=True, slots=True)
class Claim:
    """Something to be decided."""

    checker: str
    """Name of a checker, for example ``contracts``."""
    kind: str
    """What is claimed; each checker documents its kinds and their payload."""
    payload: dict[str, Json]
    limits: Limits = field(default_factory=Limits)

    def key(self, version: str) -> str:
        """Content hash over everything a deterministic verdict depends on; `version` is the checker's."""
        content = [self.checker, version, self.kind, self.payload, asdict(self.limits)]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @staticmethod
    def from_json(data: dict[str, Json]) -> Claim:
        content = cast("dict[str, dict[str, Json]]", data)
        limits = Limits(**content["limits"])
        return Claim(str(data["checker"]), str(data["kind"]), content["payload"], limits)


@dataclass(frozen=True, slots=True)
class ProofVerdict:
    """A checker's answer."""

    status: ProofStatus
    reason: str = ""
    """One sentence for a person."""
    blame: Blame | None = None
    stage: str = ""
    """How far the claim got: ``parse``, ``lint``, ``test``, ``prove``, ``worker``."""
    line: int | None = None
    """In the solver's text, from 1; None when the trouble is in the problem or nowhere in particular."""
    obligation: str = ""
    """Kind of the proof obligation that failed, for example ``ensures`` or ``decreases``."""
    counterexample: dict[str, Json] | None = None
    """Input by parameter name, and what came of it: ``result`` or ``error``."""
    witness: dict[str, Json] | None = None
    """What shows that a claim of existence holds, for example the one solution of a puzzle."""
    notes: tuple[str, ...] = ()
    """Remarks that change no status, such as ``weak`` or ``determinate`` from the specification lint."""
    level: ProofLevel | None = None
    obligations: int = 0
    proved: int = 0
    rlimit_used: int = 0
    tests: int = 0
    cpu_ms: float = 0.0
    """Not deterministic: leave it out of anything recorded."""
    checker: str = ""
    version: str = ""
    backend: str = ""
    claim: str = ""
    """Content hash of the claim."""
    cached: bool = False

    @property
    def outcome(self) -> Outcome:
        """The five outcomes of a game; see docs/checkers.md."""
        if self.status in INFRASTRUCTURE:
            return Outcome.NO_VERDICT
        if self.status is ProofStatus.PROVED:
            return Outcome.PASS
        if self.status in _SPEC_FAULTS or self.blame is Blame.PROPOSER:
            return Outcome.INVALID_CLAIM
        if self.status in (ProofStatus.UNPROVED, ProofStatus.UNKNOWN):
            return Outcome.UNDECIDED
        return Outcome.FAIL

    def verdict(self) -> Verdict:
        """What a game gets from `match.check`."""
        return Verdict(self.outcome, status=self.status.value, blame=self.blame, detail=self.explain())

    def explain(self) -> str:
        """Reason, place and counterexample in one line."""
        where = f"line {self.line}: " if self.line else ""
        shown = f" (counterexample: {json.dumps(self.counterexample)})" if self.counterexample else ""
        return f"{where}{self.reason}{shown}"

    def but(self, **changes: object) -> ProofVerdict:
        """A copy with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def to_json(self) -> dict[str, Json]:
        return {**asdict(self), "outcome": self.outcome.value, "notes": list(self.notes)}

    @staticmethod
    def from_json(data: dict[str, Json]) -> ProofVerdict:
        fields = {key: value for key, value in data.items() if key != "outcome"}
        fields |= {"notes": tuple(cast("list[str]", data["notes"]))}
        found = ProofVerdict(**fields)
        blame, level = data["blame"], data["level"]
        return found.but(
            status=ProofStatus(str(data["status"])),
            blame=Blame(str(blame)) if blame else None,
            level=ProofLevel(str(level)) if level else None,
        )


class Checker(Protocol):
    """Decides claims. Total: whatever a claim contains becomes a verdict, never an exception."""

    name: str
    version: str

    def check(self, claim: Claim) -> ProofVerdict:
        """Decide one claim in this process; use `selfplay.sandbox.checkers.Pool` for claims that others wrote."""
        ...
