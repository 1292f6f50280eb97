"""The contract verifier: typed Python functions against `requires`, `ensures`, `invariant`, `decreases`.

    text -> source (hygiene) -> expressions, calls, statements, program -> tree (typed)
    tree -> interpreter: runs it on concrete inputs, without z3
    tree -> encoder (values, terms, folds, paths): proof obligations -> prove (budgeted portfolio)
    checker: both together; lint: is the contract itself worth posing

This package exports the words of contract files, so that such a file also runs as plain Python. What the verifier
accepts and what its verdicts mean is in docs/checkers.md.
"""

from __future__ import annotations

from selfplay.sandbox.checkers.contracts.language import (
    decreases,
    ensures,
    implies,
    invariant,
    old,
    requires,
    result,
    spec,
)

__all__ = ["decreases", "ensures", "implies", "invariant", "old", "requires", "result", "spec"]
