"""Concrete statements and functions: typed tree -> Python closures. See `evaluate` for what this is independent of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Final

from selfplay.sandbox.checkers.contracts.evaluate import Code, Env, Evaluator, RunFault, TooMuch, Value, at_entry
from selfplay.sandbox.checkers.contracts.sorts import NONE
from selfplay.sandbox.checkers.contracts.tree import (
    Append,
    Assert,
    Assign,
    Clause,
    Do,
    For,
    Function,
    If,
    Leave,
    Place,
    Program,
    Return,
    Stmt,
    While,
)

FUEL = 5_000
"""Iterations and calls of one run."""
MAX_DEPTH = 60
"""Nested calls."""

Signal = tuple[Value] | str | None
"""How a statement ended: returned a value, ``break``, ``continue``, or None when control goes on."""
_Step = Callable[[Env], Signal]
_GO_ON: Final = None


class Interpreter(Evaluator):
    """Runs the functions of a program and evaluates the conditions of its contracts. Invariants are not looked at."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = program
        self._compiled: dict[str, Code] = {}
        self._conditions: dict[int, Code] = {}
        self._depth = 0

    def run(self, name: str, args: Sequence[Value], fuel: int = FUEL) -> Value:
        """What the function returns.

        Raises:
            RunFault: CPython would raise, or nothing is returned where a value is due.
            TooMuch: it took too long to tell.
        """
        self.fuel = fuel
        return self._guarded(lambda: self.call(name, list(deepcopy(args)), 0))

    def holds(self, clause: Clause, env: Mapping[str, Value], fuel: int = FUEL) -> bool:
        """Whether a condition of a contract holds; `env` has the parameters, and ``result`` if there is one.

        Raises:
            RunFault: the condition is not defined there.
            TooMuch: it took too long to tell.
        """
        self.fuel = fuel
        code = self._conditions.get(id(clause))
        if code is None:
            code = self._conditions[id(clause)] = self.compile(clause.expr)
        scope = {**env, **{at_entry(name): value for name, value in env.items()}}
        return bool(self._guarded(lambda: code(scope)))

    def _guarded(self, action: Callable[[], Value]) -> Value:
        self._depth = 0
        try:
            return action()
        except (RecursionError, MemoryError, OverflowError):
            raise TooMuch("nested too deeply") from None

    def call(self, name: str, args: list[Value], line: int) -> Value:
        self.burn()
        if name not in self._compiled:
            self._compiled[name] = self._function(name)
        if self._depth >= MAX_DEPTH:
            raise TooMuch("too many nested calls")
        self._depth += 1
        function = self.program.specs.get(name) or self.program.functions[name]
        env = {param: value for (param, _), value in zip(function.params, args, strict=True)}
        value = self._compiled[name](env)
        self._depth -= 1
        return value

    def _function(self, name: str) -> Code:
        if name in self.program.specs:
            return self._definition(self.program.specs[name])
        function = self.program.functions[name]
        body = self.block(function.body)
        params = [param for param, _ in function.params]

        def run(env: Env) -> Value:
            for param in params:
                env[at_entry(param)] = env[param]
            signal = body(env)
            if isinstance(signal, tuple):
                return signal[0]
            if function.returns == NONE:
                return None
            raise RunFault("returns nothing", function.line)

        return run

    def _definition(self, function: Function) -> Code:
        assert function.value is not None
        conditions, value = [self.compile(clause.expr) for clause in function.requires], self.compile(function.value)

        def run(env: Env) -> Value:
            if not all(condition(env) for condition in conditions):
                raise RunFault("outside the precondition of a spec function", function.line, function.name)
            return value(env)

        return run

    def block(self, body: list[Stmt]) -> _Step:
        steps = tuple(self._statement(statement) for statement in body)

        def run(env: Env) -> Signal:
            for step in steps:
                signal = step(env)
                if signal is not _GO_ON:
                    return signal
            return _GO_ON

        return run

    def _statement(self, node: Stmt) -> _Step:
        match node:
            case Assign():
                return self._assign(node)
            case Append(name=name, item=item):
                return self._append(name, self.compile(item))
            case Do(call=call):
                effect = self.compile(call)
                return lambda env: _ignore(effect(env))
            case If(test=test, then=then, otherwise=otherwise):
                decide, yes, no = self.compile(test), self.block(then), self.block(otherwise)
                return lambda env: yes(env) if decide(env) else no(env)
            case While(test=test, body=body):
                return self._while(self.compile(test), self.block(body))
            case For():
                return self._for(node)
            case Leave(kind=kind):
                return lambda env: kind
            case Return(value=value):
                code = self.compile(value) if value is not None else None
                return lambda env: (code(env) if code else None,)
            case Assert(test=test, text=text, line=line):
                return self._assert(self.compile(test), text, line)
        raise AssertionError(f"no meaning for {type(node).__name__}")

    def _assert(self, check: Code, text: str, line: int) -> _Step:
        def run(env: Env) -> Signal:
            if not check(env):
                raise RunFault("AssertionError", line, text)
            return _GO_ON

        return run

    def _append(self, name: str, item: Code) -> _Step:
        def run(env: Env) -> Signal:
            self.burn()
            env[name].append(item(env))
            return _GO_ON

        return run

    def _while(self, test: Code, body: _Step) -> _Step:
        def run(env: Env) -> Signal:
            while test(env):
                self.burn()
                signal = body(env)
                if signal == "break":
                    break
                if isinstance(signal, tuple):
                    return signal
            return _GO_ON

        return run

    def _for(self, node: For) -> _Step:
        names, over, body = node.domain.names, self.domain(node.domain), self.block(node.body)

        def run(env: Env) -> Signal:
            for values in over(env):
                self.burn()
                env.update(zip(names, values, strict=True))
                signal = body(env)
                if signal == "break":
                    break
                if isinstance(signal, tuple):
                    return signal
            return _GO_ON

        return run

    def _assign(self, node: Assign) -> _Step:
        value = self.compile(node.value)
        if len(node.places) == 1:
            store = self._store(node.places[0], node.line)
            return lambda env: store(env, value(env))
        stores = [self._store(place, node.line) for place in node.places]

        def run(env: Env) -> Signal:
            for store, item in zip(stores, value(env), strict=True):
                store(env, item)
            return _GO_ON

        return run

    def _store(self, place: Place, line: int) -> Callable[[Env, Value], None]:
        name, path = place.name, [self.compile(index) for index in place.path]
        if not path:

            def rename(env: Env, value: Value) -> None:
                env[name] = value

            return rename

        def replace(env: Env, value: Value) -> None:
            target = env[name]
            try:
                for index in path[:-1]:
                    target = target[index(env)]
                target[path[-1](env)] = value
            except (IndexError, KeyError) as error:
                raise RunFault(type(error).__name__, line) from None

        return replace


def _ignore(value: Value) -> Signal:
    return _GO_ON
