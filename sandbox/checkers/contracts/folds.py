"""`sum`, `min`, `max`, `sorted` and filtering comprehensions as recursive z3 functions over a growing prefix.

``sum(e(x) for x in a if t(x))`` is ``f(a, low, high, free variables)`` with ``f = 0`` where ``high <= low`` and
``f(a, low, high - 1) + (e(a[high-1]) if t(a[high-1]) else 0)`` elsewhere. Comprehensions that differ in names only
share one function, so that what an invariant says about a prefix is about the same function as the postcondition.

What needs induction is in `laws`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass

import z3

from selfplay.sandbox.checkers.contracts.laws import Declared, Laws
from selfplay.sandbox.checkers.contracts.logic import Term, greater, ite, lesser, minus, plus, term_of
from selfplay.sandbox.checkers.contracts.sorts import ListOf, Sort
from selfplay.sandbox.checkers.contracts.terms import Span, Terms, Variables
from selfplay.sandbox.checkers.contracts.tree import Const, Domain, Fold, Let, Old, Var
from selfplay.sandbox.checkers.contracts.values import PLACE, Scalar, Seq, Symbol


@dataclass(frozen=True, slots=True)
class Shape:
    """A fold without its names."""

    key: str
    free: tuple[str, ...]
    """Variables of the surroundings, in order of appearance."""


def shape_of(node: Fold) -> Shape:
    """What two folds must share to be the same function of their free variables."""
    names: dict[str, str] = {name: f"#{i}" for i, name in enumerate(node.domain.names)}
    free: dict[str, str] = {}
    over = "items" if node.domain.items is not None else "range"
    key = [node.kind, over, str(node.domain.counted), str(node.domain.items and node.domain.items.sort)]
    _describe([node.test, node.body], names, free, key)
    return Shape(" ".join(key), tuple(free))


def _describe(node: object, bound: dict[str, str], free: dict[str, str], out: list[str]) -> None:
    if isinstance(node, list | tuple):
        out.append("(")
        for part in node:
            _describe(part, bound, free, out)
        out.append(")")
    elif isinstance(node, Var | Old):
        name = node.name if isinstance(node, Var) else f"old {node.name}"
        out.append(bound.get(name) or f"{free.setdefault(name, f'${len(free)}')}:{node.sort}")
    elif is_dataclass(node) and not isinstance(node, type):
        if isinstance(node, Domain | Let):
            for name in node.names if isinstance(node, Domain) else (node.name,):
                bound[name] = f"#{len(bound)}"
        out.append(type(node).__name__)
        for field in fields(node):
            if field.name not in ("line", "sort", "names") and not (isinstance(node, Let) and field.name == "name"):
                _describe(getattr(node, field.name), bound, free, out)
    else:
        out.append(repr(node))


@dataclass(frozen=True, slots=True)
class Recursive:
    """A declared fold."""

    function: Term
    result: Sort


class Folds:
    """The folds of one claim."""

    def __init__(self, terms: Terms) -> None:
        self.terms, self.store = terms, terms.store
        self.laws = Laws(self.store)
        self._declared: dict[str, Recursive] = {}

    def apply(self, node: Fold, env: Variables) -> Symbol:
        """The value of a fold, its items checked to be defined."""
        span = self.terms.span(node.domain, env)
        with self.terms.under(span.inside, [span.index]):
            inner = {**env, **span.bound}
            test = self.terms.truth(node.test, inner) if node.test else True
            with self.terms.under(test):
                item = self.terms.read(node.body, inner)
        if node.kind in ("min", "max"):
            self.terms.check(span.low < span.high, f"{node.kind}() of something", node.line)
        if node.kind == "list" and node.test is None:
            return self._mapped(node, span, item)
        shape = shape_of(node)
        items = self.terms.seq(node.domain.items, env) if node.domain.items is not None else None
        declared = self._declared.get(shape.key) or self._declare(node, shape, env)
        window = [items.array] if items else []
        counted = [term_of(span.low)] if node.domain.counted else []
        free = [flat for name in shape.free for flat in self.store.flat(env[name])]
        value = declared.function(*window, term_of(span.low), term_of(span.high), *counted, *free)
        if node.kind != "sum":
            value = self.terms.named(node.kind, value)
        return self.store.unpack(value, declared.result)

    def _mapped(self, node: Fold, span: Span, item: Symbol) -> Symbol:
        """A comprehension without a condition: a list of known length."""
        k = z3.Int(PLACE)
        shifted = z3.substitute(self.store.pack(item), (span.index, plus(span.low, k)))
        return Seq(z3.Lambda([k], shifted), 0, greater(minus(span.high, span.low), 0), node.sort)

    def _declare(self, node: Fold, shape: Shape, env: Variables) -> Recursive:
        store, domain = self.store, node.domain
        low, high, base = (z3.Int(store.name(name)) for name in ("low", "high", "base"))
        window: list[Term] = []
        inner: dict[str, Symbol] = {}
        free: list[Term] = []
        for name in shape.free:
            value, constants = store.symbols(name, store.sort_of(env[name]))
            inner[name] = value
            free += constants
        if domain.items is not None:
            window = [z3.Const(store.name("a"), store.flat_sorts(domain.items.sort)[0])]
        counted = [base] if domain.counted else []
        params = [*window, low, high, *counted, *free]
        result = store.sort(node.sort)
        function = z3.RecFunction(store.name(node.kind), *[param.sort() for param in params], result)

        def at(index: Term, array: list[Term]) -> tuple[Term, Term]:
            """Condition and packed item at an index."""
            if domain.items is None:
                bound: dict[str, Symbol] = {domain.names[0]: Scalar(index)}
            else:
                bound = {domain.names[-1]: store.item(Seq(array[0], 0, 0, domain.items.sort), index)}
                if domain.counted:
                    bound[domain.names[0]] = Scalar(index - base)
            with self.terms.quietly():
                test = self.terms.truth(node.test, {**inner, **bound}) if node.test else True
                return test, store.pack(self.terms.read(node.body, {**inner, **bound}))

        fold = Declared(
            function, window, low, high, [*counted, *free], lambda j, a: at(j, a)[0], lambda j, a: at(j, a)[1]
        )
        z3.RecAddDefinition(function, params, self._definition(node, fold))
        self._state_laws(node, fold)
        declared = self._declared[shape.key] = Recursive(function, node.sort)
        return declared

    def _definition(self, node: Fold, fold: Declared) -> Term:
        low, high = fold.low, fold.high
        rest, test, last = fold.over(low, high - 1), fold.test(high - 1, fold.window), fold.item(high - 1, fold.window)
        if node.kind == "sum":
            return ite(high <= low, 0, rest + ite(test, last, 0))
        if node.kind == "list":
            return self._filtered(node, low, high, rest, test, last)
        better = lesser if node.kind == "min" else greater
        return ite(high <= low, 0, ite(high <= low + 1, last, better(rest, last)))

    def _state_laws(self, node: Fold, fold: Declared) -> None:
        laws = self.laws
        laws.frame(fold)
        if node.kind == "sum":
            laws.sum(fold)
            if node.test is not None and isinstance(node.body, Const) and node.body.value == 1:
                laws.count(fold)
        elif node.kind == "list":
            assert isinstance(node.sort, ListOf)
            laws.filter(fold, node.sort.item)
        else:
            laws.extremum(fold, node.kind)

    def _filtered(self, node: Fold, low: Term, high: Term, rest: Term, test: Term, last: Term) -> Term:
        assert isinstance(node.sort, ListOf)
        store = self.store
        before = store.unpack(rest, node.sort)
        assert isinstance(before, Seq)
        longer = Seq(z3.Store(before.array, before.length, last), 0, before.length + 1, node.sort)
        empty = store.pack(store.sequence(node.sort, []))
        return ite(high <= low, empty, ite(test, store.pack(longer), store.pack(before)))
