"""Text -> tree, by whitelist: ``3*x^2 + 1 = 2*y``, ``0 < x <= 9``, ``distinct(S, E, N, D)``, ``x = 1 or x/2 > y``.

Python's operators and precedence, read by Python's own parser and executed by nobody; `=` and `^` are taken for `==`
and `**`. Exponents are literals, and no expression may grow beyond `MAX_DEGREE`, counted so that powers of powers and
towers of constants are refused before anything is computed.
"""

from __future__ import annotations

import ast
import re
from typing import Any, Literal, cast

from selfplay.sandbox.checkers.algebra.tree import (
    Apply,
    Arith,
    Compare,
    Condition,
    Distinct,
    Expr,
    Logic,
    Not,
    Num,
    Power,
    Var,
    walk,
)
from selfplay.sandbox.checkers.contracts.faults import malformed
from selfplay.sandbox.checkers.contracts.source import read_expression, shown
from selfplay.sandbox.checkers.types import Limits

MAX_DEGREE = 24
"""Of an expression as written: x^2*y counts 3, (x^4)^5 counts 20; literals count like variables."""
MAX_ROOTS = 3
"""Square roots in one text: exact arithmetic with many is slow."""
FUNCTIONS = {"abs": (1, 1), "sqrt": (1, 1), "min": (2, 8), "max": (2, 8)}
"""Name -> fewest and most arguments."""
_WORDS = frozenset({*FUNCTIONS, "distinct"})
_LEGAL = re.compile(r"[A-Za-z0-9_\s+\-*/^()=<>!,%]*")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,19}")
_SINGLE_EQUALS = re.compile(r"(?<![=<>!])=(?!=)")
_ARITH: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip


def read_condition(text: str, limits: Limits) -> Condition:
    """Read an equation, an inequality, or several joined by ``and``, ``or``, ``not``.

    Raises:
        Fault: it is anything else, or too large.
    """
    found = _condition(_parse(text, limits))
    _check_roots(found)
    return found


def read_number(text: str, limits: Limits) -> Expr:
    """Read an expression without variables, such as ``3/2`` or ``(1 + sqrt(5))/2``.

    Raises:
        Fault: it is anything else, or too large.
    """
    found = _expr(_parse(text, limits))
    _check_roots(found)
    if any(isinstance(node, Var) for node in walk(found)):
        raise malformed(0, f"`{text.strip()[:40]}` is not a number")
    return found


def check_name(name: str) -> str:
    """The name, if a variable may have it.

    Raises:
        Fault: it may not.
    """
    if not _NAME.fullmatch(name) or name in _WORDS:
        raise malformed(0, f"{name[:40]!r} cannot be the name of a variable")
    return name


def _parse(text: str, limits: Limits) -> ast.expr:
    if not _LEGAL.fullmatch(text):
        strange = next(char for char in text if not _LEGAL.fullmatch(char))
        hint = "; write 1/2 for 0.5" if strange == "." else ""
        raise malformed(0, f"the character {strange!r} is not used here{hint}")
    if len(text) > limits.source_chars:
        raise malformed(0, f"the text has {len(text)} characters; at most {limits.source_chars} are read")
    return read_expression(" ".join(_SINGLE_EQUALS.sub("==", text).replace("^", "**").split()), limits)


def _condition(node: ast.expr) -> Condition:
    match node:
        case ast.Compare(left=left, ops=ops, comparators=rights):
            sides = [_expr(side) for side in (left, *rights)]
            if not all(type(op) in _COMPARE for op in ops):
                raise malformed(0, f"`{shown(node)}`: the comparisons are = != < <= > >=")
            words = [cast("Literal['==', '!=', '<', '<=', '>', '>=']", _COMPARE[type(op)]) for op in ops]
            pairs = tuple(map(Compare, words, sides, sides[1:]))
            return pairs[0] if len(pairs) == 1 else Logic("and", pairs)
        case ast.BoolOp(op=op, values=values):
            return Logic("and" if isinstance(op, ast.And) else "or", tuple(map(_condition, values)))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return Not(_condition(operand))
        case ast.Call(func=ast.Name(id="distinct"), args=args, keywords=[]) if 2 <= len(args) <= 20:
            return Distinct(tuple(map(_expr, args)))
    raise malformed(0, f"`{shown(node)}` is not an equation or inequality")


def _expr(node: ast.expr) -> Expr:
    found = _read_expr(node)
    if degree(found) > MAX_DEGREE:
        raise malformed(0, f"`{shown(node)}` grows beyond degree {MAX_DEGREE}")
    return found


def _read_expr(node: ast.expr) -> Expr:
    match node:
        case ast.Constant(value=value) if type(value) is int:
            return Num(value)
        case ast.Name(id=name):
            return Var(check_name(name))
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _expr(operand)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _expr(operand)
            return Num(-inner.value) if isinstance(inner, Num) else Arith("-", Num(0), inner)
        case ast.BinOp(left=base, op=ast.Pow(), right=ast.Constant(value=exponent)) if type(exponent) is int:
            if exponent > MAX_DEGREE:
                raise malformed(0, f"the exponent {shown(node.right)} is above {MAX_DEGREE}")
            return Power(_expr(base), exponent)
        case ast.BinOp(op=ast.Pow()):
            raise malformed(0, f"`{shown(node)}`: an exponent is a whole number from 0 to {MAX_DEGREE}")
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITH:
            return Arith(cast("Any", _ARITH[type(op)]), _expr(left), _expr(right))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            fewest, most = FUNCTIONS[name]
            if not fewest <= len(args) <= most:
                raise malformed(0, f"`{shown(node)}`: {name} takes {fewest} to {most} arguments")
            return Apply(cast("Any", name), tuple(map(_expr, args)))
    raise malformed(0, f"`{shown(node)}` is not in the language of expressions")


def degree(expr: Expr) -> int:
    """How fast an expression can grow; see `MAX_DEGREE`."""
    match expr:
        case Arith("*" | "/", left, right):
            return degree(left) + degree(right)
        case Arith(_, left, right):
            return max(degree(left), degree(right))
        case Power(base, exponent):
            return max(1, exponent) * degree(base)
        case Apply(_, args):
            return max(map(degree, args))
    return 1


def _check_roots(node: Condition | Expr) -> None:
    roots = sum(isinstance(part, Apply) and part.name == "sqrt" for part in walk(node))
    if roots > MAX_ROOTS:
        raise malformed(0, f"{roots} square roots; at most {MAX_ROOTS}")
