"""Equality by content, order, and choice between symbolic values."""

from __future__ import annotations

import z3

from selfplay.sandbox.checkers.contracts.logic import Term, conj, disj, forall, imp, ite, minus, plus, same
from selfplay.sandbox.checkers.contracts.values import SHORT, Record, Scalar, Seq, Store, Symbol, Table


def equal(store: Store, a: Symbol, b: Symbol) -> Term:
    """``a == b`` by content."""
    match a, b:
        case Scalar(x), Scalar(y):
            return same(x, y)
        case Record(xs), Record(ys):
            return conj([equal(store, x, y) for x, y in zip(xs, ys, strict=True)])
        case Table(), Table():
            return _equal_tables(store, a, b)
        case Seq(), Seq():
            return _equal_sequences(store, a, b)
    raise AssertionError("values of different types are never compared")


def _equal_sequences(store: Store, a: Seq, b: Seq) -> Term:
    if _is_same(a.array, b.array) and _is_same(a.start, b.start):
        return same(a.length, b.length)
    known = [length for length in (a.length, b.length) if isinstance(length, int)]
    if known and known[0] <= SHORT:
        pairs = [_equal_items(store, a, b, k) for k in range(known[0])]
        return conj([same(a.length, b.length), *pairs])
    k = z3.Int(store.name("k"))
    if _is_same(a.start, b.start):
        body = equal(store, store.raw(a, k), store.raw(b, k))
        return conj([same(a.length, b.length), forall([k], conj([a.start <= k, k < a.stop]), body)])
    there = equal(store, store.raw(a, k), store.raw(b, plus(minus(k, a.start), b.start)))
    back = equal(store, store.raw(a, plus(minus(k, b.start), a.start)), store.raw(b, k))
    sides = [(a, there), (b, back)]  # logically the same twice, but each with a trigger of its own
    return conj([same(a.length, b.length), *[forall([k], conj([s.start <= k, k < s.stop]), body) for s, body in sides]])


def _equal_items(store: Store, a: Seq, b: Seq, k: int) -> Term:
    return equal(store, store.raw(a, plus(a.start, k)), store.raw(b, plus(b.start, k)))


def _equal_tables(store: Store, a: Table, b: Table) -> Term:
    key = z3.Const(store.name("key"), store.sort(a.sort.key))
    values = equal(store, store.unpack(a.values[key], a.sort.value), store.unpack(b.values[key], b.sort.value))
    alike = conj([a.has[key] == b.has[key], imp(a.has[key], values)])
    return conj([same(a.count, b.count), forall([key], True, alike)])


def less(store: Store, a: Symbol, b: Symbol) -> Term:
    """``a < b`` of ints or strings."""
    if isinstance(a, Scalar) and isinstance(b, Scalar):
        return a.term < b.term
    assert isinstance(a, Seq) and isinstance(b, Seq)
    if a.length == 1 and b.length == 1 and isinstance(a.length, int) and isinstance(b.length, int):
        return a.array[a.start] < b.array[b.start]
    n, k = z3.Int(store.name("n")), z3.Int(store.name("k"))
    alike = forall([k], conj([k >= 0, k < n]), a.array[plus(a.start, k)] == b.array[plus(b.start, k)])
    ends = conj([same(n, a.length), n < b.length])
    differs = conj([n < a.length, n < b.length, a.array[plus(a.start, n)] < b.array[plus(b.start, n)]])
    return z3.Exists([n], conj([n >= 0, alike, disj([ends, differs])]))


def choose(test: Term, a: Symbol, b: Symbol) -> Symbol:
    """``a if test else b``."""
    match a, b:
        case Scalar(x), Scalar(y):
            return Scalar(ite(test, x, y))
        case Record(xs), Record(ys):
            return Record(tuple(choose(test, x, y) for x, y in zip(xs, ys, strict=True)))
        case Table(), Table():
            return Table(ite(test, a.has, b.has), ite(test, a.values, b.values), ite(test, a.count, b.count), a.sort)
        case Seq(), Seq():
            start = a.start if _is_same(a.start, b.start) else ite(test, a.start, b.start)
            length = a.length if _is_same(a.length, b.length) else ite(test, a.length, b.length)
            return Seq(ite(test, a.array, b.array), start, length, a.sort)
    raise AssertionError("both sides have the same type")


def _is_same(a: Term, b: Term) -> bool:
    if isinstance(a, int) or isinstance(b, int):
        return isinstance(a, int) and isinstance(b, int) and a == b
    return bool(a.eq(b))
