"""Concrete expressions: typed tree -> Python closures. With `interpreter`, one of two independent semantics.

Shares nothing with the encoder but the tree, so that the two can be tested against each other. Never runs text as code.
What CPython would raise becomes a `RunFault`; what would take too long or too much memory becomes `TooMuch`, which says
nothing about the program.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, TypeAlias

from selfplay.sandbox.checkers.contracts.tree import (
    Arith,
    Builtin,
    Call,
    Choice,
    Compare,
    Const,
    Display,
    Domain,
    Expr,
    Fold,
    Item,
    Join,
    Let,
    Logic,
    Lookup,
    Member,
    NewDict,
    Not,
    Old,
    Pair,
    Part,
    Quantifier,
    Repeat,
    Slice,
    Var,
)

Value: TypeAlias = Any
"""An int, bool, str, list, tuple, dict or None, as in CPython."""
Env: TypeAlias = dict[str, Value]
"""Variables by name; a parameter's value at entry under `at_entry(name)`."""
Code: TypeAlias = Callable[[Env], Value]

MAX_BITS = 4096
MAX_ITEMS = 10_000


class RunFault(Exception):
    """CPython would raise here (or the function would return nothing)."""

    def __init__(self, kind: str, line: int, text: str = "") -> None:
        super().__init__(f"{kind}{': ' if text else ''}{text}")
        self.kind, self.line = kind, line


class TooMuch(Exception):
    """Fuel, int size, list size or depth was exceeded: inconclusive."""


def at_entry(name: str) -> str:
    return f"{name} at entry"


