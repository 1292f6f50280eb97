"""The types of the contract language: int, bool, str, list[T], tuple[...], dict[K, V], None."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TypeAlias

from selfplay.sandbox.checkers.contracts.faults import malformed


@dataclass(frozen=True, slots=True)
class Basic:
    """A type without parts."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class ListOf:
    item: Sort

    def __str__(self) -> str:
        return f"list[{self.item}]"


@dataclass(frozen=True, slots=True)
class TupleOf:
    items: tuple[Sort, ...]

    def __str__(self) -> str:
        return f"tuple[{', '.join(map(str, self.items))}]"


@dataclass(frozen=True, slots=True)
class DictOf:
    key: Sort
    value: Sort

    def __str__(self) -> str:
        return f"dict[{self.key}, {self.value}]"


@dataclass(eq=False, slots=True)
class Hole:
    """The not yet known item type of an empty list; filled in by the first use that tells."""

    filled: Sort | None = None

    def __str__(self) -> str:
        return str(self.filled) if self.filled else "?"


Sort: TypeAlias = "Basic | ListOf | TupleOf | DictOf | Hole"

INT, BOOL, STR, NONE = Basic("int"), Basic("bool"), Basic("str"), Basic("None")
_BASIC = {"int": INT, "bool": BOOL, "str": STR}


def settled(sort: Sort) -> Sort:
    """`sort` with its holes filled in; a hole that nothing filled is an int, since no item ever goes through it."""
    match sort:
        case Hole():
            return settled(sort.filled) if sort.filled else INT
        case ListOf(item):
            return ListOf(settled(item))
        case TupleOf(items):
            return TupleOf(tuple(map(settled, items)))
        case DictOf(key, value):
            return DictOf(settled(key), settled(value))
    return sort


def same(a: Sort, b: Sort) -> bool:
    """Whether two types are equal, filling in holes to make them so."""
    while isinstance(a, Hole) and a.filled:
        a = a.filled
    while isinstance(b, Hole) and b.filled:
        b = b.filled
    if a is b:
        return True
    if isinstance(a, Hole) or isinstance(b, Hole):
        hole, other = (a, b) if isinstance(a, Hole) else (b, a)
        assert isinstance(hole, Hole)
        hole.filled = other
        return True
    match a, b:
        case ListOf(x), ListOf(y):
            return same(x, y)
        case TupleOf(xs), TupleOf(ys):
            return len(xs) == len(ys) and all(map(same, xs, ys))
        case DictOf(k, v), DictOf(l, w):
            return same(k, l) and same(v, w)
    return a == b


def holds_lists(sort: Sort) -> bool:
    """Whether values of this type can be changed in place, or contain such values."""
    match sort:
        case Hole():
            return sort.filled is not None and holds_lists(sort.filled)
        case TupleOf(items):
            return any(map(holds_lists, items))
    return isinstance(sort, ListOf | DictOf)


def hashable(sort: Sort) -> bool:
    """Whether values of this type may be keys of dictionaries."""
    return sort in (INT, BOOL) or (isinstance(sort, TupleOf) and all(map(hashable, sort.items)))


def read_sort(node: ast.expr | None, what: str) -> Sort:
    """A type from its annotation.

    Raises:
        Fault: there is none, or it is not a type of this language.
    """
    match node:
        case None:
            raise malformed(0, f"{what} has no type annotation")
        case ast.Name(id=name) if name in _BASIC:
            return _BASIC[name]
        case ast.Constant(value=None):
            return NONE
        case ast.Subscript(value=ast.Name(id="list"), slice=item):
            return ListOf(read_sort(item, what))
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=items)) if len(items) > 1:
            return TupleOf(tuple(read_sort(item, what) for item in items))
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[key, value])):
            sort = DictOf(read_sort(key, what), read_sort(value, what))
            if hashable(sort.key):
                return sort
    allowed = "int, bool, str, list[T], tuple[T, U], dict[K, T] with keys of ints or bools"
    raise malformed(node.lineno, f"{what} has the type {ast.unparse(node)}; allowed are {allowed}")
