"""What verdicts mean to a game, and that claims and verdicts survive JSON."""

from __future__ import annotations

import json

import pytest

from selfplay.sandbox.checkers import Blame, Claim, Limits, ProofLevel, ProofStatus, ProofVerdict
from selfplay.types import Outcome


@pytest.mark.parametrize(
    ("status", "blame", "outcome"),
    [
        (ProofStatus.PROVED, None, Outcome.PASS),
        (ProofStatus.REFUTED, Blame.SOLVER, Outcome.FAIL),
        (ProofStatus.REFUTED, Blame.PROPOSER, Outcome.INVALID_CLAIM),
        (ProofStatus.MALFORMED, Blame.SOLVER, Outcome.FAIL),
        (ProofStatus.MALFORMED, Blame.PROPOSER, Outcome.INVALID_CLAIM),
        (ProofStatus.UNSAFE, Blame.SOLVER, Outcome.FAIL),
        (ProofStatus.UNPROVED, Blame.SOLVER, Outcome.UNDECIDED),
        (ProofStatus.UNKNOWN, Blame.SOLVER, Outcome.UNDECIDED),
        (ProofStatus.UNKNOWN, Blame.PROPOSER, Outcome.INVALID_CLAIM),
        (ProofStatus.VACUOUS, None, Outcome.INVALID_CLAIM),
        (ProofStatus.TRIVIAL, None, Outcome.INVALID_CLAIM),
        (ProofStatus.IMPOSSIBLE, None, Outcome.INVALID_CLAIM),
        (ProofStatus.TIMEOUT, Blame.CHECKER, Outcome.NO_VERDICT),
        (ProofStatus.MEMORY, Blame.CHECKER, Outcome.NO_VERDICT),
        (ProofStatus.CRASH, Blame.CHECKER, Outcome.NO_VERDICT),
        (ProofStatus.UNAVAILABLE, Blame.CHECKER, Outcome.NO_VERDICT),
    ],
)
def test_every_status_has_its_outcome(status: ProofStatus, blame: Blame | None, outcome: Outcome) -> None:
    verdict = ProofVerdict(status, "why", blame).verdict()
    assert verdict.outcome is outcome
    assert verdict.status == status and "why" in verdict.detail


def test_claims_and_verdicts_survive_json() -> None:
    claim = Claim("contracts", "file", {"source": "x"}, Limits(seed=3))
    assert Claim.from_json(json.loads(json.dumps(claim.to_json()))) == claim
    verdict = ProofVerdict(
        ProofStatus.REFUTED, "no", Blame.SOLVER, "test", 3, "ensures", {"n": 1}, {"x": 2}, ("weak",), ProofLevel.TESTED
    )
    assert ProofVerdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict


def test_the_key_of_a_claim_is_its_content() -> None:
    claim = Claim("contracts", "file", {"source": "x", "y": 1})
    assert claim.key("1") == Claim("contracts", "file", {"y": 1, "source": "x"}).key("1")
    others = [
        Claim("contracts", "file", {"source": "x", "y": 2}),
        Claim("contracts", "solution", {"source": "x", "y": 1}),
        Claim("contracts", "file", {"source": "x", "y": 1}, Limits(tests=3)),
    ]
    assert len({claim.key("1"), claim.key("2"), *(other.key("1") for other in others)}) == 5