class Evaluator:
    """Compiles expressions; `fuel` bounds the iterations and calls made by what it compiled."""

    def __init__(self) -> None:
        self.fuel = 0

    def burn(self, amount: int = 1) -> None:
        self.fuel -= amount
        if self.fuel < 0:
            raise TooMuch("out of fuel")

    def call(self, name: str, args: list[Value], line: int) -> Value:
        raise NotImplementedError

    def compile(self, node: Expr) -> Code:
        """A closure that evaluates `node` in an environment."""
        build = _BUILDERS[type(node)]
        return build(self, node)

    def _const(self, node: Const) -> Code:
        value = node.value
        return lambda env: value

    def _var(self, node: Var) -> Code:
        return operator.itemgetter(node.name)

    def _old(self, node: Old) -> Code:
        return operator.itemgetter(at_entry(node.name))

    def _not(self, node: Not) -> Code:
        value = self.compile(node.value)
        return lambda env: not value(env)

    def _logic(self, node: Logic) -> Code:
        parts = tuple(map(self.compile, node.parts))
        if node.op == "and":
            return lambda env: all(part(env) for part in parts)
        if node.op == "or":
            return lambda env: any(part(env) for part in parts)
        premise, conclusion = parts
        return lambda env: not premise(env) or conclusion(env)

    def _arith(self, node: Arith) -> Code:
        left, right, line = self.compile(node.left), self.compile(node.right), node.line
        match node.op:
            case "+":
                return lambda env: left(env) + right(env)
            case "-":
                return lambda env: left(env) - right(env)
            case "*":

                def product(env: Env) -> int:
                    value: int = left(env) * right(env)
                    if -(1 << 62) < value < 1 << 62 or value.bit_length() <= MAX_BITS:
                        return value
                    raise TooMuch("an int grew too large")

                return product
        divide = operator.floordiv if node.op == "//" else operator.mod

        def quotient(env: Env) -> int:
            over, under = left(env), right(env)
            if under == 0:
                raise RunFault("ZeroDivisionError", line)
            value: int = divide(over, under)
            return value

        return quotient

    def _compare(self, node: Compare) -> Code:
        left, right = self.compile(node.left), self.compile(node.right)
        test = _TESTS[node.op]
        return lambda env: test(left(env), right(env))

    def _choice(self, node: Choice) -> Code:
        test, then, otherwise = self.compile(node.test), self.compile(node.then), self.compile(node.otherwise)
        return lambda env: then(env) if test(env) else otherwise(env)

    def _call(self, node: Call) -> Code:
        args, name, line = tuple(map(self.compile, node.args)), node.name, node.line
        return lambda env: self.call(name, [arg(env) for arg in args], line)

    def _let(self, node: Let) -> Code:
        name, value, body = node.name, self.compile(node.value), self.compile(node.body)

        def named(env: Env) -> Value:
            env[name] = value(env)
            return body(env)

        return named

    def _builtin(self, node: Builtin) -> Code:
        args, line = tuple(map(self.compile, node.args)), node.line
        if node.name == "ord":

            def code_of(env: Env) -> int:
                text = args[0](env)
                if len(text) != 1:
                    raise RunFault("TypeError", line, "ord() of a string that is not one character")
                return ord(text)

            return code_of
        if node.name == "reversed":
            return lambda env: args[0](env)[::-1]
        function: Callable[..., Value] = _FUNCTIONS[node.name]
        return lambda env: function(*[arg(env) for arg in args])

    def _item(self, node: Item) -> Code:
        base, index, line = self.compile(node.base), self.compile(node.index), node.line

        def item(env: Env) -> Value:
            try:
                return base(env)[index(env)]
            except (IndexError, KeyError) as error:
                raise RunFault(type(error).__name__, line) from None

        return item

    def _part(self, node: Part) -> Code:
        base, number = self.compile(node.base), node.number
        return lambda env: base(env)[number]

    def _lookup(self, node: Lookup) -> Code:
        base, key, default = self.compile(node.base), self.compile(node.key), self.compile(node.default)
        return lambda env: base(env).get(key(env), default(env))

    def _slice(self, node: Slice) -> Code:
        base = self.compile(node.base)
        start = self.compile(node.start) if node.start else _none
        stop = self.compile(node.stop) if node.stop else _none
        return lambda env: base(env)[start(env) : stop(env)]

    def _member(self, node: Member) -> Code:
        item, base = self.compile(node.item), self.compile(node.base)
        return lambda env: item(env) in base(env)

    def _join(self, node: Join) -> Code:
        left, right = self.compile(node.left), self.compile(node.right)

        def joined(env: Env) -> Value:
            value = left(env) + right(env)
            self.burn(len(value) // 16)
            if len(value) > MAX_ITEMS:
                raise TooMuch("a list grew too long")
            return value

        return joined

    def _repeat(self, node: Repeat) -> Code:
        item, times = self.compile(node.item), self.compile(node.times)

        def repeated(env: Env) -> Value:
            count = times(env)
            if count > MAX_ITEMS:
                raise TooMuch("a list grew too long")
            self.burn(max(count, 0) // 16)
            return [item(env)] * count

        return repeated

    def _display(self, node: Display) -> Code:
        items = tuple(map(self.compile, node.items))
        return lambda env: [item(env) for item in items]

    def _pair(self, node: Pair) -> Code:
        items = tuple(map(self.compile, node.items))
        return lambda env: tuple([item(env) for item in items])

    def _dict(self, node: NewDict) -> Code:
        items = tuple((self.compile(key), self.compile(value)) for key, value in node.items)
        return lambda env: {key(env): value(env) for key, value in items}

    def domain(self, node: Domain) -> Callable[[Env], Iterator[tuple[Value, ...]]]:
        """The values of a domain's variables, one tuple for each iteration."""
        if node.items is not None:
            items, counted = self.compile(node.items), node.counted
            return lambda env: ((i, x) if counted else (x,) for i, x in enumerate(items(env)))
        assert node.start and node.stop
        start, stop, step = self.compile(node.start), self.compile(node.stop), node.step
        return lambda env: ((i,) for i in range(start(env), stop(env), step))

    def _quantifier(self, node: Quantifier) -> Code:
        domains = [(domain.names, self.domain(domain)) for domain in node.domains]
        body = self.compile(node.body)
        looked_for = node.kind == "any"

        def search(env: Env, depth: int) -> bool:
            if depth == len(domains):
                return bool(body(env)) is looked_for
            names, over = domains[depth]
            for values in over(env):
                self.burn()
                env.update(zip(names, values, strict=True))
                if search(env, depth + 1):
                    return True
            return False

        return lambda env: search(env, 0) is looked_for

    def _fold(self, node: Fold) -> Code:
        names, over = node.domain.names, self.domain(node.domain)
        test = self.compile(node.test) if node.test else _yes
        body, kind, line = self.compile(node.body), node.kind, node.line

        def items(env: Env) -> Iterator[Value]:
            for values in over(env):
                self.burn()
                env.update(zip(names, values, strict=True))
                if test(env):
                    yield body(env)

        def folded(env: Env) -> Value:
            if kind == "sum":
                return sum(items(env))
            found = list(islice(items(env), MAX_ITEMS))
            if kind == "list":
                return found
            if not found:
                raise RunFault("ValueError", line, f"{kind}() of nothing")
            return min(found) if kind == "min" else max(found)

        return folded


def _none(env: Env) -> Value:
    return None


def _yes(env: Env) -> Value:
    return True


_TESTS: dict[str, Callable[[Value, Value], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Value]] = {"abs": abs, "min": min, "max": max, "len": len, "sorted": sorted}
_BUILDERS: dict[type[Expr], Callable[..., Code]] = {
    Const: Evaluator._const, Var: Evaluator._var, Old: Evaluator._old, Not: Evaluator._not, Logic: Evaluator._logic,
    Arith: Evaluator._arith, Compare: Evaluator._compare, Choice: Evaluator._choice, Call: Evaluator._call,
    Builtin: Evaluator._builtin, Item: Evaluator._item, Part: Evaluator._part, Lookup: Evaluator._lookup,
    Slice: Evaluator._slice, Member: Evaluator._member, Join: Evaluator._join, Repeat: Evaluator._repeat,
    Display: Evaluator._display, Pair: Evaluator._pair, NewDict: Evaluator._dict, Quantifier: Evaluator._quantifier,
    Fold: Evaluator._fold, Let: Evaluator._let,
}  # fmt: skip
