"""Operations on symbolic lists, strings and dictionaries.

Indices have two encodings. `strict` demands ``0 <= i < len(a)``, which implies Python's meaning and keeps terms small;
otherwise negative indices count from the end and slices are clipped, as in Python. A proof in either is a proof.
"""

from __future__ import annotations

import z3

from selfplay.sandbox.checkers.contracts import logic
from selfplay.sandbox.checkers.contracts.compare import equal
from selfplay.sandbox.checkers.contracts.ledger import Ledger
from selfplay.sandbox.checkers.contracts.logic import Term, conj, disj, exists, ite, minus, plus
from selfplay.sandbox.checkers.contracts.values import PLACE, SHORT, Seq, Symbol, Table


class Containers(Ledger):
    """Reads and changes containers; what must hold for that goes into the ledger."""

    def place(self, value: Seq, index: Term, line: int) -> Term:
        """The absolute index of ``value[index]``, checked."""
        if isinstance(index, int) and index < 0:
            self.check(value.length >= -index, "index", line)
            return plus(value.stop, index)
        if self.strict:
            self.check(conj([index >= 0, index < value.length]), "index", line)
            return plus(value.start, index)
        self.check(conj([-value.length <= index, index < value.length]), "index", line)
        return plus(value.start, self.named("index", logic.term_of(ite(index >= 0, index, index + value.length))))

    def cut(self, value: Seq, start: Term, stop: Term, line: int) -> Seq:
        """``value[start:stop]``."""
        if self.strict:
            start, stop = (value.length + end if isinstance(end, int) and end < 0 else end for end in (start, stop))
            self.check(conj([start >= 0, start <= stop, stop <= value.length]), "slice", line)
            return Seq(value.array, plus(value.start, start), minus(stop, start), value.sort)
        start, stop = self._clipped(start, value.length), self._clipped(stop, value.length)
        return Seq(value.array, plus(value.start, start), logic.greater(minus(stop, start), 0), value.sort)

    def _clipped(self, end: Term, length: Term) -> Term:
        if end is length:
            return end
        if isinstance(end, int):
            return logic.lesser(end, length) if end >= 0 else logic.greater(length + end, 0)
        return ite(end < 0, logic.greater(end + length, 0), logic.lesser(end, length))

    def join(self, left: Seq, right: Seq) -> Seq:
        """``left + right``."""
        if isinstance(left.length, int) and left.length == 0:
            return right
        if isinstance(right.length, int) and right.length <= SHORT:
            array = left.array
            for k in range(right.length):
                array = z3.Store(array, logic.term_of(plus(left.stop, k)), right.array[plus(right.start, k)])
            return Seq(array, left.start, plus(left.length, right.length), left.sort)
        k = z3.Int(PLACE)
        second = right.array[plus(minus(k, left.length), right.start)]
        array = z3.Lambda([k], z3.If(k < left.length, left.array[plus(left.start, k)], second))
        return Seq(array, 0, plus(left.length, right.length), left.sort)

    def append(self, value: Seq, item: Symbol) -> Seq:
        return Seq(self.store.put(value, value.stop, item), value.start, plus(value.length, 1), value.sort)

    def enter(self, table: Table, key: Symbol, value: Symbol) -> Table:
        """The dictionary after ``table[key] = value``."""
        packed = self.store.pack(key)
        count = table.count + ite(table.has[packed], 0, 1)
        values = z3.Store(table.values, packed, self.store.pack(value))
        return Table(z3.Store(table.has, packed, z3.BoolVal(True)), values, count, table.sort)

    def member(self, item: Symbol, base: Symbol) -> Term:
        store = self.store
        if isinstance(base, Table):
            return base.has[store.pack(item)]
        assert isinstance(base, Seq)
        if base.sort == (item.sort if isinstance(item, Seq) else None):
            return self._substring(item, base)
        if isinstance(base.length, int) and base.length <= SHORT:
            return disj([equal(store, store.item(base, plus(base.start, k)), item) for k in range(base.length)])
        j = z3.Int(store.name("j"))
        return exists([j], conj([base.start <= j, j < base.stop, equal(store, store.item(base, j), item)]))

    def _substring(self, item: Symbol, base: Seq) -> Term:
        assert isinstance(item, Seq)
        windows = Seq(base.array, 0, item.length, base.sort)
        if isinstance(base.length, int) and isinstance(item.length, int):
            places = range(base.length - item.length + 1)
            return disj([equal(self.store, _at(windows, plus(base.start, k)), item) for k in places])
        j = z3.Int(self.store.name("j"))
        fits = [base.start <= j, j + item.length <= base.stop]
        return exists([j], conj([*fits, equal(self.store, _at(windows, j), item)]))


def _at(window: Seq, start: Term) -> Seq:
    return Seq(window.array, start, window.length, window.sort)
