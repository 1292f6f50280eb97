"""Mutants: programs that differ from a known-right one in one small place, for measuring what a test suite is worth.

    constants     1 -> 2, 1 -> 0, True -> False, "a" -> ""
    operators     < -> <=, < -> >=, + -> -, and -> or, not x -> x, -x -> x
    branches      if a -> if not a (which swaps them), also in while and in conditional expressions
    off by one    range(n) -> range(n + 1), x[i] -> x[i + 1]
    statements    one left out; return x -> return

The idea is DeMillo, Lipton and Sayward's (1978, https://doi.org/10.1109/C-M.1978.218136); the operators are those of
the sufficient set of Offutt et al. (1996, https://doi.org/10.1145/227607.227610) and dropped statements. The same
source gives the same mutants. Whether one really behaves differently is not known here: have a `FunctionTask` judge it.
The source is parsed and never run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from selfplay.sandbox.syntax import parse

MAX_SOURCE = 10_000
"""Characters; more is no small function, and deep nesting is hard on the parser."""


class Mutant(NamedTuple):
    """A changed program."""

    source: str
    what: str
    """The change, for a person: the line of the original, and what was done there."""


class _Change(NamedTuple):
    """Another value for one field of one node."""

    owner: ast.AST
    field: str
    new: object
    line: int
    what: str


_SWAPS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Add,), ast.Div: (ast.Mult,), ast.FloorDiv: (ast.Mod,),
    ast.Mod: (ast.FloorDiv,), ast.Pow: (ast.Mult,), ast.LShift: (ast.RShift,), ast.RShift: (ast.LShift,),
    ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,), ast.BitXor: (ast.BitAnd,),
    ast.And: (ast.Or,), ast.Or: (ast.And,),
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
_KEPT = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Global | ast.Nonlocal
_NO_CODE = {"annotation", "returns", "decorator_list", "type_params"}


def mutants(source: str, most: int = 20) -> list[Mutant]:
    """Up to `most` mutants, all different, in the order of the source and taken evenly from all of it.

    Source that does not parse, or is longer than `MAX_SOURCE`, has none.
    """
    if len(source) > MAX_SOURCE:
        return []
    try:
        tree = parse(source)
        assert isinstance(tree, ast.Module)
        found = {ast.unparse(tree): ""}
        for change in _changes(tree):
            found.setdefault(_applied(tree, change), f"line {change.line}: {change.what}")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    each = [Mutant(text, what) for text, what in found.items()][1:]
    return [each[i * len(each) // most] for i in range(most)] if len(each) > most else each


def _applied(tree: ast.Module, change: _Change) -> str:
    old = getattr(change.owner, change.field)
    setattr(change.owner, change.field, change.new)
    try:
        return ast.unparse(ast.fix_missing_locations(tree))
    finally:
        setattr(change.owner, change.field, old)


def _changes(node: ast.AST, line: int = 1) -> Iterator[_Change]:
    """All changes at this node and below, in the order of the source."""
    line = getattr(node, "lineno", line)
    for field, new, what in (*_of_values(node), *_of_calls(node)):
        yield _Change(node, field, new, line, what)
    for field, value in ast.iter_fields(node):
        if field in _NO_CODE:
            continue
        if isinstance(value, ast.AST):
            for other, what in _instead(value):
                yield _Change(node, field, other, getattr(value, "lineno", line), what)
            yield from _changes(value, line)
        elif isinstance(value, list):
            yield from _in_list(node, field, value, line)


def _in_list(owner: ast.AST, field: str, values: list[object], line: int) -> Iterator[_Change]:
    for i, value in enumerate(values):
        if not isinstance(value, ast.AST) or _is_docstring(value):
            continue
        for other, what in _instead(value):
            yield _Change(owner, field, [*values[:i], other, *values[i + 1 :]], getattr(value, "lineno", line), what)
        yield from _changes(value, line)


def _instead(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """What may stand in the place of a node."""
    if isinstance(node, ast.UnaryOp):
        yield node.operand, f"{type(node.op).__name__} left out"
    elif isinstance(node, ast.stmt) and not isinstance(node, _KEPT | ast.Pass | ast.Return):
        yield ast.Pass(), f"{type(node).__name__} left out"
    for other in _SWAPS.get(type(node), ()):
        yield other(), f"{type(node).__name__} became {other.__name__}"


def _of_values(node: ast.AST) -> Iterator[tuple[str, object, str]]:
    """Other values for a node's own fields: constants, conditions, what is returned."""
    if isinstance(node, ast.Constant):
        for new in _other_constants(node.value):
            yield "value", new, f"{node.value!r:.40} became {new!r}"
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        yield "test", ast.UnaryOp(ast.Not(), node.test), f"the condition of {type(node).__name__} turned round"
    elif isinstance(node, ast.Return) and node.value is not None:
        yield "value", None, "nothing is returned"


def _of_calls(node: ast.AST) -> Iterator[tuple[str, object, str]]:
    """Ranges and indices that are off by one."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range" and node.args:
        end = min(1, len(node.args) - 1)
        for op in (ast.Add(), ast.Sub()):
            longer = ast.BinOp(node.args[end], op, ast.Constant(1))
            yield "args", [*node.args[:end], longer, *node.args[end + 1 :]], "the end of range() is off by one"
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name | ast.BinOp):
        yield "slice", ast.BinOp(node.slice, ast.Add(), ast.Constant(1)), "the index is off by one"


def _other_constants(value: object) -> list[object]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1] if value > 0 else [value + 1]  # a negative constant would need brackets
    if isinstance(value, float):
        return [value + 1.0]
    if isinstance(value, str):
        return ["" if value else "x"]
    return []


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
