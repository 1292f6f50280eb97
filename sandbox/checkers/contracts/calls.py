"""Calls, quantifiers and comprehensions, by whitelist."""

from __future__ import annotations

import ast
from typing import Literal

from selfplay.sandbox.checkers.contracts.faults import malformed
from selfplay.sandbox.checkers.contracts.scope import Scope
from selfplay.sandbox.checkers.contracts.sorts import BOOL, INT, STR, DictOf, ListOf, Sort, same
from selfplay.sandbox.checkers.contracts.source import shown
from selfplay.sandbox.checkers.contracts.tree import (
    Builtin,
    Call,
    Compare,
    Const,
    Domain,
    Expr,
    Fold,
    Let,
    Logic,
    Lookup,
    Old,
    Quantifier,
    Slice,
    Var,
)

FoldKind = Literal["sum", "min", "max", "list"]


class CallReader:
    """The part of the expression reader that deals with calls and bound variables."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def expr(self, node: ast.expr, want: Sort | None = None) -> Expr:
        raise NotImplementedError

    def call(self, node: ast.Call) -> Expr:
        """A call of a builtin, a method, a spec function or a function with a contract."""
        line, args = node.lineno, node.args
        if node.keywords or any(isinstance(arg, ast.Starred) for arg in args):
            raise malformed(line, f"`{shown(node)}`: keyword and starred arguments are outside the language")
        match node.func:
            case ast.Name(id=name):
                pass
            case ast.Attribute(value=base, attr=method):
                return self._method(node, self.expr(base), method)
            case _:
                raise malformed(line, f"`{shown(node)}` calls something that is not a name")
        names = self.scope.names
        if name in names.functions or name in names.specs:
            return self._own(name, args, line)
        match name, args:
            case "len", [arg]:
                value = self.expr(arg)
                if isinstance(value.sort, ListOf | DictOf) or value.sort == STR:
                    return Builtin(line, INT, "len", (value,))
            case "abs", [arg]:
                return Builtin(line, INT, "abs", (self.expr(arg, INT),))
            case (("min" | "max"), [_, _, *_]):
                return Builtin(line, INT, "min" if name == "min" else "max", tuple(self.expr(arg, INT) for arg in args))
            case (("min" | "max" | "sum"), [arg]):
                kind: FoldKind = "sum" if name == "sum" else "min" if name == "min" else "max"
                return self._folded(kind, arg, line)
            case (("all" | "any"), [arg]):
                return self._quantifier("all" if name == "all" else "any", arg, line)
            case "sorted", [arg]:
                value = self.expr(arg)
                if isinstance(value.sort, ListOf) and same(value.sort.item, INT):
                    return Builtin(line, value.sort, "sorted", (value,))
            case "ord", [arg]:
                return Builtin(line, INT, "ord", (self.expr(arg, STR),))
            case "list", [ast.Call(func=ast.Name(id="range"))]:
                element = ast.Name(id="i", ctx=ast.Load(), lineno=line)
                return self.fold("list", element, [ast.comprehension(element, args[0], [], 0)], line)
            case "list", [arg]:
                value = self.expr(arg)
                if isinstance(value.sort, ListOf):
                    return Slice(line, value.sort, value, None, None)
            case "implies", [premise, conclusion] if self.scope.specification:
                return Logic(line, BOOL, "implies", (self.expr(premise, BOOL), self.expr(conclusion, BOOL)))
            case "old", [ast.Name(id=parameter)] if self.scope.specification and parameter in self.scope.params:
                return Old(line, self.scope.params[parameter], parameter)
        raise malformed(line, f"`{shown(node)}` is not a call that the language knows, here and with these arguments")

    def _own(self, name: str, args: list[ast.expr], line: int) -> Expr:
        scope = self.scope
        is_spec = name in scope.names.specs
        function = scope.names.specs[name] if is_spec else scope.names.functions[name]
        if is_spec and not scope.specification:
            raise malformed(line, f"spec function {name!r} is called in code; only specifications may use it")
        if not is_spec and scope.specification:
            raise malformed(line, f"{name!r} is called in a specification; only spec functions may be")
        if not is_spec and scope.bound:
            raise malformed(line, f"{name!r} is called inside a comprehension; use a loop")
        if len(args) != len(function.params):
            raise malformed(line, f"{name!r} takes {len(function.params)} arguments, not {len(args)}")
        values = tuple(self.expr(arg, sort) for arg, (_, sort) in zip(args, function.params, strict=True))
        return Call(line, function.returns, name, values)

    def _method(self, node: ast.Call, base: Expr, method: str) -> Expr:
        line = node.lineno
        match base.sort, method, node.args:
            case DictOf(key, value), "get", [wanted, default]:
                return Lookup(line, value, base, self.expr(wanted, key), self.expr(default, value))
            case ListOf(item), "count", [wanted]:
                counted = self.expr(wanted, item)
                with self.scope.binding():
                    name, sought = (self.scope.bind(hint, item, line) for hint in ("item", "sought"))
                test = Compare(line, BOOL, "==", Var(line, item, name), Var(line, item, sought))
                count = Fold(line, INT, "sum", Domain((name,), items=base), test, Const(line, INT, 1))
                return Let(line, INT, sought, counted, count)
        raise malformed(line, f"`{shown(node)}`: .{method}() of {base.sort} is not known here")

    def _quantifier(self, kind: Literal["all", "any"], arg: ast.expr, line: int) -> Expr:
        if not isinstance(arg, ast.GeneratorExp | ast.ListComp):
            domain, item = self._over(arg, line)
            if not same(item.sort, BOOL):
                raise malformed(line, f"{kind}() of items that are {item.sort}")
            return Quantifier(line, BOOL, kind, (domain,), item)
        with self.scope.binding():
            domains, tests = [], []
            for generator in arg.generators:
                domains.append(self.domain(generator.iter, generator.target))
                tests += [self.expr(test, BOOL) for test in generator.ifs]
            body = self.expr(arg.elt, BOOL)
        if tests and kind == "all":
            test = tests[0] if len(tests) == 1 else Logic(line, BOOL, "and", tuple(tests))
            body = Logic(line, BOOL, "implies", (test, body))
        elif tests:
            body = Logic(line, BOOL, "and", (*tests, body))
        return Quantifier(line, BOOL, kind, tuple(domains), body)

    def _folded(self, kind: FoldKind, arg: ast.expr, line: int) -> Expr:
        if isinstance(arg, ast.GeneratorExp | ast.ListComp):
            return self.fold(kind, arg.elt, arg.generators, line)
        domain, item = self._over(arg, line)
        if not same(item.sort, INT):
            raise malformed(line, f"{kind}() of items that are {item.sort}")
        return Fold(line, INT, kind, domain, None, item)

    def _over(self, arg: ast.expr, line: int) -> tuple[Domain, Expr]:
        """The items of a list or range themselves."""
        with self.scope.binding():
            domain = self.domain(arg, ast.Name(id="item", ctx=ast.Load(), lineno=line))
            return domain, self.expr(ast.Name(id="item", ctx=ast.Load(), lineno=line))

    def fold(self, kind: FoldKind, element: ast.expr, generators: list[ast.comprehension], line: int) -> Expr:
        """A comprehension over one domain with at most one condition."""
        if len(generators) != 1 or len(generators[0].ifs) > 1:
            raise malformed(line, "a comprehension that makes a value has one `for` and at most one `if`")
        generator = generators[0]
        if generator.ifs and kind in ("min", "max"):
            raise malformed(line, f"{kind}() of a comprehension with a condition is outside the language")
        with self.scope.binding():
            domain = self.domain(generator.iter, generator.target)
            test = self.expr(generator.ifs[0], BOOL) if generator.ifs else None
            body = self.expr(element, None if kind == "list" else INT)
        return Fold(line, ListOf(body.sort) if kind == "list" else INT, kind, domain, test, body)

    def domain(self, over: ast.expr, target: ast.expr, *, loop: bool = False) -> Domain:
        """What a comprehension or (`loop`) a `for` statement goes over; binds the variables of a comprehension."""
        line = over.lineno
        match over:
            case ast.Call(func=ast.Name(id="range"), args=args) if 1 <= len(args) <= 3 and not over.keywords:
                ends = [self.expr(arg, INT) for arg in args]
                start, stop = (Const(line, INT, 0), ends[0]) if len(ends) == 1 else ends[:2]
                step = ends[2] if len(ends) == 3 else Const(line, INT, 1)
                if not isinstance(step, Const) or step.value == 0 or not (loop or step.value == 1):
                    raise malformed(line, "the step of range() must be a literal, not 0, and 1 in comprehensions")
                names = self._targets(target, [INT], loop, line)
                return Domain(names, start, stop, int(step.value))
            case ast.Call(func=ast.Name(id="enumerate"), args=[arg]) if not over.keywords:
                items, counted = self.expr(arg), True
            case _:
                items, counted = self.expr(over), False
        match items.sort:
            case ListOf(item):
                pass
            case _ if items.sort == STR:
                item = STR
            case _:
                raise malformed(line, f"`{shown(over)}` of type {items.sort} cannot be gone through")
        names = self._targets(target, [INT, item] if counted else [item], loop, line)
        return Domain(names, items=items, counted=counted)

    def _targets(self, target: ast.expr, sorts: list[Sort], loop: bool, line: int) -> tuple[str, ...]:
        nodes = target.elts if isinstance(target, ast.Tuple) else [target]
        names = [node.id for node in nodes if isinstance(node, ast.Name)]
        if len(names) != len(nodes) or len(names) != len(sorts) or len(set(names)) != len(names):
            raise malformed(line, f"`for {shown(target)}`: {len(sorts)} variable(s) are needed here")
        if loop:
            return tuple(names)
        return tuple(self.scope.bind(name, sort, line) for name, sort in zip(names, sorts, strict=True))
