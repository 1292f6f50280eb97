"""Expressions and conditions over numbers: what texts are read into, and what evaluator and encoder both read.

Numbers are exact: ints, `Fraction`s, and real algebraic numbers (z3's `Numeral`) where a root is irrational. A
condition that has no value somewhere (1/0, the root of a negative number) does not hold there; `and` and `or` look at
their parts from left to right and only as far as needed, as in Python.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Number: TypeAlias = Any
"""int, Fraction, or `z3.z3num.Numeral` for irrational numbers."""
Assignment: TypeAlias = dict[str, Number]


@dataclass(frozen=True, slots=True)
class Num:
    value: Number


@dataclass(frozen=True, slots=True)
class Var:
    name: str


@dataclass(frozen=True, slots=True)
class Arith:
    """``/`` divides exactly; ``//`` and ``%`` round down and take integers only."""

    op: Literal["+", "-", "*", "/", "//", "%"]
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Power:
    """`exponent` is a literal that is not negative."""

    base: Expr
    exponent: int


@dataclass(frozen=True, slots=True)
class Apply:
    name: Literal["abs", "min", "max", "sqrt"]
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    op: Literal["==", "!=", "<", "<=", ">", ">="]
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Logic:
    """``iff``: both parts have the same truth value."""

    op: Literal["and", "or", "iff"]
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Condition


@dataclass(frozen=True, slots=True)
class Distinct:
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Fails:
    """`part` does not hold or has no value; unlike `Not` it always has a value itself."""

    part: Condition


Expr: TypeAlias = Num | Var | Arith | Power | Apply
Condition: TypeAlias = Compare | Logic | Not | Distinct | Fails
Node: TypeAlias = Expr | Condition


def children(node: Node) -> tuple[Node, ...]:
    """The parts of a node, in order."""
    match node:
        case Arith(_, left, right) | Compare(_, left, right):
            return (left, right)
        case Power(base, _):
            return (base,)
        case Apply(_, args):
            return args
        case Logic(_, parts):
            return parts
        case Not(part) | Fails(part):
            return (part,)
        case Distinct(items):
            return items
    return ()


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def names(node: Node) -> set[str]:
    """The variables that occur."""
    return {part.name for part in walk(node) if isinstance(part, Var)}


def differs(from_: Assignment) -> Condition:
    """At least one variable has another value."""
    parts = tuple(Compare("!=", Var(name), Num(value)) for name, value in sorted(from_.items()))
    return parts[0] if len(parts) == 1 else Logic("or", parts)
