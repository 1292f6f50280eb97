"""Concrete values from z3's models: candidates for counterexamples, to be replayed and never believed."""

from __future__ import annotations

from collections.abc import Sequence

import z3

from selfplay.sandbox.checkers.contracts.evaluate import Value
from selfplay.sandbox.checkers.contracts.logic import Term
from selfplay.sandbox.checkers.contracts.sorts import BOOL, INT, STR, ListOf, Sort, TupleOf
from selfplay.sandbox.checkers.contracts.values import Record, Scalar, Seq, Store, Symbol

MAX_ITEMS = 40


class NoValue(Exception):
    """The model gives no usable value."""


def arguments(model: z3.ModelRef, params: Sequence[tuple[Symbol, Sort]], store: Store) -> list[Value] | None:
    """The inputs that a model describes, if they are small enough to be run."""
    try:
        return [_value(model, symbol, sort, store) for symbol, sort in params]
    except (NoValue, z3.Z3Exception):
        return None


def _int(model: z3.ModelRef, term: Term) -> int:
    if isinstance(term, int):
        return term
    found = model.eval(term, model_completion=True)
    if not z3.is_int_value(found):
        raise NoValue
    return int(found.as_long())


def _value(model: z3.ModelRef, symbol: Symbol, sort: Sort, store: Store) -> Value:
    match symbol:
        case Scalar(term) if sort == INT:
            return _int(model, term)
        case Scalar(term) if sort == BOOL:
            return z3.is_true(model.eval(term, model_completion=True))
        case Record(parts) if isinstance(sort, TupleOf):
            return tuple(_value(model, part, item, store) for part, item in zip(parts, sort.items, strict=True))
        case Seq(array, start, length):
            first, count = _int(model, start), _int(model, length)
            if not 0 <= count <= MAX_ITEMS:
                raise NoValue
            item = sort.item if isinstance(sort, ListOf) else INT
            items = [_value(model, store.unpack(array[first + k], item), item, store) for k in range(count)]
            return "".join(chr(code % 128) for code in items) if sort == STR else items
    raise NoValue
