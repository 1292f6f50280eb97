"""Two programs run side by side on concrete inputs: what stands behind REFUTED and behind ``exhaustive``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import product
from math import prod
from typing import NamedTuple, cast

from selfplay.sandbox.checkers.contracts.evaluate import RunFault, TooMuch, Value
from selfplay.sandbox.checkers.contracts.inputs import Inputs
from selfplay.sandbox.checkers.contracts.interpreter import FUEL, Interpreter
from selfplay.sandbox.checkers.contracts.replay import Replay, Undefined, plain
from selfplay.sandbox.checkers.contracts.sorts import BOOL, INT, STR, DictOf, ListOf, Sort, TupleOf
from selfplay.sandbox.checkers.contracts.tree import Compare, Const, Expr, Function, Logic, Program, Var
from selfplay.sandbox.checkers.types import Blame, Limits, ProofLevel, ProofStatus, ProofVerdict
from selfplay.types import Json

MAX_INPUTS = 3_000
"""Tried at most, when all small inputs are tried."""
FUEL_FOR_ALL = 60 * FUEL
SIZES = (12, 8, 5, 3, 2, 1)
"""Ints from -n to n, lists and texts of at most n/2 items; the first that keeps to `MAX_INPUTS` is taken."""


class Came(Enum):
    """How an input came out, if it refuted nothing."""

    ALIKE = "alike"
    DISALLOWED = "disallowed"
    TOO_LONG = "too long"


class Agreement:
    """A reference and a candidate with the same parameters, whose precondition is the reference's."""

    def __init__(self, reference: Program, candidate: Program) -> None:
        self.reference = Replay(reference)
        self.function: Function = reference.functions[reference.entry]
        self.constants = (*reference.constants, *candidate.constants)
        self._candidate, self._entry = Interpreter(candidate), candidate.entry
        self._left = FUEL_FOR_ALL
        self.alike = 0

    @property
    def sorts(self) -> list[Sort]:
        return [sort for _, sort in self.function.params]

    def on(self, args: Sequence[Value]) -> ProofVerdict | Came:
        """Run both: a refutation, or how it came out."""
        shown: dict[str, Json] = dict(zip(self.reference.names, map(plain, args), strict=True))
        try:
            if not self.reference.allowed(args):
                return Came.DISALLOWED
            wanted = self._run(self.reference.interpreter, self.function.name, args)
        except RunFault as fault:
            return _refuted(f"the reference fails: {fault}", {**shown, "error": str(fault)}, Blame.PROPOSER)
        except Undefined as undefined:
            return _refuted(f"the precondition has no value: {undefined}", shown, Blame.PROPOSER)
        except TooMuch:
            return Came.TOO_LONG
        shown["reference"] = plain(wanted)
        try:
            found = self._run(self._candidate, self._entry, args)
        except TooMuch:
            return Came.TOO_LONG
        except RunFault as fault:
            return _refuted(f"the candidate fails: {fault}", {**shown, "error": str(fault)}, Blame.SOLVER, fault.line)
        if found != wanted:
            return _refuted("the results differ", {**shown, "candidate": plain(found)}, Blame.SOLVER)
        self.alike += 1
        return Came.ALIKE

    def _run(self, interpreter: Interpreter, name: str, args: Sequence[Value]) -> Value:
        if self._left <= 0:
            raise TooMuch("the budget of all inputs is spent")
        try:
            return interpreter.run(name, args)
        finally:
            self._left -= FUEL - max(interpreter.fuel, 0)

    def search(self, limits: Limits) -> ProofVerdict | None:
        """Try random inputs."""
        inputs = iter(Inputs(self.sorts, self.constants, limits.seed))
        for _ in range(4 * limits.tests):
            found = self.on(next(inputs))
            if isinstance(found, ProofVerdict):
                return found
            if self.alike >= limits.tests:
                return None
        return None

    def replay(self, counterexample: dict[str, Json]) -> ProofVerdict | None:
        """Try the input of somebody else's counterexample."""
        params = self.function.params
        if not all(name in counterexample for name, _ in params):
            return None
        found = self.on([_restored(counterexample[name], sort) for name, sort in params])
        return found if isinstance(found, ProofVerdict) else None

    def exhaust(self) -> ProofVerdict:
        """Try all inputs, if their number is finite and small, else all small ones."""
        choices = _choices(self.function)
        counts = dict.fromkeys(Came, 0)
        for args in product(*choices.values):
            found = self.on(args)
            if isinstance(found, ProofVerdict):
                return found
            counts[found] += 1
        alike, whole = counts[Came.ALIKE], not counts[Came.TOO_LONG]
        if choices.finite and whole:
            if not alike:
                return ProofVerdict(ProofStatus.VACUOUS, "no input is allowed", Blame.PROPOSER, "test")
            reason = f"the results are equal on all {alike} allowed inputs"
            return ProofVerdict(ProofStatus.PROVED, reason, stage="test", level=ProofLevel.EXHAUSTIVE)
        level = ProofLevel.EXHAUSTIVE if whole and alike else ProofLevel.TESTED if alike else None
        size = choices.size
        bound = f"ints from {-size} to {size}, at most {size // 2 + 1} items" if whole and size else "small ones"
        reason = f"neither proved nor refuted; the results are equal on {alike} allowed inputs ({bound})"
        return ProofVerdict(ProofStatus.UNPROVED, reason, Blame.CHECKER, "test", level=level)


