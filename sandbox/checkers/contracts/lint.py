"""Is a contract worth posing? Looked at before anybody is asked to meet it; the proposer is to blame.

Faults are statuses: VACUOUS (no allowed input), MALFORMED (ill-defined: a condition has no value somewhere), TRIVIAL
(every result will do), IMPOSSIBLE (for some input no result will do). A contract without them is PROVED, with notes:

    weak            a program of one expression that ignores the task passes on all sampled inputs
    hard to sample  few random inputs are allowed
    determinate     at most one result is allowed for every input
    several results some input allows more than one
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice

from selfplay.sandbox.checkers.contracts import models
from selfplay.sandbox.checkers.contracts.compare import equal
from selfplay.sandbox.checkers.contracts.encoder import Encoder, old_names
from selfplay.sandbox.checkers.contracts.evaluate import RunFault, TooMuch, Value
from selfplay.sandbox.checkers.contracts.inputs import Inputs
from selfplay.sandbox.checkers.contracts.logic import Term, boolean, conj, neg
from selfplay.sandbox.checkers.contracts.obligations import Obligation, State, TooMany
from selfplay.sandbox.checkers.contracts.prove import CHEAP, DEAR, Answer, Attempt, Finding, Prover, new_context
from selfplay.sandbox.checkers.contracts.replay import Replay, Undefined, plain
from selfplay.sandbox.checkers.contracts.sorts import INT, NONE, STR, DictOf, ListOf, Sort, TupleOf
from selfplay.sandbox.checkers.contracts.tree import Function, NewDict, Program
from selfplay.sandbox.checkers.contracts.values import Record, Scalar, Symbol, Table
from selfplay.sandbox.checkers.types import Blame, Limits, ProofLevel, ProofStatus, ProofVerdict
from selfplay.types import Json

SAMPLES = 24
RESULTS = 12
"""Results tried for each sampled input."""
TRIED_FOR_IMPOSSIBLE = 4
HARD_BELOW = 0.02
"""Share of random inputs that a precondition should let through."""
_EFFORT = (*CHEAP, DEAR[0], *DEAR[2:4])


def lint(program: Program, limits: Limits, *, written: bool = False) -> ProofVerdict:
    """PROVED with notes, or the first fault of the entry's contract.

    Args:
        written: the program has a body; what it returns is among the results tried.
    """
    return _Lint(program, limits, written).verdict()


_Outcome = Callable[[list[Value]], Value]
_CONSTANTS: dict[str, list[tuple[str, Value]]] = {
    "int": [("0", 0), ("1", 1), ("-1", -1)],
    "bool": [("True", True), ("False", False)],
    "str": [('""', "")],
}


class _Lint:
    def __init__(self, program: Program, limits: Limits, written: bool) -> None:
        self.function: Function = program.functions[program.entry]
        self.limits, self.written = limits, written
        self.replay = Replay(program)
        self.prover = Prover(limits.rlimit_step, limits.rlimit_total)
        new_context()
        self.encoder = Encoder(program, limits, strict=False)
        self.samples: list[list[Value]] = []
        self.notes: list[str] = []

    def verdict(self) -> ProofVerdict:
        try:
            found = self._sample() or self._vacuous() or self._defined() or self._trivial() or self._impossible()
        except Undefined as undefined:
            clause, fault = undefined.clause, undefined.fault
            found = _fault(ProofStatus.MALFORMED, f"ill-defined: `{clause.text}` has no value: {fault}", "defined")
            found = found.but(line=clause.line or None)
        if found is None:
            self._weak()
            self._determinate()
            found = ProofVerdict(ProofStatus.PROVED, "the contract is worth posing", stage="lint", level=ProofLevel.SMT)
        return found.but(notes=tuple(self.notes), rlimit_used=self.prover.used, tests=len(self.samples))

    def _sample(self) -> ProofVerdict | None:
        """Find allowed inputs, at random."""
        tried = 0
        for args in islice(self.replay.inputs(self.limits), 40 * SAMPLES):
            tried += 1
            if self._allowed(args):
                self.samples.append(args)
            if len(self.samples) >= SAMPLES:
                break
        if len(self.samples) < HARD_BELOW * tried:
            self.notes.append("hard to sample")
        return None

    def _allowed(self, args: list[Value]) -> bool:
        try:
            return self.replay.allowed(args)
        except TooMuch:
            return False

    def _prove(self, facts: list[Term], goal: Term, effort: Sequence[Attempt] = _EFFORT) -> Finding:
        findings = self.prover.prove(Obligation("", 0, "", "", tuple(facts), goal), self.encoder.laws, effort)
        with_model = [finding for finding in findings if finding.model is not None]
        return (
            findings[-1] if findings and not with_model else with_model[-1] if with_model else Finding(Answer.UNKNOWN)
        )

    def _vacuous(self) -> ProofVerdict | None:
        encoder = self.encoder
        for function in encoder.program.specs.values():
            encoder.verify_spec(function)
        self.owed = list(encoder.book.found)
        self.state, _ = encoder.start(self.function)
        if self.samples:
            return None
        facts = encoder.precondition(self.function)
        finding = self._prove(facts, False)
        if finding.answer is Answer.PROVED:
            return _fault(ProofStatus.VACUOUS, "nothing satisfies the precondition", "requires")
        if finding.model is not None:
            args = models.arguments(finding.model, encoder.params[self.function.name], encoder.store)
            if args is not None and self._allowed(args):
                self.samples.append(args)
        return None

    def _defined(self) -> ProofVerdict | None:
        """Every condition must have a value wherever the earlier ones hold, whatever the result."""
        encoder, function = self.encoder, self.function
        encoder.begin(function, [(name, self.state.env[name]) for name, _ in function.params])
        encoder.assume(self.state, function.requires, function.name)
        self.before = list(self.state.facts)
        self.result, facts = self._result("result")
        posed = State({**self.state.env, "result": self.result}, [*self.before, *facts])
        try:
            encoder.assume(posed, function.ensures, function.name)
        except TooMany as error:
            return _fault(ProofStatus.MALFORMED, str(error), "requires")
        for args in self.samples:
            for result in self._results(args):
                self._accepts(args, result)  # raises where a condition has no value
        for obligation in encoder.book.found:
            finding = self._prove(list(obligation.facts), obligation.goal)
            if finding.answer is Answer.PROVED:
                continue
            if obligation in self.owed:  # a spec function: nothing to replay
                return ProofVerdict(
                    ProofStatus.UNPROVED, f"{obligation}: not proved", Blame.PROPOSER, "lint", obligation.line or None
                ).but(obligation=obligation.kind)
            self._replay_model(finding)
            self.notes.append(f"perhaps ill-defined: {obligation}")
        return None

    def _replay_model(self, finding: Finding) -> None:
        if finding.model is None:
            return
        encoder, sorts = self.encoder, [*(sort for _, sort in self.function.params), self.function.returns]
        symbols: list[Symbol] = [*(symbol for symbol, _ in encoder.params[self.function.name]), self.result]
        found = models.arguments(finding.model, list(zip(symbols, sorts, strict=True)), encoder.store)
        if found is not None and self._allowed(found[:-1]):
            self._accepts(found[:-1], found[-1])

    def _result(self, hint: str) -> tuple[Symbol, list[Term]]:
        if self.function.returns == NONE:
            return Scalar(0), []
        return self.encoder.store.fresh(hint, self.function.returns)

    def _accepts(self, args: list[Value], result: Value) -> bool | None:
        try:
            return self.replay.accepts(args, result)
        except TooMuch:
            return None

    def _results(self, args: list[Value]) -> Iterator[Value]:
        """Results worth trying for an input, the program's own first."""
        if self.written:
            with suppress(RunFault, TooMuch):
                yield self.replay.interpreter.run(self.function.name, args)
        if self.function.returns == NONE:
            return
        constants = self.replay.program.constants
        for [value] in islice(Inputs([self.function.returns], constants, self.limits.seed), RESULTS):
            yield value

    def _post(self, result: Symbol, env: dict[str, Symbol]) -> Term:
        env = {**env, **old_names(list(env.items())), "result": result}
        return conj([boolean(self.encoder.silent(clause.expr, env)) for clause in self.function.ensures])

    def _trivial(self) -> ProofVerdict | None:
        if any(self._accepts(args, result) is False for args in self.samples for result in self._results(args)):
            return None
        result, facts = self._result("anything")
        goal = self._post(result, dict(self.state.env))
        if self._prove([*self.before, *facts], goal).answer is Answer.PROVED:
            return _fault(ProofStatus.TRIVIAL, "every result satisfies the postcondition", "ensures")
        return None

    def _impossible(self) -> ProofVerdict | None:
        hopeless = [
            args for args in self.samples if all(self._accepts(args, result) is False for result in self._results(args))
        ]
        for args in hopeless[:TRIED_FOR_IMPOSSIBLE]:
            env = {
                name: constant(self.encoder, value, sort)
                for (name, sort), value in zip(self.function.params, args, strict=True)
            }
            result, facts = self._result("some")
            goal = neg(self._post(result, env))
            if self._prove(facts, goal, CHEAP).answer is Answer.PROVED:
                names = [name for name, _ in self.function.params]
                shown: dict[str, Json] = dict(zip(names, map(plain, args), strict=True))
                fault = _fault(ProofStatus.IMPOSSIBLE, "no result satisfies the postcondition", "ensures")
                return fault.but(counterexample=shown)
        return None

    def _weak(self) -> None:
        for text, outcome in self._lazy():
            accepted = [self._accepts(args, outcome(args)) for args in self.samples]
            if len(accepted) >= 4 and all(accepted):
                self.notes.append(f"weak: `return {text}` passes on {len(accepted)} sampled inputs")
                return

    def _lazy(self) -> Iterator[tuple[str, _Outcome]]:
        """Programs that solve nothing, by type of the result."""
        returns = self.function.returns
        for i, (name, sort) in enumerate(self.function.params):
            if sort == returns:
                yield name, operator.itemgetter(i)
            elif isinstance(sort, ListOf) and returns == INT:
                yield f"len({name})", functools.partial(_length_of, i)
        for text, value in _CONSTANTS.get(str(returns), [("[]", [])] if isinstance(returns, ListOf) else []):
            yield text, functools.partial(_always, value)

    def _determinate(self) -> None:
        one, facts = self._result("one")
        other, more = self._result("other")
        env = dict(self.state.env)
        posts = [self._post(one, env), self._post(other, env)]
        finding = self._prove([*self.before, *facts, *more, *posts], equal(self.encoder.store, one, other))
        if finding.answer is Answer.PROVED:
            self.notes.append("determinate")
        elif self._several():
            self.notes.append("several results")

    def _several(self) -> bool:
        for args in self.samples:
            good: list[Value] = []
            for result in self._results(args):
                if result not in good and self._accepts(args, result):
                    good.append(result)
            if len(good) > 1:
                return True
        return False


def constant(encoder: Encoder, value: Value, sort: Sort) -> Symbol:
    """A concrete value as a symbolic one."""
    store = encoder.store
    match sort:
        case ListOf(item):
            return store.sequence(sort, [constant(encoder, x, item) for x in value])
        case TupleOf(items):
            return Record(tuple(constant(encoder, x, item) for x, item in zip(value, items, strict=True)))
        case DictOf(key, item):
            table = encoder.read(NewDict(0, sort, ()), {})
            assert isinstance(table, Table)
            for k, v in value.items():
                table = encoder.enter(table, constant(encoder, k, key), constant(encoder, v, item))
            return table
    return store.sequence(STR, [ord(c) for c in value]) if sort == STR else Scalar(value)


def _length_of(i: int, args: list[Value]) -> int:
    return len(args[i])


def _always(value: Value, args: list[Value]) -> Value:
    return value


def _fault(status: ProofStatus, reason: str, obligation: str) -> ProofVerdict:
    return ProofVerdict(status, reason, Blame.PROPOSER, "lint", obligation=obligation, level=ProofLevel.SMT)
