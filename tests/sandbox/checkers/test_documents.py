"""docs/checkers.md does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("z3")

from selfplay.sandbox.checkers import Claim, Proofs, ProofStatus
from selfplay.sandbox.checkers.contracts.checker import Contracts
from selfplay.types import Outcome, Verdict

PAGE = (Path(__file__).parents[3] / "docs" / "checkers.md").read_text("utf-8")
GAME, FILE, SAT = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


def test_the_contract_file_runs_and_is_proved() -> None:
    space: dict[str, object] = {}
    exec(FILE, space)
    assert space["root"](10) == 3  # type: ignore[operator]
    assert Contracts().check(Claim("contracts", "file", {"source": FILE})).status is ProofStatus.PROVED
    without = FILE.replace("        invariant(r * r <= n)\n", "")
    assert Contracts().check(Claim("contracts", "file", {"source": without})).status is ProofStatus.UNPROVED


def test_the_example_checker_is_total_and_right() -> None:
    space: dict[str, object] = {}
    exec(SAT, space)
    sat = space["Sat"]()  # type: ignore[operator]
    clauses = [[1, -2], [2, 3]]
    for payload, status in [
        ({"clauses": clauses, "model": [1, 2]}, ProofStatus.PROVED),
        ({"clauses": clauses, "model": [1]}, ProofStatus.REFUTED),
        ({"clauses": clauses, "model": [1, -1]}, ProofStatus.MALFORMED),
        ({"clauses": 3}, ProofStatus.MALFORMED),
    ]:
        assert sat.check(Claim("sat", "model", payload)).status is status


def test_every_status_is_explained() -> None:
    assert all(f"`{status}`" in PAGE for status in ProofStatus)


def test_a_game_gets_one_of_five_outcomes() -> None:
    verdict = Proofs()(Claim("contracts", "file", {"source": FILE.replace("r += 1", "r += 2")}))
    assert isinstance(verdict, Verdict) and verdict.outcome is Outcome.FAIL and "counterexample" in verdict.detail
    compile(GAME, "game", "exec", flags=0x2000)  # top-level await
