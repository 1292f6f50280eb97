"""What games get from the pool that they share."""

from __future__ import annotations

from pathlib import Path

import pytest

from selfplay.errors import UsageError
from selfplay.sandbox.checkers import Claim, Proofs
from selfplay.sandbox.checkers.proofs import ProofPool


def test_without_a_prover_nothing_is_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Masking every move of a run would say the same less clearly, and hours later."""
    (tmp_path / "z3.py").write_text("raise ModuleNotFoundError(\"No module named 'z3'\", name='z3')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    shared = ProofPool()
    claim = Claim("contracts", "file", {"source": "def f(a: int) -> int:\n    ensures(result == a)\n    return a\n"})
    with shared.pool, pytest.raises(UsageError, match=r"pip install 'selfplay\[formal\]'"):
        shared.judge([(Proofs(), claim)])
