"""Walks the body of a function along every path, loops cut at their invariants, and writes down what is owed.

At a loop head the invariants are owed, then everything the body assigns is forgotten, and the invariants are all that
is known. One iteration must keep them and make the measure smaller. After the loop hold the invariants and the negated
condition, or what held at a `break`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import z3

from selfplay.sandbox.checkers.contracts.aliasing import changed_names
from selfplay.sandbox.checkers.contracts.encoder import PROPOSED, Encoder, descends
from selfplay.sandbox.checkers.contracts.logic import Term, minus, neg
from selfplay.sandbox.checkers.contracts.obligations import State, TooMany
from selfplay.sandbox.checkers.contracts.sorts import NONE
from selfplay.sandbox.checkers.contracts.terms import Span
from selfplay.sandbox.checkers.contracts.tree import (
    Append,
    Assert,
    Assign,
    Do,
    For,
    Function,
    If,
    Leave,
    Place,
    Return,
    Stmt,
    While,
)
from selfplay.sandbox.checkers.contracts.values import Record, Scalar, Seq, Symbol, Table


class End(NamedTuple):
    """How a path through some statements ends."""

    kind: Literal["next", "break", "continue", "return"]
    state: State
    value: Symbol | None = None


class Walker:
    """Verifies one function."""

    def __init__(self, encoder: Encoder, function: Function) -> None:
        self.encoder, self.function = encoder, function
        self.book, self.store = encoder.book, encoder.store
        self._paths = 0

    def verify(self) -> None:
        """Write down everything this function owes."""
        function, encoder = self.function, self.encoder
        state, params = encoder.start(function)
        owner = PROPOSED if function.from_problem else function.name
        encoder.begin(function, params)
        encoder.assume(state, function.requires, owner)
        for part in function.measure:
            encoder.number(part, state.env)
        self._settle(state)
        entry = {name: value for name, value in state.env.items() if name.startswith("old ")} | dict(params)
        for end in self._block(function.body, state):
            if end.kind == "return" and end.value is not None:
                encoder.owe(end.state, function.ensures, {**entry, "result": end.value}, "ensures", function.name)
            elif function.returns == NONE:
                encoder.owe(end.state, function.ensures, entry, "ensures", function.name)
            else:
                self._owe(end.state, False, "return", function.line, "returns nothing at the end")

    def _owe(self, state: State, goal: Term, kind: str, line: int, text: str = "") -> None:
        self.book.owe(state, goal, kind, line, text, self.function.name)

    def _settle(self, state: State, text: str = "") -> None:
        """Enter into the book what the last expressions left in the ledger."""
        self.book.enter(state, self.encoder.entries(), self.function.name, text)

    def _block(self, body: list[Stmt], state: State) -> Iterator[End]:
        if not body:
            yield End("next", state)
            return
        for end in self._statement(body[0], state):
            if end.state.dead:
                continue
            if end.kind == "next":
                yield from self._block(body[1:], end.state)
            else:
                yield end

    def _count_path(self) -> None:
        self._paths += 1
        if self._paths > self.encoder.limits.paths:
            raise TooMany(f"more than {self.encoder.limits.paths} paths through {self.function.name!r}")

    def _statement(self, node: Stmt, state: State) -> Iterator[End]:
        encoder, env = self.encoder, state.env
        match node:
            case Assign():
                self._assign(node, state)
            case Append(name=name, item=item):
                added, target = encoder.read(item, env), env[name]
                self._settle(state)
                assert isinstance(target, Seq)
                env[name] = encoder.append(target, added)
            case Do(call=call):
                encoder.read(call, env)
                self._settle(state)
            case Assert(test=test, text=text, line=line):
                term = encoder.truth(test, env)
                self._settle(state, text)
                self._owe(state, term, "assert", line, text)
            case If():
                yield from self._if(node, state)
                return
            case While():
                yield from self._while(node, state)
                return
            case For():
                yield from self._for(node, state)
                return
            case Leave(kind=kind):
                yield End(kind, state)
                return
            case Return(value=value):
                result = encoder.read(value, env) if value is not None else None
                self._settle(state)
                yield End("return", state, result)
                return
        yield End("next", state)

    def _if(self, node: If, state: State) -> Iterator[End]:
        test = self.encoder.truth(node.test, state.env)
        self._settle(state)
        self._count_path()
        yield from self._block(node.then, state.fork(test))
        yield from self._block(node.otherwise, state.fork(neg(test)))

    def _assign(self, node: Assign, state: State) -> None:
        value = self.encoder.read(node.value, state.env)
        self._settle(state)
        if len(node.places) == 1:
            self._put(node.places[0], value, state, node.line)
            return
        assert isinstance(value, Record)
        for place, part in zip(node.places, value.parts, strict=True):
            self._put(place, part, state, node.line)

    def _put(self, place: Place, value: Symbol, state: State, line: int) -> None:
        if place.path:
            indices = [self.encoder.read(index, state.env) for index in place.path]
            self._settle(state)
            value = self._replaced(state.env[place.name], indices, value, line)
            self._settle(state)
        state.env[place.name] = value

    def _replaced(self, target: Symbol, indices: list[Symbol], value: Symbol, line: int) -> Symbol:
        """`target` with the item at a path of indices replaced."""
        first, *rest = indices
        if isinstance(target, Table):
            if rest:
                key = self.store.pack(first)
                self.encoder.check(target.has[key], "key", line)
                value = self._replaced(self.store.unpack(target.values[key], target.sort.value), rest, value, line)
            return self.encoder.enter(target, first, value)
        assert isinstance(target, Seq) and isinstance(first, Scalar)
        index = self.encoder.place(target, first.term, line)
        if rest:
            value = self._replaced(self.store.item(target, index), rest, value, line)
        return Seq(self.store.put(target, index, value), target.start, target.length, target.sort)

    def _while(self, node: While, state: State) -> Iterator[End]:
        self._invariants(node, state, "invariant at entry")
        head = self._forget(node.body, state)
        self.encoder.assume(head, node.invariants, self.function.name)
        before = [self.encoder.number(part, head.env) for part in node.measure]
        self._settle(head, "decreases")
        test = self.encoder.truth(node.test, head.env)
        self._settle(head)
        self._count_path()
        for end in self._block(node.body, head.fork(test)):
            if end.kind in ("next", "continue"):
                self._invariants(node, end.state, "invariant kept")
                after = [self.encoder.number(part, end.state.env) for part in node.measure]
                self._settle(end.state, "decreases")
                self._owe(end.state, descends(before, after), "decreases", node.line)
            else:
                yield End("next", end.state) if end.kind == "break" else end
        yield End("next", head.fork(neg(test)))

    def _invariants(self, node: While | For, state: State, kind: str) -> None:
        self.encoder.owe(state, node.invariants, state.env, kind, self.function.name)

    def _for(self, node: For, state: State) -> Iterator[End]:
        domain, encoder = node.domain, self.encoder
        span = encoder.span(domain, state.env)
        self._settle(state)
        shown = domain.names[0] if domain.items is None or domain.counted else ""

        def at(env: dict[str, Symbol], index: Term) -> None:
            """Set the index variable."""
            if shown and domain.items is None:
                env[shown] = Scalar(index)
            elif shown:
                env[shown] = Scalar(minus(index, span.low))

        at(state.env, span.low)
        self._invariants(node, state, "invariant at entry")
        head = self._forget(node.body, state)
        now = self._anywhere(head, span, domain.step)
        at(head.env, now)
        encoder.assume(head, node.invariants, self.function.name)
        inside = now < span.high if domain.step > 0 else now > span.high
        body = head.fork(inside)
        if domain.items is not None:
            body.env[domain.names[-1]] = z3_item(span.bound[domain.names[-1]], span.index, now)
        self._count_path()
        for end in self._block(node.body, body):
            if end.kind in ("next", "continue"):
                at(end.state.env, now + domain.step)
                self._invariants(node, end.state, "invariant kept")
            else:
                yield End("next", end.state) if end.kind == "break" else end
        yield End("next", head.fork(neg(inside)))

    def _anywhere(self, head: State, span: Span, step: int) -> Term:
        """Some value that the index has when the loop is about to test whether to go on."""
        now = z3.Int(self.store.name("index"))
        if abs(step) > 1:
            count = z3.Int(self.store.name("count"))
            head.facts += [count >= 0, now == span.low + step * count]
        if step > 0:
            head.facts += [now >= span.low, z3.Or(now == span.low, now - step < span.high)]
        else:
            head.facts += [now <= span.low, z3.Or(now == span.low, now - step > span.high)]
        return now

    def _forget(self, body: list[Stmt], state: State) -> State:
        """The state with everything that `body` assigns replaced by something unknown.

        A list of which only items are assigned keeps its length.
        """
        head = state.fork()
        whole = assigned_names(body)
        for name, value in state.env.items():
            if name in whole or name in changed_names(body):
                fresh, facts = self.store.fresh(name, self.store.sort_of(value))
                if isinstance(fresh, Seq) and isinstance(value, Seq) and name not in whole:
                    fresh = Seq(fresh.array, value.start, value.length, value.sort)
                    facts = []
                head.env[name] = fresh
                head.facts += facts
        return head


def z3_item(item: Symbol, index: Term, now: Term) -> Symbol:
    """A domain's item at another index."""
    match item:
        case Scalar(term):
            return Scalar(z3.substitute(term, (index, now)))
        case Record(parts):
            return Record(tuple(z3_item(part, index, now) for part in parts))
        case Seq(array, start, length, sort):
            moved = [part if isinstance(part, int) else z3.substitute(part, (index, now)) for part in (start, length)]
            return Seq(z3.substitute(array, (index, now)), moved[0], moved[1], sort)
        case Table(has, values, count, sort):
            terms = [z3.substitute(part, (index, now)) for part in (has, values, count)]
            return Table(terms[0], terms[1], terms[2], sort)


def assigned_names(body: list[Stmt]) -> set[str]:
    """Variables that get a new value as a whole (or another length) somewhere in `body`."""
    found: set[str] = set()
    for statement in body:
        match statement:
            case Assign(places=places):
                found |= {place.name for place in places if not place.path}
            case Append(name=name):
                found.add(name)
            case If(then=then, otherwise=otherwise):
                found |= assigned_names(then) | assigned_names(otherwise)
            case For(domain=domain, body=inner):
                found |= assigned_names(inner) | {*domain.names}
            case While(body=inner):
                found |= assigned_names(inner)
    return found
