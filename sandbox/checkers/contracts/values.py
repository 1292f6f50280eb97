"""Symbolic values: what the encoder computes with.

Lists and strings are windows on z3 arrays (array, start, length), so that a slice costs nothing; dictionaries are two
arrays and a count. Inside arrays and function arguments they are packed into one term: a z3 datatype whose negative
lengths read as zero, so that every term stands for some value and no well-formedness has to be assumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import z3

from selfplay.sandbox.checkers.contracts.logic import (
    Term,
    ite,
    plus,
    term_of,
)
from selfplay.sandbox.checkers.contracts.sorts import BOOL, INT, STR, DictOf, ListOf, Sort, TupleOf

PLACE = "place"
"""Name of the bound variable of every lambda: equal lists then make equal terms. It never occurs free."""
SHORT = 8
"""Sequences of at most so many items, known when encoding, are treated item by item."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """An int or a bool."""

    term: Term


@dataclass(frozen=True, slots=True)
class Seq:
    """A list or string: ``array[start]``, ..., ``array[start + length - 1]``; characters are code points."""

    array: Term
    start: Term
    length: Term
    sort: Sort

    @property
    def item_sort(self) -> Sort:
        """What the array holds."""
        return self.sort.item if isinstance(self.sort, ListOf) else INT

    @property
    def stop(self) -> Term:
        return plus(self.start, self.length)


@dataclass(frozen=True, slots=True)
class Record:
    """A tuple."""

    parts: tuple[Symbol, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A dictionary: which keys it has, their values, and how many there are."""

    has: Term
    values: Term
    count: Term
    sort: DictOf


Symbol: TypeAlias = Scalar | Seq | Record | Table


