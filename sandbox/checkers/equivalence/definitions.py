"""Functions without loops as definitions: each becomes one return expression, by substitution.

What is substituted may be evaluated less often than in the original (``x = 1 // n`` that is not needed), so whoever
uses a definition has to show separately that the original raises nothing and ends.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from copy import deepcopy

from selfplay.sandbox.checkers.types import Limits

REFERENCE = "reference"
"""What the last function is called as a definition; the others get it as a prefix."""
_CONTRACT = ("requires", "decreases")
Env = dict[str, ast.expr]
"""What the variables stand for, as expressions of the parameters."""


class NotOneExpression(Exception):
    """A function has loops, changes something in place, or would become too large."""


def definitions(functions: Sequence[ast.FunctionDef], limits: Limits) -> str | None:
    """The text of definitions that mean the same as these functions; `None` if they cannot be had."""
    names = {function.name: f"{REFERENCE}_{function.name}" for function in functions}
    names[functions[-1].name] = REFERENCE
    try:
        found = [_definition(function, names, limits) for function in functions]
    except (NotOneExpression, RecursionError):
        return None
    return "\n".join(ast.unparse(ast.fix_missing_locations(definition)) for definition in found)


def contract_and_body(function: ast.FunctionDef) -> tuple[dict[str, list[ast.Call]], list[ast.stmt]]:
    """The calls that state a function's contract, by word, and what follows them."""
    contract: dict[str, list[ast.Call]] = {"requires": [], "ensures": [], "decreases": []}
    body = list(function.body)
    while body:
        match body[0]:
            case ast.Expr(value=ast.Constant(value=str())):
                pass
            case ast.Expr(value=ast.Call(func=ast.Name(id=word)) as call) if word in contract:
                contract[word].append(call)
            case _:
                break
        body.pop(0)
    return contract, body


def _definition(function: ast.FunctionDef, names: dict[str, str], limits: Limits) -> ast.FunctionDef:
    contract, body = contract_and_body(function)
    kept: list[ast.stmt] = [ast.Expr(call) for word in _CONTRACT for call in contract[word]]
    value = ast.Return(_Inlining(limits.nodes).value(body, {}))
    new = ast.FunctionDef(names[function.name], function.args, [*kept, value], [], function.returns)
    return _Renamed(names).visit(deepcopy(new))  # type: ignore[no-any-return]


class _Renamed(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.names.get(node.id, node.id), node.ctx)


class _Substituted(ast.NodeTransformer):
    def __init__(self, values: Env) -> None:
        self.values = values
        self.taken = {*values, *(name for value in values.values() for name in _names(value))}

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return deepcopy(self.values.get(node.id, node))

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        if self.taken & set(_names(node.target)):
            raise NotOneExpression("a bound variable would capture another")
        return self.generic_visit(node)


def _names(node: ast.AST) -> list[str]:
    return [part.id for part in ast.walk(node) if isinstance(part, ast.Name)]


class _Inlining:
    """Turns one function's body into an expression, as long as its budget of syntax nodes lasts.

    Both branches of an `if` continue with a copy of what follows it, so forty of them would make 2^40 expressions.
    """

    def __init__(self, budget: int) -> None:
        self.left = budget

    def value(self, body: Sequence[ast.stmt], env: Env) -> ast.expr:
        """What a body returns, as an expression of the parameters."""
        if not body:
            raise NotOneExpression("returns nothing")
        first, rest = body[0], body[1:]
        match first:
            case ast.Return(value=ast.expr() as value):
                return self.substituted(value, env)
            case ast.If(test=test, body=then, orelse=otherwise):
                test = self.substituted(test, env)
                return ast.IfExp(test, self.value([*then, *rest], env), self.value([*otherwise, *rest], env))
            case ast.Assert() | ast.Pass():
                return self.value(rest, env)
        return self.value(rest, {**env, **self.assigned(first, env)})

    def assigned(self, statement: ast.stmt, env: Env) -> Env:
        """What a statement assigns to which variables."""
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                return {name: self.substituted(value, env)}
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                return {name: self.substituted(value, env)}
            case ast.AugAssign(target=ast.Name(id=name), op=op, value=value):
                return {name: self.substituted(ast.BinOp(ast.Name(name, ast.Load()), op, value), env)}
            case ast.Assign(targets=[ast.Tuple(elts=places)], value=ast.Tuple(elts=values)):
                names = [place.id for place in places if isinstance(place, ast.Name)]
                if len(names) == len(places) == len(values):
                    return {name: self.substituted(v, env) for name, v in zip(names, values, strict=True)}
        raise NotOneExpression("not a plain assignment")

    def substituted(self, node: ast.expr, env: Env) -> ast.expr:
        """An expression in which variables are replaced by their values."""
        self.left -= _size(node) + sum(_size(env[name]) for name in _names(node) if name in env)
        if self.left < 0:
            raise NotOneExpression("too large")
        found: ast.expr = _Substituted(env).visit(deepcopy(node))
        return found


def _size(node: ast.AST) -> int:
    return sum(1 for _ in ast.walk(node))
