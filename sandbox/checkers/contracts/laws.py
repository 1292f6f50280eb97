"""What is true of every fold but needs induction, given to z3 as axioms with triggers.

Each law holds for any total item and condition: a fold is the recursive function described in `folds`, and the laws are
theorems about it. Triggers name the fold and the terms that make an instance worth having.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import z3

from selfplay.sandbox.checkers.contracts.logic import Term, conj, imp, ite
from selfplay.sandbox.checkers.contracts.sorts import INT, Sort
from selfplay.sandbox.checkers.contracts.values import Store


@dataclass(frozen=True, slots=True)
class Declared:
    """A fold as a z3 function of (array if it goes over a list, low, high, other parameters)."""

    function: Term
    window: list[Term]
    """The array, or nothing for a range."""
    low: Term
    high: Term
    rest: list[Term]
    test: Callable[[Term, list[Term]], Term]
    """Whether the item at an index counts, in a given array."""
    item: Callable[[Term, list[Term]], Term]
    """The packed item at an index, in a given array."""

    @property
    def params(self) -> list[Term]:
        return [*self.window, self.low, self.high, *self.rest]

    @property
    def value(self) -> Term:
        return self.function(*self.params)

    def over(self, low: Term, high: Term) -> Term:
        """The fold over another window of the same list."""
        return self.function(*self.window, low, high, *self.rest)

    def inside(self, index: Term) -> Term:
        return z3.And(self.low <= index, index < self.high)

    def counts(self, index: Term) -> Term:
        return conj([self.inside(index), self.test(index, self.window)])


class Laws:
    """The laws of one claim's folds."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.always: list[Term] = []
        self.sometimes: list[Term] = []
        """Laws about what occurs in a list; they can send z3 round in circles, so not every attempt has them."""

    def _add(self, params: list[Term], premise: Term, conclusion: Term, *trigger: Term) -> None:
        self.always.append(_law(params, premise, conclusion, *trigger))

    def occurrence(self, params: list[Term], premise: Term, conclusion: Term, *trigger: Term) -> None:
        """A law about what occurs somewhere."""
        self.sometimes.append(_law(params, premise, conclusion, *trigger))

    def _int(self, name: str) -> Term:
        return z3.Int(self.store.name(name))

    def frame(self, fold: Declared) -> None:
        """Changing an item outside the window changes nothing."""
        for array in fold.window:
            i, x = self._int("i"), z3.Const(self.store.name("x"), array.sort().range())
            changed = fold.function(z3.Store(array, i, x), fold.low, fold.high, *fold.rest)
            self._add([*fold.params, i, x], z3.Or(i < fold.low, i >= fold.high), changed == fold.value, changed)

    def sum(self, fold: Declared) -> None:
        """A sum splits anywhere, its first item may be taken off, and changing an item adds the difference."""
        middle, second = self._int("middle"), self._int("second")
        left, right = fold.over(fold.low, middle), fold.over(middle, fold.high)
        ordered = z3.And(fold.low <= middle, middle <= fold.high)
        self._add([*fold.params, middle], ordered, fold.value == left + right, left, right)
        tail, one_less = fold.over(second, fold.high), z3.And(fold.low < fold.high, second == fold.low + 1)
        first = self._term(fold, fold.low, fold.window)
        self._add([*fold.params, second], one_less, fold.value == first + tail, fold.value, tail)
        for array in fold.window:
            i, x = self._int("i"), z3.Const(self.store.name("x"), array.sort().range())
            stored = z3.Store(array, i, x)
            changed = fold.function(stored, fold.low, fold.high, *fold.rest)
            difference = self._term(fold, i, [stored]) - self._term(fold, i, [array])
            self._add([*fold.params, i, x], fold.inside(i), changed == fold.value + difference, changed)

    def _term(self, fold: Declared, index: Term, array: list[Term]) -> Term:
        return ite(fold.test(index, array), fold.item(index, array), 0)

    def count(self, fold: Declared) -> None:
        """How often something holds: not negative, at most the length, and not zero just if it holds somewhere."""
        j, value = self._int("j"), fold.value
        longest = ite(fold.high > fold.low, fold.high - fold.low, 0)
        self._add(fold.params, True, z3.And(value >= 0, value <= longest), value)
        self.occurrence(fold.params, value > 0, z3.Exists([j], fold.counts(j)), value)
        for array in fold.window:
            self.occurrence([*fold.params, j], fold.counts(j), value >= 1, value, array[j])

    def extremum(self, fold: Declared, kind: str) -> None:
        """An extremum bounds every item and is one of them."""
        j, value = self._int("j"), fold.value
        item = fold.item(j, fold.window)
        for array in fold.window:
            self._add(
                [*fold.params, j], fold.inside(j), value <= item if kind == "min" else value >= item, value, array[j]
            )
        self._add(fold.params, fold.low < fold.high, z3.Exists([j], z3.And(fold.inside(j), value == item)), value)

    def filter(self, fold: Declared, item_sort: Sort) -> None:
        """A filtered list is not longer than what it is taken from; it has the items that pass, and no others."""
        made = fold.value
        packed = made.sort()
        items, length = packed.accessor(0, 0)(made), packed.accessor(0, 1)(made)
        longest = ite(fold.high > fold.low, fold.high - fold.low, 0)
        self._add(fold.params, True, z3.And(length >= 0, length <= longest), made)
        if item_sort != INT:  # equal items of other types need not be equal terms
            return
        j, k = self._int("j"), self._int("k")
        here, there = z3.And(k >= 0, k < length), fold.item(j, fold.window) == items[k]
        self.occurrence([*fold.params, k], here, z3.Exists([j], conj([fold.counts(j), there])), items[k])
        for array in fold.window:
            self.occurrence([*fold.params, j], fold.counts(j), z3.Exists([k], z3.And(here, there)), made, array[j])


def _law(params: list[Term], premise: Term, conclusion: Term, *trigger: Term) -> Term:
    pattern = trigger[0] if len(trigger) == 1 else z3.MultiPattern(*trigger)
    return z3.ForAll(params, imp(premise, conclusion), patterns=[pattern])
