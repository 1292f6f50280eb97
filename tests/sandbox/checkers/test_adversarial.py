"""Every adversarial input gets a status from its list, quickly, and leaves no trace."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("z3")

from adversarial import ATTACKS, Attack

from selfplay.sandbox.checkers import Claim, Limits, ProofVerdict
from selfplay.sandbox.checkers.contracts.checker import Contracts

LIMITS = Limits(rlimit_total=400_000)


def verdict(attack: Attack, source: str) -> ProofVerdict:
    if attack.problem is None:
        return Contracts().check(Claim("contracts", "file", {"source": source}, LIMITS))
    return Contracts().check(Claim("contracts", "solution", {"problem": attack.problem, "solution": source}, LIMITS))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attacks_fail(attack: Attack, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    found = verdict(attack, attack.source.replace("{canary}", str(canary)))
    assert found.status in attack.expected, found
    assert found.cpu_ms < 8_000
    assert not canary.exists()