def _refuted(reason: str, shown: dict[str, Json], blame: Blame, line: int = 0) -> ProofVerdict:
    return ProofVerdict(
        ProofStatus.REFUTED, reason, blame, "test", line or None, counterexample=shown, level=ProofLevel.TESTED
    )


def _restored(value: Json, sort: Sort) -> Value:
    """The value that `contracts.replay.plain` made JSON of."""
    match sort:
        case ListOf(item):
            return [_restored(part, item) for part in cast("list[Json]", value)]
        case TupleOf(items):
            return tuple(map(_restored, cast("list[Json]", value), items))
        case DictOf(key, item):
            pairs = cast("dict[str, Json]", value).items()
            return {int(k) if key == INT else k == "True": _restored(v, item) for k, v in pairs}
    return value


Bounds = dict[str, tuple[int | None, int | None]]


def _bounds(function: Function) -> Bounds:
    """For int parameters the literals between which the precondition says they lie."""
    bounds: Bounds = {}

    def note(name: str, low: int | None, high: int | None) -> None:
        before = bounds.get(name, (None, None))
        bounds[name] = (low if low is not None else before[0], high if high is not None else before[1])

    def look(expr: Expr) -> None:
        match expr:
            case Logic(op="and", parts=parts):
                for part in parts:
                    look(part)
            case Compare(op="<=" | "<" as op, left=Const(value=int(value)), right=Var(name=name)):
                note(name, value + (op == "<"), None)
            case Compare(op="<=" | "<" as op, left=Var(name=name), right=Const(value=int(value))):
                note(name, None, value - (op == "<"))
            case Compare(op=">=" | ">" as op, left=Var(name=name), right=Const(value=int(value))):
                note(name, value + (op == ">"), None)
            case Compare(op=">=" | ">" as op, left=Const(value=int(value)), right=Var(name=name)):
                note(name, None, value - (op == ">"))

    for clause in function.requires:
        look(clause.expr)
    return bounds


class Choices(NamedTuple):
    """Values of each parameter to be tried; `finite`: these are all the allowed ones."""

    values: list[list[Value]]
    size: int
    finite: bool


def _choices(function: Function) -> Choices:
    """The largest of `SIZES` that keeps to `MAX_INPUTS`."""
    ranges = _ranges(function)
    finite = all(name in ranges or _all_bools(sort) for name, sort in function.params)
    values: list[list[Value]] = []
    for size in SIZES:
        values = [list(ranges[name] if name in ranges else _values(sort, size)) for name, sort in function.params]
        if prod(map(len, values)) <= MAX_INPUTS:
            return Choices(values, size, finite)
    return Choices([few[:2] for few in values], 0, False)


def _ranges(function: Function) -> dict[str, range]:
    """All allowed values of int parameters that the precondition keeps between literals not far apart."""
    found = {}
    for name, (low, high) in _bounds(function).items():
        if low is not None and high is not None and high - low < MAX_INPUTS and (name, INT) in function.params:
            found[name] = range(low, high + 1)
    return found


def _all_bools(sort: Sort) -> bool:
    return sort == BOOL or (isinstance(sort, TupleOf) and all(map(_all_bools, sort.items)))


def _values(sort: Sort, size: int) -> Iterator[Value]:
    match sort:
        case ListOf(item):
            for length in range(size // 2 + 2):
                yield from map(list, product(list(_values(item, min(size, 2) // 2)), repeat=length))
        case TupleOf(items):
            yield from product(*(list(_values(item, size)) for item in items))
        case DictOf(key, item):
            keys = list(_values(key, 1))
            yield {}
            yield from ({k: value} for k in keys for value in _values(item, 1))
    if sort == BOOL:
        yield from (False, True)
    elif sort == INT:
        yield from range(-size, size + 1)
    elif sort == STR:
        for length in range(size // 2 + 2):
            yield from map("".join, product("ab", repeat=length))
