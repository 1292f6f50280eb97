"""Expressions as z3 terms: reading one gives its value and leaves in the ledger what must hold for it to be defined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import z3

from selfplay.sandbox.checkers.contracts import logic
from selfplay.sandbox.checkers.contracts.compare import choose, equal, less
from selfplay.sandbox.checkers.contracts.containers import Containers
from selfplay.sandbox.checkers.contracts.logic import (
    Term,
    conj,
    disj,
    exists,
    forall,
    imp,
    ite,
    minus,
    neg,
    quotient,
    remainder,
)
from selfplay.sandbox.checkers.contracts.sorts import DictOf
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
from selfplay.sandbox.checkers.contracts.values import PLACE, Record, Scalar, Seq, Symbol, Table

Variables = Mapping[str, Symbol]


@dataclass(frozen=True, slots=True)
class Span:
    """The values that a domain's index takes, and what the bound variables are for each."""

    index: Term
    low: Term
    high: Term
    bound: dict[str, Symbol]

    @property
    def inside(self) -> Term:
        return conj([self.low <= self.index, self.index < self.high])


class Terms(Containers):
    """Reads expressions; what needs the whole program is added by `Encoder`."""

    def call(self, node: Call, args: list[Symbol]) -> Symbol:
        raise NotImplementedError

    def fold(self, node: Fold, env: Variables) -> Symbol:
        raise NotImplementedError

    def sorted(self, value: Seq) -> Symbol:
        raise NotImplementedError

    def compare_sorted(self, left: Expr, right: Expr, env: Variables) -> Term:
        """``left == right``, where at least one of them is a call of `sorted`."""
        raise NotImplementedError

    def truth(self, node: Expr, env: Variables) -> Term:
        """A bool expression."""
        value = self.read(node, env)
        assert isinstance(value, Scalar)
        return value.term

    def number(self, node: Expr, env: Variables) -> Term:
        """An int expression."""
        return self.truth(node, env)

    def seq(self, node: Expr, env: Variables) -> Seq:
        value = self.read(node, env)
        assert isinstance(value, Seq)
        return value

    def read(self, node: Expr, env: Variables) -> Symbol:
        """The value of any expression."""
        match node:
            case Const(value=value):
                return (
                    self.store.sequence(node.sort, list(map(ord, value))) if isinstance(value, str) else Scalar(value)
                )
            case Var(name=name):
                return env[name]
            case Old(name=name):
                return env[f"old {name}"]
            case Not(value=inner):
                return Scalar(neg(self.truth(inner, env)))
            case Logic():
                return Scalar(self._logic(node, env))
            case Arith():
                return Scalar(self._arith(node, env))
            case Compare():
                return Scalar(self._compare(node, env))
            case Choice():
                return self._choice(node, env)
            case Call(args=args):
                return self.call(node, [self.read(arg, env) for arg in args])
            case Builtin():
                return self._builtin(node, env)
            case Pair(items=items):
                return Record(tuple(self.read(item, env) for item in items))
            case Part(base=base, number=number):
                record = self.read(base, env)
                assert isinstance(record, Record)
                return record.parts[number]
            case Quantifier():
                return Scalar(self._quantifier(node, env))
            case Fold():
                return self.fold(node, env)
            case Let(name=name, value=inner, body=body):
                return self.read(body, {**env, name: self.read(inner, env)})
            case Member(item=item, base=base):
                return Scalar(self.member(self.read(item, env), self.read(base, env)))
        return self._container(node, env)

    def _container(self, node: Expr, env: Variables) -> Symbol:
        match node:
            case Item():
                return self._item(node, env)
            case Lookup(base=base, key=key, default=default):
                table = self.read(base, env)
                assert isinstance(table, Table)
                packed = self.store.pack(self.read(key, env))
                found = self.store.unpack(table.values[packed], table.sort.value)
                return choose(table.has[packed], found, self.read(default, env))
            case Slice():
                return self._slice(node, env)
            case Join(left=left, right=right):
                return self.join(self.seq(left, env), self.seq(right, env))
            case Repeat(item=item, times=times):
                one, count = self.store.pack(self.read(item, env)), self.number(times, env)
                length = max(count, 0) if isinstance(count, int) else ite(count >= 0, count, 0)
                return Seq(z3.K(z3.IntSort(), one), 0, length, node.sort)
            case Display(items=items):
                return self.store.sequence(node.sort, [self.read(item, env) for item in items])
            case NewDict():
                return self._dict(node, env)
        raise AssertionError(f"no encoding for {type(node).__name__}")

    def _logic(self, node: Logic, env: Variables) -> Term:
        first, *rest = node.parts
        terms = [self.truth(first, env)]
        go_on = neg if node.op == "or" else _itself
        depth = len(self._around)
        for part in rest:
            self._around.append(([], go_on(terms[-1])))
            terms.append(self.truth(part, env))
        del self._around[depth:]
        if node.op == "implies":
            return imp(*terms)
        return conj(terms) if node.op == "and" else disj(terms)

    def _arith(self, node: Arith, env: Variables) -> Term:
        left, right = self.number(node.left, env), self.number(node.right, env)
        match node.op:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
        self.check(right != 0, "division", node.line)
        return quotient(left, right) if node.op == "//" else remainder(left, right)

    def _compare(self, node: Compare, env: Variables) -> Term:
        if any(isinstance(side, Builtin) and side.name == "sorted" for side in (node.left, node.right)):
            alike = self.compare_sorted(node.left, node.right, env)
            return alike if node.op == "==" else neg(alike)
        left, right = self.read(node.left, env), self.read(node.right, env)
        match node.op:
            case "==":
                return equal(self.store, left, right)
            case "!=":
                return neg(equal(self.store, left, right))
            case "<":
                return less(self.store, left, right)
            case ">":
                return less(self.store, right, left)
            case "<=":
                if isinstance(left, Scalar) and isinstance(right, Scalar):
                    return left.term <= right.term
                return neg(less(self.store, right, left))
        if isinstance(left, Scalar) and isinstance(right, Scalar):
            return left.term >= right.term
        return neg(less(self.store, left, right))

    def _choice(self, node: Choice, env: Variables) -> Symbol:
        test = self.truth(node.test, env)
        with self.under(test):
            then = self.read(node.then, env)
        with self.under(neg(test)):
            otherwise = self.read(node.otherwise, env)
        return choose(test, then, otherwise)

    def _builtin(self, node: Builtin, env: Variables) -> Symbol:
        args = [self.read(arg, env) for arg in node.args]
        match args:
            case [Seq() as value]:
                match node.name:
                    case "len":
                        return Scalar(value.length)
                    case "ord":
                        self.check(logic.same(value.length, 1), "ord() of one character", node.line)
                        return Scalar(value.array[value.start])
                    case "reversed":
                        k = z3.Int(PLACE)
                        return Seq(z3.Lambda([k], value.array[value.stop - 1 - k]), 0, value.length, value.sort)
                return self.sorted(value)
            case [Table(count=count)]:
                return Scalar(count)
        numbers = [arg.term for arg in args if isinstance(arg, Scalar)]
        if node.name == "abs":
            return Scalar(abs(numbers[0]) if isinstance(numbers[0], int) else ite(numbers[0] >= 0, *_both(numbers[0])))
        found = numbers[0]
        for number in numbers[1:]:
            found = logic.lesser(found, number) if node.name == "min" else logic.greater(found, number)
        return Scalar(found)

    def _item(self, node: Item, env: Variables) -> Symbol:
        base, index = self.read(node.base, env), self.read(node.index, env)
        if isinstance(base, Table):
            key = self.store.pack(index)
            self.check(base.has[key], "key", node.line)
            return self.store.unpack(base.values[key], base.sort.value)
        assert isinstance(base, Seq) and isinstance(index, Scalar)
        return self.store.item(base, self.place(base, index.term, node.line))

    def _slice(self, node: Slice, env: Variables) -> Symbol:
        base = self.seq(node.base, env)
        if node.start is None and node.stop is None:
            return base
        start = self.number(node.start, env) if node.start else 0
        stop = self.number(node.stop, env) if node.stop else base.length
        return self.cut(base, start, stop, node.line)

    def _dict(self, node: NewDict, env: Variables) -> Symbol:
        assert isinstance(node.sort, DictOf)
        key_sort = self.store.sort(node.sort.key)
        nothing = z3.Const(f"no values {node.sort}", z3.ArraySort(key_sort, self.store.sort(node.sort.value)))
        table = Table(z3.K(key_sort, z3.BoolVal(False)), nothing, 0, node.sort)
        for key, value in node.items:
            table = self.enter(table, self.read(key, env), self.read(value, env))
        return table

    def span(self, domain: Domain, env: Variables) -> Span:
        """A domain with a new index variable."""
        index = z3.Int(self.store.name(domain.names[0]))
        if domain.items is None:
            assert domain.start and domain.stop
            low, high = self.number(domain.start, env), self.number(domain.stop, env)
            return Span(index, low, high, {domain.names[0]: Scalar(index)})
        items = self.seq(domain.items, env)
        bound: dict[str, Symbol] = {domain.names[-1]: self.store.item(items, index)}
        if domain.counted:
            bound[domain.names[0]] = Scalar(minus(index, items.start))
        return Span(index, items.start, items.stop, bound)

    def _quantifier(self, node: Quantifier, env: Variables) -> Term:
        depth, bound, inside = len(self._around), [], []
        inner = dict(env)
        for domain in node.domains:
            span = self.span(domain, inner)
            bound.append(span.index)
            inside.append(span.inside)
            inner |= span.bound
            self._around.append(([span.index], span.inside))
        body = self.truth(node.body, inner)
        del self._around[depth:]
        if node.kind == "all":
            return forall(bound, conj(inside), body)
        return exists(bound, conj([*inside, body]))


def _itself(term: Term) -> Term:
    return term


def _both(term: Term) -> tuple[Term, Term]:
    return term, -term
