"""Connectives over z3 terms that may also be plain Python ints and bools, which they fold away.

Small terms make proofs cheaper and quantifier triggers cleaner, so literals stay Python values as long as they can.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import z3

Term: TypeAlias = Any
"""A z3 expression, or the Python int or bool that it would be equal to."""


def conj(parts: Sequence[Term]) -> Term:
    kept = [part for part in parts if part is not True]
    if any(part is False for part in kept):
        return False
    return True if not kept else kept[0] if len(kept) == 1 else z3.And(kept)


def disj(parts: Sequence[Term]) -> Term:
    kept = [part for part in parts if part is not False]
    if any(part is True for part in kept):
        return True
    return False if not kept else kept[0] if len(kept) == 1 else z3.Or(kept)


def neg(part: Term) -> Term:
    return not part if isinstance(part, bool) else z3.Not(part)


def imp(premise: Term, conclusion: Term) -> Term:
    if premise is True or conclusion is True:
        return conclusion
    if premise is False:
        return True
    return neg(premise) if conclusion is False else z3.Implies(premise, conclusion)


def ite(test: Term, then: Term, otherwise: Term) -> Term:
    if isinstance(test, bool):
        return then if test else otherwise
    if then is otherwise:
        return then
    if isinstance(then, bool) or isinstance(otherwise, bool):
        then, otherwise = boolean(then), boolean(otherwise)
    elif isinstance(then, int) and isinstance(otherwise, int):
        then = z3.IntVal(then)
    return z3.If(test, then, otherwise)


def same(a: Term, b: Term) -> Term:
    """``a == b``; terms that are one and the same are equal without asking."""
    if isinstance(a, bool) and isinstance(b, bool | int):
        return a == b
    if isinstance(a, z3.ExprRef) and isinstance(b, z3.ExprRef) and a.eq(b):
        return True
    return a == b


def boolean(term: Term) -> Term:
    return z3.BoolVal(term) if isinstance(term, bool) else term


def plus(a: Term, b: Term) -> Term:
    if isinstance(a, int) and a == 0:
        return b
    return a if isinstance(b, int) and b == 0 else a + b


def minus(a: Term, b: Term) -> Term:
    return a if isinstance(b, int) and b == 0 else a - b


def term_of(value: Term) -> Term:
    """A z3 expression for certain."""
    if isinstance(value, bool):
        return z3.BoolVal(value)
    return z3.IntVal(value) if isinstance(value, int) else value


def forall(bound: Sequence[Term], premise: Term, body: Term) -> Term:
    if not bound:
        return imp(premise, body)
    inner = imp(premise, body)
    return inner if isinstance(inner, bool) else z3.ForAll(list(bound), inner)


def exists(bound: Sequence[Term], body: Term) -> Term:
    return body if isinstance(body, bool) or not bound else z3.Exists(list(bound), body)


def lesser(a: Term, b: Term) -> Term:
    return min(a, b) if isinstance(a, int) and isinstance(b, int) else ite(a <= b, a, b)


def greater(a: Term, b: Term) -> Term:
    return max(a, b) if isinstance(a, int) and isinstance(b, int) else ite(a >= b, a, b)


def quotient(a: Term, b: Term) -> Term:
    """Python's ``//`` for b != 0. z3's own division rounds so that the remainder is never negative."""
    if isinstance(b, int):
        if isinstance(a, int):
            return a // b if b else 0
        return a / b if b > 0 else (-a) / (-b) if b < 0 else z3.IntVal(0)
    a = term_of(a)
    return z3.If(b > 0, a / b, (-a) / (-b))


def remainder(a: Term, b: Term) -> Term:
    """Python's ``%`` for b != 0: it has the sign of `b`."""
    if isinstance(b, int):
        if isinstance(a, int):
            return a % b if b else 0
        return a % b if b > 0 else -((-a) % (-b)) if b < 0 else z3.IntVal(0)
    a = term_of(a)
    return z3.If(b > 0, a % b, -((-a) % (-b)))
