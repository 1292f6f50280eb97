"""From a program to its proof obligations: contracts, calls and spec functions. Bodies are walked by `paths`.

Everything that is assumed somewhere is owed somewhere else: a callee's postcondition where the callee is verified, a
caller's obligation to meet the precondition, the invariant at every place where it is relied upon. Recursion, in code
and in spec functions, owes that its measure gets smaller and is not negative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import z3

from selfplay.sandbox.checkers.contracts.folds import Folds
from selfplay.sandbox.checkers.contracts.laws import Laws
from selfplay.sandbox.checkers.contracts.logic import Term, boolean, conj, disj, same
from selfplay.sandbox.checkers.contracts.obligations import Book, Obligation, State
from selfplay.sandbox.checkers.contracts.orders import Orders
from selfplay.sandbox.checkers.contracts.sorts import NONE, Sort
from selfplay.sandbox.checkers.contracts.terms import Terms, Variables
from selfplay.sandbox.checkers.contracts.tree import Builtin, Call, Clause, Expr, Fold, Function, Program
from selfplay.sandbox.checkers.contracts.values import Scalar, Seq, Store, Symbol
from selfplay.sandbox.checkers.types import Limits

PROPOSED = "the problem"
"""`Obligation.function` of what the proposer owes."""


class Encoder(Terms):
    """The obligations of a program in the present z3 context."""

    def __init__(self, program: Program, limits: Limits, *, strict: bool) -> None:
        super().__init__(Store(), strict=strict)
        self.program, self.limits = program, limits
        self.book = Book(limits.obligations)
        self.folds = Folds(self)
        self.orders = Orders(self.folds)
        self.params: dict[str, list[tuple[Symbol, Sort]]] = {}
        """Of each verified function, at entry."""
        self._declared: dict[str, Term] = {}
        self._entered: Function | None = None
        """The function being verified, and its parameters at entry."""
        self._entry_env: Variables = {}

    @property
    def laws(self) -> Laws:
        """True of the recursive functions in use."""
        return self.folds.laws

    def obligations(self) -> list[Obligation]:
        """Everything that must be proved, spec functions first.

        Raises:
            TooMany: more than the limits allow.
        """
        from selfplay.sandbox.checkers.contracts.paths import Walker

        for function in self.program.specs.values():
            self.verify_spec(function)
        for function in self.program.functions.values():
            Walker(self, function).verify()
        return self.book.found

    def begin(self, function: Function, params: Sequence[tuple[str, Symbol]]) -> None:
        """From now on, calls of `function` are recursive."""
        self._entered, self._entry_env = function, {**dict(params), **old_names(params)}

    def assume(self, state: State, clauses: Sequence[Clause], owner: str) -> None:
        """Take conditions for true, in order; that each is defined where the earlier ones hold is owed."""
        for clause in clauses:
            term = self.truth(clause.expr, state.env)
            self.book.enter(state, self.entries(), owner, clause.text)
            state.facts.append(boolean(term))

    def owe(self, state: State, clauses: Sequence[Clause], env: Variables, kind: str, owner: str) -> None:
        """Owe conditions, in order, and that each is defined."""
        for clause in clauses:
            term = self.truth(clause.expr, env)
            self.book.enter(state, self.entries(), owner, clause.text)
            self.book.owe(state, term, kind, clause.line, clause.text, owner)

    def call(self, node: Call, args: list[Symbol]) -> Symbol:
        if node.name in self.program.specs:
            return self._spec_call(self.program.specs[node.name], node, args)
        function = self.program.functions[node.name]
        env: dict[str, Symbol] = dict(zip((name for name, _ in function.params), args, strict=True))
        env |= old_names(list(env.items()))
        for clause in function.requires:
            self.check(self.silent(clause.expr, env), f"requires of {function.name}", node.line, clause.text)
        self._check_measure(function, env, node.line)
        if function.returns == NONE:
            result: Symbol = Scalar(0)
        else:
            result, facts = self.store.fresh(function.name, function.returns)
            for fact in facts:
                self.fact(fact)
        env["result"] = result
        for clause in function.ensures:
            self.fact(self.silent(clause.expr, env))
        return result

    def silent(self, expr: Expr, env: Variables) -> Term:
        with self.quietly():
            return self.truth(expr, env)

    def _check_measure(self, function: Function, env: Mapping[str, Symbol], line: int) -> None:
        if self._entered is not function:
            return
        before = [self.silent(part, self._entry_env) for part in function.measure]
        after = [self.silent(part, env) for part in function.measure]
        self.check(descends(before, after), "decreases", line, f"the call of {function.name}")

    def _spec_call(self, function: Function, node: Call, args: list[Symbol]) -> Symbol:
        env: dict[str, Symbol] = dict(zip((name for name, _ in function.params), args, strict=True))
        for clause in function.requires:
            self.check(self.silent(clause.expr, env), f"precondition of {function.name}", node.line, clause.text)
        self._check_measure(function, env, node.line)
        if not function.recursive:
            assert function.value is not None
            with self.quietly():
                return self.read(function.value, env)
        declared = self._declare(function)
        return self.store.unpack(declared(*[flat for arg in args for flat in self.store.flat(arg)]), function.returns)

    def _declare(self, function: Function) -> Term:
        """A recursive spec function as a z3 function: its value where it is defined, some constant elsewhere.

        The guard makes the definition total and consistent whatever the arguments; that recursion is well-founded
        where the guard holds is owed by `verify_spec`.
        """
        if function.name in self._declared:
            return self._declared[function.name]
        assert function.value is not None
        store = self.store
        env: dict[str, Symbol] = {}
        params: list[Term] = []
        guard: list[Term] = []
        for name, sort in function.params:
            env[name], constants = store.symbols(name, sort)
            params += constants
            guard += store.proper(env[name])
        result = store.sort(function.returns)
        declared = z3.RecFunction(store.name(function.name), *[param.sort() for param in params], result)
        self._declared[function.name] = declared
        entered, self._entered = self._entered, None
        with self.quietly():
            conditions = [self.truth(clause.expr, env) for clause in function.requires]
            value = store.pack(self.read(function.value, env))
        self._entered = entered
        elsewhere = z3.Const(f"{function.name} elsewhere", result)
        z3.RecAddDefinition(declared, params, z3.If(boolean(conj([*guard, *conditions])), value, elsewhere))
        return declared

    def verify_spec(self, function: Function) -> None:
        """Owe that a spec function is defined and ends wherever its precondition holds."""
        state, params = self.start(function)
        owner = PROPOSED if function.from_problem else function.name
        self.begin(function, params)
        self.assume(state, function.requires, owner)
        for part in function.measure:
            self.number(part, state.env)
        assert function.value is not None
        self.read(function.value, state.env)
        self.book.enter(state, self.entries(), owner, f"the definition of {function.name}")
        self._entered = None

    def start(self, function: Function) -> tuple[State, list[tuple[str, Symbol]]]:
        """The state at entry of a function, and its parameters."""
        state = State({})
        params = []
        for name, sort in function.params:
            value, facts = self.store.fresh(name, sort)
            params.append((name, value))
            state.facts += facts
        state.env = {**dict(params), **old_names(params)}
        self.params[function.name] = [
            (value, sort) for (_, value), (_, sort) in zip(params, function.params, strict=True)
        ]
        return state, params

    def precondition(self, function: Function) -> list[Term]:
        """What holds of the parameters at entry."""
        env = {name: value for (name, _), (value, _) in zip(function.params, self.params[function.name], strict=True)}
        proper = [fact for value in env.values() for fact in self.store.proper(value)]
        return [*proper, *(self.silent(clause.expr, env | old_names([*env.items()])) for clause in function.requires)]

    def fold(self, node: Fold, env: Variables) -> Symbol:
        return self.folds.apply(node, env)

    def sorted(self, value: Seq) -> Symbol:
        return self.orders.sort(value)

    def compare_sorted(self, left: Expr, right: Expr, env: Variables) -> Term:
        sides = [side.args[0] if isinstance(side, Builtin) and _is_sorted(side) else side for side in (left, right)]
        a, b = (self.seq(side, env) for side in sides)
        if _is_sorted(left) and _is_sorted(right):
            return conj([same(a.length, b.length), self.orders.same_items(a, b)])
        return self.orders.is_sorted(a, b) if _is_sorted(right) else self.orders.is_sorted(b, a)


def old_names(params: Sequence[tuple[str, Symbol]]) -> dict[str, Symbol]:
    return {f"old {name}": value for name, value in params}


def descends(before: Sequence[Term], after: Sequence[Term]) -> Term:
    """``after < before`` as tuples, with the part that gets smaller not negative before."""
    ways = []
    for i, (old, new) in enumerate(zip(before, after, strict=True)):
        alike = [after[j] == before[j] for j in range(i)]
        ways.append(conj([*alike, old >= 0, new < old]))
    return disj(ways)


def _is_sorted(node: Expr) -> bool:
    return isinstance(node, Builtin) and node.name == "sorted"
