"""The language of short functions, without Python's own `eval`: reading their text, and working out what they return.

    def f(a, n): return sum([x*n for x in a if x>2])          a: a list of ints, n: an int

    expression = whole number | a | n | x | expression OP expression | -expression | comparison
               | expression if expression else expression | expression[index or slice] | expression.count(expression)
               | sum, len, max, min, sorted or abs (...) | [expression for x in expression if expression ...]

`returns` computes what such a function returns; it takes a bounded number of steps, so any text may be given to it. It
knows no statements but `return` and no other names. It is for the games' own functions and for scripted players; what a
model wrote is run in the sandbox, whatever it looks like.

`canonical` is another matter: it takes any Python function, and tells how it looks whatever its arguments are called.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from selfplay.sandbox.syntax import parse

Value = int | bool | list[Any]
Args = tuple[list[int], int]
"""What a short function is called with: a list of ints and an int."""

LONGEST = 2000
"""Characters of a text that is read at all."""
DEEPEST = 40
"""Nodes within nodes, of the syntax tree."""
BUDGET = 5000
"""Expressions that are computed for one call; a list counts by its length."""
LARGEST = 10**12
"""No number on the way is larger, or smaller than minus this."""


class NotInLanguage(ValueError):
    """The text is no short function, or the call does not return: an error in it, or more than the budget."""


def returns(source: str, args: Sequence[object]) -> Value:
    """What the short function `source` returns for these arguments.

    Raises:
        NotInLanguage: it is none, or returns nothing.
    """
    names, body = _expression(source)
    if len(names) != len(args):
        raise NotInLanguage(f"it takes {len(names)} arguments, not {len(args)}")
    try:
        return _Call(dict(zip(names, args, strict=True))).value(body)  # type: ignore[no-any-return]
    except (ArithmeticError, IndexError, TypeError, ValueError) as error:
        raise NotInLanguage(f"{type(error).__name__}: {error}") from None


@lru_cache(maxsize=10_000)
def _expression(source: str) -> tuple[list[str], ast.expr]:
    """The arguments' names, and what is returned."""
    match body_of(source):
        case ast.FunctionDef(args=ast.arguments(args=names), body=[ast.Return(ast.expr() as body)]):
            return [name.arg for name in names], body
    raise NotInLanguage("def f(a, n): return ... was expected")


def body_of(source: str) -> ast.FunctionDef:
    """The one function that a text defines.

    Raises:
        NotInLanguage: it is no Python, or is anything but one function called f.
    """
    if len(source) > LONGEST:
        raise NotInLanguage(f"a program may have {LONGEST} characters, this has {len(source)}")
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NotInLanguage(f"this is no Python: {type(error).__name__}") from None
    if _depth(tree) > DEEPEST:
        raise NotInLanguage(f"more than {DEEPEST} things inside each other")
    match tree:
        case ast.Module(body=[ast.FunctionDef(name="f") as function]):
            return function
    raise NotInLanguage("one function called f was expected")


def canonical(source: str) -> str:
    """A function's body without what makes no difference: spaces, needless brackets, comments, names of arguments.

    Raises:
        NotInLanguage: it is no function called f.
    """
    function = body_of(source)
    names = {argument.arg: f"_{number}" for number, argument in enumerate(function.args.args)}
    return "\n".join(ast.unparse(_Renamed(names).visit(statement)) for statement in function.body)


def _depth(tree: ast.AST) -> int:
    """Nodes within nodes; counted without recursion, which the text could exhaust."""
    deepest, stack = 0, [(tree, 1)]
    while stack:
        node, depth = stack.pop()
        deepest = max(deepest, depth)
        stack += [(child, depth + 1) for child in ast.iter_child_nodes(node)]
    return deepest


class _Renamed(ast.NodeTransformer):
    """Gives variables other names."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Name(self._names.get(node.id, node.id), node.ctx)


_OPERATORS: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "sum": sum, "len": len, "max": max, "min": min, "sorted": sorted, "abs": abs,
}  # fmt: skip


class _Call:
    """One call: computes expressions over the values of names."""

    def __init__(self, names: dict[str, Any]) -> None:
        self._names = names
        self._left = BUDGET

    def value(self, node: ast.expr) -> Any:
        found = self._compute(node)
        self._left -= len(found) if isinstance(found, list) else 1
        if self._left < 0:
            raise NotInLanguage("it takes too long")
        if isinstance(found, int) and abs(found) > LARGEST:
            raise NotInLanguage("a number is too large")
        return found

    def _compute(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(int(number)):
                return number
            case ast.Name(name) if name in self._names:
                return self._names[name]
            case ast.UnaryOp(ast.USub(), inner):
                return -self._number(inner)
            case ast.BinOp(left, operation, right) if type(operation) in _OPERATORS:
                return _OPERATORS[type(operation)](self._number(left), self._number(right))
            case ast.Compare(left, [operation], [right]) if type(operation) in _OPERATORS:
                return _OPERATORS[type(operation)](self.value(left), self.value(right))
            case ast.IfExp(test, yes, no):
                return self.value(yes if self.value(test) else no)
            case ast.Subscript(of, ast.Slice(lower, upper, step)):
                bounds = [part if part is None else self._number(part) for part in (lower, upper, step)]
                return self.value(of)[slice(*bounds)]
            case ast.Subscript(of, index):
                return self.value(of)[self._number(index)]
            case ast.Call(ast.Name(name), arguments, []) if name in _FUNCTIONS:
                return _FUNCTIONS[name](*map(self.value, arguments))
            case ast.Call(ast.Attribute(of, "count"), [wanted], []):
                return self.value(of).count(self.value(wanted))
            case ast.ListComp(each, [loop]) | ast.GeneratorExp(each, [loop]):
                return self._comprehension(each, loop)
        raise NotInLanguage(f"{type(node).__name__} is not in the language")

    def _number(self, node: ast.expr) -> int:
        found = self.value(node)
        if not isinstance(found, int):
            raise NotInLanguage("a number was expected, not a list")
        return found

    def _comprehension(self, each: ast.expr, loop: ast.comprehension) -> list[Any]:
        match loop.target:
            case ast.Name(name):
                pass
            case _:
                raise NotInLanguage("a loop has one variable")
        outside = dict(self._names)
        results = []
        for item in self.value(loop.iter):
            self._names[name] = item
            if all(self.value(test) for test in loop.ifs):
                results.append(self.value(each))
        self._names = outside
        return results
