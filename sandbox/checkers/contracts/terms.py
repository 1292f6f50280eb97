"""Expressions as z3 terms, with what must hold for them to be defined.

Reading an expression gives its value and leaves entries in a ledger, in the order of evaluation: **checks** that must
be proved there (index in range, divisor not zero, a callee's precondition), and **facts** that hold from there on (a
callee's postcondition). An entry is closed over the conditions and bound variables under which it arises, so ``i < n
and a[i] > 0`` checks the index only where ``i < n``, in code and in specifications alike.

Indices have two encodings. `strict` demands ``0 <= i < len(a)``, which implies Python's meaning and keeps terms small;
otherwise negative indices count from the end and slices are clipped, as in Python. A proof in either is a proof.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import z3

from selfplay.sandbox.checkers.contracts import logic
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
    plus,
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
from selfplay.sandbox.checkers.contracts.values import PLACE, SHORT, Record, Scalar, Seq, Store, Symbol, Table

Variables = Mapping[str, Symbol]


@dataclass(frozen=True, slots=True)
class Entry:
    """A check to be proved, or (`kind` empty) a fact that holds from here on."""

    formula: Term
    kind: str = ""
    line: int = 0
    text: str = ""


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


class Terms:
    """Reads expressions; what needs the whole program is added by `Encoder`."""

    def __init__(self, store: Store, *, strict: bool) -> None:
        self.store, self.strict = store, strict
        self.ledger: list[Entry] = []
        self._around: list[tuple[list[Term], Term]] = []
        """Bound variables and conditions of what encloses the present place."""
        self._quiet = False

    def call(self, node: Call, args: list[Symbol]) -> Symbol:
        raise NotImplementedError

    def fold(self, node: Fold, env: Variables) -> Symbol:
        raise NotImplementedError

    def sorted(self, value: Seq) -> Symbol:
        raise NotImplementedError

    def compare_sorted(self, left: Expr, right: Expr, env: Variables) -> Term:
        """``left == right``, where at least one of them is a call of `sorted`."""
        raise NotImplementedError

    def entries(self) -> list[Entry]:
        """The ledger since it was last asked for."""
        found, self.ledger = self.ledger, []
        return found

    def check(self, condition: Term, kind: str, line: int, text: str = "") -> None:
        if condition is not True:
            self.ledger.append(Entry(self._closed(condition), kind, line, text))

    def fact(self, condition: Term) -> None:
        if condition is not True:
            self.ledger.append(Entry(self._closed(condition)))

    def _closed(self, formula: Term) -> Term:
        for bound, condition in reversed(self._around):
            formula = forall(bound, condition, formula)
        return formula

    def named(self, hint: str, term: Term) -> Term:
        """A constant that equals `term`, where that makes sense.

        Laws are triggered by terms outside quantifiers, and a goal such as ``result in a`` may become one as a whole.
        """
        if self._quiet or any(bound for bound, _ in self._around):
            return term
        constant = z3.Const(self.store.name(hint), term.sort())
        self.ledger.append(Entry(constant == term))
        return constant

    @contextmanager
    def under(self, condition: Term, bound: list[Term] | None = None) -> Iterator[None]:
        """Inside it, entries arise only where `condition` holds, for all values of `bound`."""
        self._around.append((bound or [], condition))
        yield
        self._around.pop()

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """Inside it, nothing is entered: the expression is known to be defined."""
        before, around, quiet = self.ledger, self._around, self._quiet
        self.ledger, self._around, self._quiet = [], [], True
        yield
        self.ledger, self._around, self._quiet = before, around, quiet

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
                return Scalar(self._member(self.read(item, env), self.read(base, env)))
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
                return self.store.choose(table.has[packed], found, self.read(default, env))
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
                return self.store.equal(left, right)
            case "!=":
                return neg(self.store.equal(left, right))
            case "<":
                return self.store.less(left, right)
            case ">":
                return self.store.less(right, left)
            case "<=":
                if isinstance(left, Scalar) and isinstance(right, Scalar):
                    return left.term <= right.term
                return neg(self.store.less(right, left))
        if isinstance(left, Scalar) and isinstance(right, Scalar):
            return left.term >= right.term
        return neg(self.store.less(left, right))

    def _choice(self, node: Choice, env: Variables) -> Symbol:
        test = self.truth(node.test, env)
        with self.under(test):
            then = self.read(node.then, env)
        with self.under(neg(test)):
            otherwise = self.read(node.otherwise, env)
        return self.store.choose(test, then, otherwise)

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

    def place(self, value: Seq, index: Term, line: int) -> Term:
        """The absolute index of ``value[index]``, checked."""
        if isinstance(index, int) and index < 0:
            self.check(value.length >= -index, "index", line)
            return plus(value.stop, index)
        if self.strict:
            self.check(conj([index >= 0, index < value.length]), "index", line)
            return plus(value.start, index)
        self.check(conj([-value.length <= index, index < value.length]), "index", line)
        return plus(value.start, self.named("index", logic.term_of(ite(index >= 0, index, index + value.length))))

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
        start = self.number(node.start, env) if node.start else 0
        stop = self.number(node.stop, env) if node.stop else base.length
        if node.start is None and node.stop is None:
            return base
        if self.strict:
            start, stop = (base.length + end if isinstance(end, int) and end < 0 else end for end in (start, stop))
            self.check(conj([start >= 0, start <= stop, stop <= base.length]), "slice", node.line)
            return Seq(base.array, plus(base.start, start), minus(stop, start), base.sort)
        start, stop = self._clipped(start, base.length), self._clipped(stop, base.length)
        return Seq(base.array, plus(base.start, start), logic.greater(minus(stop, start), 0), base.sort)

    def _clipped(self, end: Term, length: Term) -> Term:
        if end is length:
            return end
        if isinstance(end, int):
            return logic.lesser(end, length) if end >= 0 else logic.greater(length + end, 0)
        return ite(end < 0, logic.greater(end + length, 0), logic.lesser(end, length))

    def join(self, left: Seq, right: Seq) -> Seq:
        """``left + right``."""
        if isinstance(left.length, int) and left.length == 0:
            return right
        if isinstance(right.length, int) and right.length <= SHORT:
            array = left.array
            for k in range(right.length):
                array = z3.Store(array, logic.term_of(plus(left.stop, k)), right.array[plus(right.start, k)])
            return Seq(array, left.start, plus(left.length, right.length), left.sort)
        k = z3.Int(PLACE)
        second = right.array[plus(minus(k, left.length), right.start)]
        array = z3.Lambda([k], z3.If(k < left.length, left.array[plus(left.start, k)], second))
        return Seq(array, 0, plus(left.length, right.length), left.sort)

    def append(self, value: Seq, item: Symbol) -> Seq:
        return Seq(self.store.put(value, value.stop, item), value.start, plus(value.length, 1), value.sort)

    def _dict(self, node: NewDict, env: Variables) -> Symbol:
        assert isinstance(node.sort, DictOf)
        key_sort = self.store.sort(node.sort.key)
        nothing = z3.Const(f"no values {node.sort}", z3.ArraySort(key_sort, self.store.sort(node.sort.value)))
        table = Table(z3.K(key_sort, z3.BoolVal(False)), nothing, 0, node.sort)
        for key, value in node.items:
            table = self.enter(table, self.read(key, env), self.read(value, env))
        return table

    def enter(self, table: Table, key: Symbol, value: Symbol) -> Table:
        """The dictionary after ``table[key] = value``."""
        packed = self.store.pack(key)
        count = table.count + ite(table.has[packed], 0, 1)
        values = z3.Store(table.values, packed, self.store.pack(value))
        return Table(z3.Store(table.has, packed, z3.BoolVal(True)), values, count, table.sort)

    def _member(self, item: Symbol, base: Symbol) -> Term:
        store = self.store
        if isinstance(base, Table):
            return base.has[store.pack(item)]
        assert isinstance(base, Seq)
        if base.sort == (item.sort if isinstance(item, Seq) else None):
            return self._substring(item, base)
        if isinstance(base.length, int) and base.length <= SHORT:
            return disj([store.equal(store.item(base, plus(base.start, k)), item) for k in range(base.length)])
        j = z3.Int(store.name("j"))
        return exists([j], conj([base.start <= j, j < base.stop, store.equal(store.item(base, j), item)]))

    def _substring(self, item: Symbol, base: Seq) -> Term:
        assert isinstance(item, Seq)
        windows = Seq(base.array, 0, item.length, base.sort)
        if isinstance(base.length, int) and isinstance(item.length, int):
            places = range(base.length - item.length + 1)
            return disj([self.store.equal(_at(windows, plus(base.start, k)), item) for k in places])
        j = z3.Int(self.store.name("j"))
        fits = [base.start <= j, j + item.length <= base.stop]
        return exists([j], conj([*fits, self.store.equal(_at(windows, j), item)]))

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


def _at(window: Seq, start: Term) -> Seq:
    return Seq(window.array, start, window.length, window.sort)
