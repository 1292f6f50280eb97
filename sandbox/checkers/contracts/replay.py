"""Runs a program on concrete inputs and says whether it meets its contract there: what stands behind REFUTED."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from selfplay.sandbox.checkers.contracts.evaluate import RunFault, TooMuch, Value
from selfplay.sandbox.checkers.contracts.inputs import Inputs
from selfplay.sandbox.checkers.contracts.interpreter import FUEL, Interpreter
from selfplay.sandbox.checkers.contracts.tree import Clause, Function, Program
from selfplay.sandbox.checkers.types import Blame, Limits, ProofLevel, ProofStatus, ProofVerdict
from selfplay.types import Json

FUEL_FOR_ALL = 20 * FUEL
"""For all tests of one claim together."""
TRIES = 12
"""Inputs drawn for each that must satisfy the precondition."""


@dataclass(slots=True)
class Tests:
    """What testing found."""

    tried: int = 0
    """Inputs drawn."""
    valid: int = 0
    """Inputs that satisfy the precondition."""
    conclusive: int = 0
    """Of these, inputs on which the program came to an end."""


class Replay:
    """The entry function of one program, run on inputs."""

    def __init__(self, program: Program, function: Function | None = None) -> None:
        self.program = program
        self.function = function or program.functions[program.entry]
        self.interpreter = Interpreter(program)
        self.names = [name for name, _ in self.function.params]
        self.fuel = FUEL_FOR_ALL
        self.tests = Tests()

    def inputs(self, limits: Limits) -> Inputs:
        return Inputs([sort for _, sort in self.function.params], self.program.constants, limits.seed)

    def search(self, limits: Limits) -> ProofVerdict | None:
        """Try inputs until one refutes the program or `limits.tests` have passed."""
        seen = set()
        for args in self.inputs(limits):
            tests = self.tests
            if tests.valid >= limits.tests or tests.tried >= TRIES * limits.tests or self.fuel <= 0:
                return None
            tests.tried += 1
            key = repr(args)
            if key not in seen and (refutation := self.refute(args)):
                return refutation
            seen.add(key)
        return None

    def allowed(self, args: Sequence[Value]) -> bool:
        """Whether the precondition holds.

        Raises:
            Undefined: it has no value for these arguments.
            TooMuch: that took too long to tell.
        """
        env = dict(zip(self.names, args, strict=True))
        return all(self._holds(clause, env) for clause in self.function.requires)

    def accepts(self, args: Sequence[Value], result: Value) -> bool:
        """Whether the postcondition holds.

        Raises:
            Undefined: it has no value there.
            TooMuch: that took too long to tell.
        """
        return self.violated(args, result) is None

    def violated(self, args: Sequence[Value], result: Value) -> Clause | None:
        """The first postcondition that does not hold."""
        env = {**dict(zip(self.names, args, strict=True)), "result": result}
        return next((clause for clause in self.function.ensures if not self._holds(clause, env)), None)

    def _holds(self, clause: Clause, env: dict[str, Value]) -> bool:
        try:
            return bool(self._spend(lambda fuel: self.interpreter.holds(clause, env, fuel)))
        except RunFault as fault:
            raise Undefined(clause, fault) from None

    def _spend(self, action: Callable[[int], Value]) -> Value:
        allowance = min(FUEL, self.fuel)
        try:
            return action(allowance)
        finally:
            self.fuel -= allowance - max(self.interpreter.fuel, 0)

    def refute(self, args: Sequence[Value]) -> ProofVerdict | None:
        """A refutation if the contract is broken on this input; None where all is well or nothing can be told."""
        shown: dict[str, Json] = dict(zip(self.names, map(plain, args), strict=True))
        result: Value = None
        try:
            if not self.allowed(args):
                return None
            self.tests.valid += 1
            result = self._spend(lambda fuel: self.interpreter.run(self.function.name, args, fuel))
            shown["result"] = plain(result)
            self.tests.conclusive += 1
            broken = self.violated(args, result)
        except TooMuch:
            return None
        except Undefined as undefined:
            reason = f"the condition `{undefined.clause.text}` is not defined: {undefined.fault}"
            return _refuted(reason, undefined.clause.line, "defined", {**shown, "error": str(undefined.fault)}).but(
                blame=Blame.PROPOSER
            )
        except RunFault as fault:
            shown["error"] = str(fault)
            return _refuted(f"{self.function.name} fails: {fault}", fault.line, "run", shown)
        if broken is None:
            return None
        return _refuted(f"`{broken.text}` does not hold", broken.line, "ensures", shown)


class Undefined(Exception):
    """A condition of a contract has no value."""

    def __init__(self, clause: Clause, fault: RunFault) -> None:
        super().__init__(str(fault))
        self.clause, self.fault = clause, fault


def _refuted(reason: str, line: int, obligation: str, shown: dict[str, Json]) -> ProofVerdict:
    return ProofVerdict(
        ProofStatus.REFUTED,
        reason,
        Blame.SOLVER,
        "test",
        line or None,
        obligation,
        shown,
        level=ProofLevel.TESTED,
    )


def plain(value: Value) -> Json:
    """A value as JSON; tuples become lists, dictionaries lists of pairs unless their keys are ints."""
    match value:
        case list() | tuple():
            return [plain(item) for item in value]
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
    return cast("Json", value)
