"""`sorted` by specification: the ordered list in which every value occurs as often as in the given one.

``x == sorted(a)`` is encoded as just that, which is equivalent. Anywhere else ``sorted(a)`` is an unknown list of which
that holds.
"""

from __future__ import annotations

import z3

from selfplay.sandbox.checkers.contracts.folds import Folds
from selfplay.sandbox.checkers.contracts.logic import Term, boolean, conj, forall, same, term_of
from selfplay.sandbox.checkers.contracts.sorts import BOOL, INT, ListOf
from selfplay.sandbox.checkers.contracts.tree import Compare, Const, Domain, Fold, Var
from selfplay.sandbox.checkers.contracts.values import Scalar, Seq

_INTS = ListOf(INT)
_COUNT = Fold(
    0,
    INT,
    "sum",
    Domain(("x.0",), items=Var(0, _INTS, "list.0")),
    Compare(0, BOOL, "==", Var(0, INT, "x.0"), Var(0, INT, "v.0")),
    Const(0, INT, 1),
)
"""``list.count(v)``, the very fold that the method is read as."""


class Orders:
    """Sorted lists of one claim."""

    def __init__(self, folds: Folds) -> None:
        self.folds, self.store = folds, folds.store
        self._function: Term = None

    def is_sorted(self, value: Seq, of: Seq) -> Term:
        """Whether `value` is `of`, sorted."""
        i, j = z3.Int(self.store.name("i")), z3.Int(self.store.name("j"))
        inside = conj([value.start <= i, i <= j, j < value.stop])
        ordered = forall([i, j], inside, value.array[i] <= value.array[j])
        return conj([same(value.length, of.length), ordered, self.same_items(value, of)])

    def same_items(self, a: Seq, b: Seq) -> Term:
        """Whether every value occurs equally often."""
        v = z3.Int(self.store.name("v"))
        left, right = self._count(a, v), self._count(b, v)
        try:
            return z3.ForAll([v], left == right, patterns=[left, right])
        except z3.Z3Exception:  # an `if` inside, which z3 takes in no trigger
            return z3.ForAll([v], left == right)

    def _count(self, value: Seq, item: Term) -> Term:
        with self.folds.terms.quietly():
            found = self.folds.apply(_COUNT, {"list.0": value, "v.0": Scalar(item)})
        assert isinstance(found, Scalar)
        return found.term

    def sort(self, value: Seq) -> Seq:
        """``sorted(value)``."""
        array, low, high = z3.Const("unsorted", value.array.sort()), z3.Int("low"), z3.Int("high")
        if self._function is None:
            self._function = z3.Function("sorted", array.sort(), low.sort(), high.sort(), array.sort())
            made, given = (
                Seq(self._function(array, low, high), 0, high - low, _INTS),
                Seq(array, low, high - low, _INTS),
            )
            law = z3.Implies(low <= high, boolean(self.is_sorted(made, given)))
            laws, j, k = self.folds.laws, z3.Int("j"), z3.Int("k")
            laws.always.append(z3.ForAll([array, low, high], law, patterns=[made.array]))
            there, here = z3.And(low <= j, j < high), z3.And(k >= 0, k < high - low)
            same_item = made.array[k] == array[j]
            laws.occurrence([array, low, high, j], there, z3.Exists([k], z3.And(here, same_item)), made.array, array[j])
            laws.occurrence([array, low, high, k], here, z3.Exists([j], z3.And(there, same_item)), made.array[k])
        found = self._function(value.array, term_of(value.start), term_of(value.stop))
        return Seq(self.folds.terms.named("sorted", found), 0, value.length, _INTS)
