"""Whole programs: functions with their contracts, from a file or from a problem and a solution.

The contract of the entry function always comes from the problem. Where a file is both problem and solution, its last
function is the entry, and its contract is taken out of the file first.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from selfplay.sandbox.checkers.contracts.aliasing import refuse_aliasing
from selfplay.sandbox.checkers.contracts.faults import Fault, malformed, unsafe
from selfplay.sandbox.checkers.contracts.problem import Problem
from selfplay.sandbox.checkers.contracts.scope import Names, Scope
from selfplay.sandbox.checkers.contracts.settle import settle
from selfplay.sandbox.checkers.contracts.sorts import INT, NONE, Sort, read_sort
from selfplay.sandbox.checkers.contracts.source import read_expression, read_module, shown
from selfplay.sandbox.checkers.contracts.statements import BodyReader, returned_names, split_contract
from selfplay.sandbox.checkers.contracts.tree import Clause, Function
from selfplay.sandbox.checkers.types import Blame, Limits


class ProgramReader:
    """Reads definitions one after the other; each may use those before it, and itself."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.names = Names()
        self._fresh: set[str] = set()

    def definitions(self, text: str) -> list[ast.FunctionDef]:
        """The functions of a module, which holds nothing else (docstrings and the language's own import aside).

        Raises:
            Fault: it holds something else.
        """
        found = []
        for node in read_module(text, self.limits).body:
            match node:
                case ast.FunctionDef():
                    found.append(node)
                case ast.ImportFrom() | ast.Expr(value=ast.Constant(value=str())):
                    pass
                case _:
                    raise malformed(node.lineno, f"`{shown(node)}`: only function definitions are read here")
        return found

    def function(self, node: ast.FunctionDef, problem: Problem | None = None) -> Function:
        """Read a function; with `problem` it is the entry and takes its contract from there."""
        scope = Scope(self.names, {})
        self.names.claim(node.name, node.lineno, "a function")
        if node.decorator_list:
            raise malformed(node.lineno, "the only decorator is @spec")
        params = _params(node) if problem is None else _same_params(node, problem)
        returns = read_sort(node.returns, "the result") if problem is None else _sort(problem.returns, "the result")
        function = Function(node.name, node.lineno, params, returns)
        self._enter(scope, function)
        reader = BodyReader(scope, returns)
        if problem is None:
            ensures, rest = _take_contract(reader, function, node.body)
        else:
            ensures, rest = [], self._no_contract(reader, function, node.body)
            self._contract(reader, function, problem)
        with scope.specifying(returns if returns != NONE else None):
            function.ensures += reader.clauses(ensures)
        self.names.functions[node.name] = function
        reader.hints = returned_names(rest, returns)
        function.body, _ = reader.block(rest)
        function.recursive = _calls(rest, node.name)
        if function.recursive and not function.measure:
            raise malformed(node.lineno, f"{node.name!r} calls itself and needs a decreases(...) that gets smaller")
        settle(function)
        if refuse_aliasing(function, self._fresh):
            self._fresh.add(node.name)
        return function

    def spec(self, node: ast.FunctionDef) -> Function:
        """Read a spec function: one return expression over its parameters."""
        scope = Scope(self.names, {}, specification=True)
        self.names.claim(node.name, node.lineno, "a function")
        function = Function(node.name, node.lineno, _params(node), read_sort(node.returns, "the result"))
        self._enter(scope, function)
        reader = BodyReader(scope, function.returns)
        ensures, rest = _take_contract(reader, function, node.body)
        match rest:
            case [ast.Return(value=ast.expr() as value)] if not ensures and function.returns != NONE:
                pass
            case _:
                raise malformed(
                    node.lineno, f"spec function {node.name!r} must be one return statement, without ensures"
                )
        self.names.specs[node.name] = function
        function.value = reader.expr(value, function.returns)
        function.recursive = _calls(rest, node.name)
        if function.recursive and not function.measure:
            raise malformed(node.lineno, f"{node.name!r} calls itself and needs a decreases(...) that gets smaller")
        settle(function)
        return function

    def _enter(self, scope: Scope, function: Function) -> None:
        for name, sort in function.params:
            self.names.claim(name, function.line, "a parameter")
            if name in scope.sorts or name == function.name:
                raise malformed(function.line, f"the name {name!r} is used twice")
            scope.sorts[name] = scope.params[name] = sort
            scope.defined.add(name)

    def _no_contract(self, reader: BodyReader, function: Function, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        requires, ensures, rest = split_contract(body, ("requires", "ensures"))
        _, measures, rest = split_contract(rest, ("", "decreases"))
        if requires or ensures:
            line = (requires or ensures)[0].lineno
            raise malformed(line, f"{function.name!r} has its contract from the problem and must not state one")
        _take_measure(reader, function, measures)
        return rest

    def _contract(self, reader: BodyReader, function: Function, problem: Problem) -> None:
        """Attach the problem's contract.

        Raises:
            Fault: a clause is outside the language; the proposer is to blame.
        """
        try:
            for text in problem.requires:
                with reader.scope.specifying():
                    function.requires += self._clause(reader, text)
            for text in problem.ensures:
                with reader.scope.specifying(function.returns):
                    function.ensures += self._clause(reader, text)
        except Fault as fault:
            fault.blame, fault.line = Blame.PROPOSER, 0
            raise

    def _clause(self, reader: BodyReader, text: str) -> list[Clause]:
        node = read_expression(text, self.limits)
        for part in ast.walk(node):
            if hasattr(part, "lineno"):
                part.lineno = 0
        return reader.clause(node)


def _take_contract(
    reader: BodyReader, function: Function, body: Sequence[ast.stmt]
) -> tuple[list[ast.Call], list[ast.stmt]]:
    """Read `requires` and `decreases` into the function; the `ensures` calls and the body proper are left."""
    found: dict[str, list[ast.Call]] = {"requires": [], "ensures": [], "decreases": []}
    rest = list(body)
    while rest:
        match rest[0]:
            case ast.Expr(value=ast.Constant(value=str())):
                pass
            case ast.Expr(value=ast.Call(func=ast.Name(id=word), keywords=[]) as call) if word in found:
                found[word].append(call)
            case _:
                break
        rest.pop(0)
    with reader.scope.specifying():
        function.requires += reader.clauses(found["requires"])
    _take_measure(reader, function, found["decreases"])
    return [_without_lambda(call) for call in found["ensures"]], rest


def _take_measure(reader: BodyReader, function: Function, calls: list[ast.Call]) -> None:
    if len(calls) > 1:
        raise malformed(calls[1].lineno, "one decreases(...) is enough; several measures are separated by commas")
    with reader.scope.specifying():
        function.measure = tuple(reader.expr(arg, INT) for call in calls for arg in call.args)


def _without_lambda(call: ast.Call) -> ast.Call:
    """``ensures(lambda result: x)`` as ``ensures(x)``."""
    match call.args:
        case [ast.Lambda(args=ast.arguments(args=[ast.arg(arg="result")], defaults=[]), body=body)]:
            call.args = [body]
    return call


def _params(node: ast.FunctionDef) -> tuple[tuple[str, Sort], ...]:
    _only_plain(node)
    return tuple((arg.arg, read_sort(arg.annotation, f"parameter {arg.arg!r}")) for arg in node.args.args)


def _only_plain(node: ast.FunctionDef) -> None:
    args = node.args
    if args.posonlyargs or args.kwonlyargs or args.vararg or args.kwarg or args.defaults:
        raise malformed(node.lineno, "parameters have no defaults, stars or slashes")


def _same_params(node: ast.FunctionDef, problem: Problem) -> tuple[tuple[str, Sort], ...]:
    """The problem's parameters; the solver may repeat the types or leave them out."""
    _only_plain(node)
    wanted = tuple((name, _sort(sort, f"parameter {name!r}")) for name, sort in problem.params)
    given = [arg.arg for arg in node.args.args]
    if given != [name for name, _ in wanted]:
        raise malformed(node.lineno, f"{node.name!r} takes {given}; the problem says {[name for name, _ in wanted]}")
    annotated = [(arg.annotation, sort) for arg, (_, sort) in zip(node.args.args, wanted, strict=True)]
    annotated.append((node.returns, _sort(problem.returns, "the result")))
    for annotation, sort in annotated:
        if annotation is not None and read_sort(annotation, "it") != sort:
            raise malformed(node.lineno, f"the type {ast.unparse(annotation)} should be {sort}, as the problem says")
    return wanted


def _sort(text: str, what: str) -> Sort:
    try:
        return read_sort(read_expression(text, Limits()), what)
    except Fault as fault:
        fault.blame, fault.line = Blame.PROPOSER, 0
        raise


def _calls(body: list[ast.stmt], name: str) -> bool:
    nodes = (node for statement in body for node in ast.walk(statement))
    return any(isinstance(node, ast.Name) and node.id == name for node in nodes)


def is_spec(node: ast.FunctionDef) -> bool:
    """Whether a definition is marked with ``@spec``."""
    match node.decorator_list:
        case []:
            return False
        case [ast.Name(id="spec")]:
            return True
    raise unsafe(node.lineno, f"the decorator @{shown(node.decorator_list[0])}; the only one is @spec")
