"""Concrete arithmetic: trees -> Python functions of an assignment. Alone refutes; does not know z3's solver.

z3 is imported for irrational roots only, where its exact arithmetic with algebraic numbers takes the place of
Fractions.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction
from math import isqrt
from typing import TypeAlias

from selfplay.sandbox.checkers.algebra.tree import (
    Apply,
    Arith,
    Assignment,
    Compare,
    Condition,
    Distinct,
    Expr,
    Fails,
    Logic,
    Not,
    Num,
    Number,
    Power,
    Var,
)


class Undefined(Exception):
    """A division by zero, or the root of a negative number."""


Value: TypeAlias = Callable[[Assignment], Number]
Truth: TypeAlias = Callable[[Assignment], bool]

_COMPARE = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def value_of(expr: Expr) -> Number:
    """The value of an expression without variables.

    Raises:
        Undefined: it has none.
    """
    return _whole(compile_value(expr)({}))


def compile_test(condition: Condition) -> Truth:
    """Whether a condition has a value and holds."""
    truth = compile_truth(condition)

    def test(env: Assignment) -> bool:
        try:
            return truth(env)
        except Undefined:
            return False

    return test


def compile_value(expr: Expr) -> Value:
    """An expression as a function, which raises `Undefined` where there is no value."""
    match expr:
        case Num(value):
            return lambda env: value
        case Var(name):
            return operator.itemgetter(name)
        case Arith(op, left, right):
            return _arith(op, compile_value(left), compile_value(right))
        case Power(base, exponent):
            inner = compile_value(base)
            return lambda env: _whole(inner(env) ** exponent)
        case Apply("sqrt", (arg,)):
            inner = compile_value(arg)
            return lambda env: root(inner(env))
        case Apply("abs", (arg,)):
            inner = compile_value(arg)
            return lambda env: value if (value := inner(env)) >= 0 else -value
        case Apply(name, args):
            values, pick = [compile_value(arg) for arg in args], min if name == "min" else max
            return lambda env: pick(value(env) for value in values)


def _arith(op: str, a: Value, b: Value) -> Value:
    match op:
        case "+":
            return lambda env: a(env) + b(env)
        case "-":
            return lambda env: a(env) - b(env)
        case "*":
            return lambda env: a(env) * b(env)
    divide = {"/": _divide, "//": operator.floordiv, "%": operator.mod}[op]

    def quotient(env: Assignment) -> Number:
        dividend, divisor = a(env), b(env)
        if divisor == 0:
            raise Undefined("division by zero")
        return divide(dividend, divisor)

    return quotient


def _divide(a: Number, b: Number) -> Number:
    return _whole(Fraction(a) / b if isinstance(a, int) else a / b)


def _whole(value: Number) -> Number:
    """Integers as ints, whatever they were computed from."""
    if isinstance(value, Fraction):
        return value.numerator if value.denominator == 1 else value
    if isinstance(value, int) or value.is_irrational():
        return value
    return _whole(value.as_fraction())


def root(value: Number) -> Number:
    """The square root, exact.

    Raises:
        Undefined: of a negative number.
    """
    if value < 0:
        raise Undefined("the root of a negative number")
    if isinstance(value, int | Fraction):
        above, below = isqrt(value.numerator), isqrt(value.denominator)
        if above * above == value.numerator and below * below == value.denominator:
            return _whole(Fraction(above, below))
        from z3.z3num import Numeral

        value = Numeral(str(value))
    return _whole(value.root(2))


def compile_truth(condition: Condition) -> Truth:
    """A condition as a function, which raises `Undefined` where there is no value."""
    match condition:
        case Compare(op, left, right):
            compare, a, b = _COMPARE[op], compile_value(left), compile_value(right)
            return lambda env: bool(compare(a(env), b(env)))
        case Logic("iff", (first, second)):
            one, two = compile_truth(first), compile_truth(second)
            return lambda env: one(env) == two(env)
        case Logic(op, parts):
            truths, both = [compile_truth(part) for part in parts], all if op == "and" else any
            return lambda env: both(truth(env) for truth in truths)
        case Not(part):
            inner = compile_truth(part)
            return lambda env: not inner(env)
        case Distinct(items):
            values = [compile_value(item) for item in items]
            return lambda env: _all_different([value(env) for value in values])
        case Fails(part):
            test = compile_test(part)
            return lambda env: not test(env)


def _all_different(values: list[Number]) -> bool:
    return not any(a == b for i, a in enumerate(values) for b in values[:i])