class Store:
    """Makes and takes apart values in one z3 context; counts names so that a claim is always encoded alike."""

    def __init__(self) -> None:
        self._packed: dict[str, Term] = {}
        self._names = 0

    def name(self, hint: str) -> str:
        self._names += 1
        return f"{hint}!{self._names}"

    def sort(self, sort: Sort) -> Term:
        """The z3 sort of packed values."""
        if sort in (INT, BOOL):
            return z3.IntSort() if sort == INT else z3.BoolSort()
        key = str(sort)
        if key not in self._packed:
            datatype = z3.Datatype(f"packed {key}")
            datatype.declare("pack", *[(f"{i}", inner) for i, inner in enumerate(self._inside(sort))])
            self._packed[key] = datatype.create()
        return self._packed[key]

    def _inside(self, sort: Sort) -> list[Term]:
        match sort:
            case TupleOf(items):
                return [self.sort(item) for item in items]
            case DictOf(key, value):
                keys = self.sort(key)
                return [z3.ArraySort(keys, z3.BoolSort()), z3.ArraySort(keys, self.sort(value)), z3.IntSort()]
        item = sort.item if isinstance(sort, ListOf) else INT
        return [z3.ArraySort(z3.IntSort(), self.sort(item)), z3.IntSort()]

    def pack(self, value: Symbol) -> Term:
        match value:
            case Scalar(term):
                return term_of(term)
            case Record(parts):
                return self.sort(self.sort_of(value)).pack(*map(self.pack, parts))
            case Table(has, values, count, sort):
                return self.sort(sort).pack(has, values, term_of(count))
        return self.sort(value.sort).pack(self.unshifted(value), term_of(value.length))

    def unshifted(self, value: Seq) -> Term:
        """An array with the items from index 0."""
        if isinstance(value.start, int) and value.start == 0:
            return value.array
        if isinstance(value.length, int) and value.length <= SHORT:
            items = [self.raw(value, plus(value.start, k)) for k in range(value.length)]
            return self._array(value.item_sort, map(self.pack, items))
        k = z3.Int(PLACE)
        return z3.Lambda([k], value.array[plus(value.start, k)])

    def unpack(self, term: Term, sort: Sort) -> Symbol:
        if sort in (INT, BOOL):
            return Scalar(term)
        packed = self.sort(sort)
        get = [packed.accessor(0, i)(term) for i in range(packed.constructor(0).arity())]
        match sort:
            case TupleOf(items):
                return Record(tuple(self.unpack(part, item) for part, item in zip(get, items, strict=True)))
            case DictOf():
                return Table(get[0], get[1], ite(get[2] >= 0, get[2], 0), sort)
        return Seq(get[0], 0, ite(get[1] >= 0, get[1], 0), sort)

    def sort_of(self, value: Symbol) -> Sort:
        match value:
            case Scalar(term):
                return BOOL if isinstance(term, bool) or (z3.is_expr(term) and z3.is_bool(term)) else INT
            case Record(parts):
                return TupleOf(tuple(map(self.sort_of, parts)))
        return value.sort

    def flat_sorts(self, sort: Sort) -> list[Term]:
        """The z3 sorts of a value's terms as function arguments."""
        match sort:
            case TupleOf(items):
                return [flat for item in items for flat in self.flat_sorts(item)]
            case ListOf(item):
                return [z3.ArraySort(z3.IntSort(), self.sort(item)), z3.IntSort(), z3.IntSort()]
            case DictOf():
                return self._inside(sort)
        if sort == STR:
            return [z3.ArraySort(z3.IntSort(), z3.IntSort()), z3.IntSort(), z3.IntSort()]
        return [self.sort(sort)]

    def flat(self, value: Symbol) -> list[Term]:
        match value:
            case Scalar(term):
                return [term_of(term)]
            case Record(parts):
                return [flat for part in parts for flat in self.flat(part)]
            case Table(has, values, count):
                return [has, values, term_of(count)]
        return [value.array, term_of(value.start), term_of(value.length)]

    def symbols(self, hint: str, sort: Sort) -> tuple[Symbol, list[Term]]:
        """A value made of new constants, and the constants; what must hold of them is `proper`."""
        constants = [z3.Const(self.name(hint), flat) for flat in self.flat_sorts(sort)]
        return self._from_flat(list(constants), sort), constants

    def _from_flat(self, terms: list[Term], sort: Sort) -> Symbol:
        match sort:
            case TupleOf(items):
                return Record(tuple(self._from_flat(terms, item) for item in items))
            case DictOf():
                return Table(terms.pop(0), terms.pop(0), terms.pop(0), sort)
        if isinstance(sort, ListOf) or sort == STR:
            return Seq(terms.pop(0), terms.pop(0), terms.pop(0), sort)
        return Scalar(terms.pop(0))

    def proper(self, value: Symbol) -> list[Term]:
        """What holds of every value of its type."""
        match value:
            case Record(parts):
                return [fact for part in parts for fact in self.proper(part)]
            case Seq(length=length):
                return [length >= 0]
            case Table(count=count):
                return [count >= 0]
        return []

    def fresh(self, hint: str, sort: Sort) -> tuple[Symbol, list[Term]]:
        """A new variable, starting at index 0 if it is a sequence, and what holds of it."""
        value, _ = self.symbols(hint, sort)
        value = from_zero(value)
        return value, self.proper(value)

    def raw(self, value: Seq, index: Term) -> Symbol:
        """The item at an absolute index, a character as its code point."""
        return self.unpack(value.array[index], value.item_sort)

    def item(self, value: Seq, index: Term) -> Symbol:
        """The item at an absolute index; a character is a string."""
        if isinstance(value.sort, ListOf):
            return self.unpack(value.array[index], value.sort.item)
        return Seq(value.array, index, 1, STR)

    def put(self, value: Seq, index: Term, item: Symbol) -> Term:
        """The array with another item at an absolute index."""
        packed = item.array[item.start] if value.sort == STR and isinstance(item, Seq) else self.pack(item)
        return z3.Store(value.array, term_of(index), packed)

    def sequence(self, sort: Sort, items: Sequence[Symbol | int]) -> Seq:
        """A list or string of known items (code points for a string)."""
        item = sort.item if isinstance(sort, ListOf) else INT
        packed = (z3.IntVal(value) if isinstance(value, int) else self.pack(value) for value in items)
        return Seq(self._array(item, packed), 0, len(items), sort)

    def _array(self, item: Sort, packed: Iterable[Term]) -> Term:
        array = z3.Const(f"nothing {item}", z3.ArraySort(z3.IntSort(), self.sort(item)))
        for index, value in enumerate(packed):
            array = z3.Store(array, z3.IntVal(index), value)
        return array


def from_zero(value: Symbol) -> Symbol:
    """A new variable's sequences start at index 0; any other start would say nothing more."""
    match value:
        case Record(parts):
            return Record(tuple(map(from_zero, parts)))
        case Seq(array, _, length, sort):
            return Seq(array, 0, length, sort)
    return value
