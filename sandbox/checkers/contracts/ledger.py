"""What must hold for expressions to be defined, collected while they are read.

Entries are **checks** that must be proved where they arise, and **facts** that hold from there on (a callee's
postcondition). An entry is closed over the conditions and bound variables under which it arises, so ``i < n and a[i] >
0`` checks the index only where ``i < n``, in code and in specifications alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import z3

from selfplay.sandbox.checkers.contracts.logic import Term, forall
from selfplay.sandbox.checkers.contracts.values import Store


@dataclass(frozen=True, slots=True)
class Entry:
    """A check to be proved, or (`kind` empty) a fact that holds from here on."""

    formula: Term
    kind: str = ""
    line: int = 0
    text: str = ""


class Ledger:
    """Entries in the order of evaluation."""

    def __init__(self, store: Store, *, strict: bool) -> None:
        self.store, self.strict = store, strict
        self.ledger: list[Entry] = []
        self._around: list[tuple[list[Term], Term]] = []
        """Bound variables and conditions of what encloses the present place."""
        self._quiet = False

    def entries(self) -> list[Entry]:
        """The ledger since it was last asked for."""
        found, self.ledger = self.ledger, []
        return found

    def check(self, condition: Term, kind: str, line: int, text: str = "") -> None:
        if condition is not True:
            self.ledger.append(Entry(self._closed(condition), kind, line, text))

    def fact(self, condition: Term) -> None:
        if condition is not True:
            self.ledger.append(Entry(self._closed(condition)))

    def _closed(self, formula: Term) -> Term:
        for bound, condition in reversed(self._around):
            formula = forall(bound, condition, formula)
        return formula

    def named(self, hint: str, term: Term) -> Term:
        """A constant that equals `term`, where that makes sense.

        Laws are triggered by terms outside quantifiers, and a goal such as ``result in a`` may become one as a whole.
        """
        if self._quiet or any(bound for bound, _ in self._around):
            return term
        constant = z3.Const(self.store.name(hint), term.sort())
        self.ledger.append(Entry(constant == term))
        return constant

    @contextmanager
    def under(self, condition: Term, bound: list[Term] | None = None) -> Iterator[None]:
        """Inside it, entries arise only where `condition` holds, for all values of `bound`."""
        self._around.append((bound or [], condition))
        yield
        self._around.pop()

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """Inside it, nothing is entered: the expression is known to be defined."""
        before, around, quiet = self.ledger, self._around, self._quiet
        self.ledger, self._around, self._quiet = [], [], True
        yield
        self.ledger, self._around, self._quiet = before, around, quiet
