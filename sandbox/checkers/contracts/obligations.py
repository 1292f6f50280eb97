"""What has to be proved of a program, and the paths through it."""

from __future__ import annotations

from dataclasses import dataclass, field

from selfplay.sandbox.checkers.contracts.ledger import Entry
from selfplay.sandbox.checkers.contracts.logic import Term
from selfplay.sandbox.checkers.contracts.values import Symbol


@dataclass(frozen=True, slots=True)
class Obligation:
    """`goal` must follow from `facts`."""

    kind: str
    """For example ``ensures``, ``index``, ``invariant kept``, ``decreases``."""
    line: int
    text: str
    function: str
    facts: tuple[Term, ...]
    goal: Term

    def __str__(self) -> str:
        return f"{self.kind}{f' `{self.text}`' if self.text else ''} in {self.function}"


@dataclass(slots=True)
class State:
    """One path: the variables, and what is known there."""

    env: dict[str, Symbol]
    facts: list[Term] = field(default_factory=list)

    def fork(self, *facts: Term) -> State:
        return State(dict(self.env), [*self.facts, *(fact for fact in facts if fact is not True)])

    @property
    def dead(self) -> bool:
        """Whether a condition was plainly false."""
        return any(fact is False for fact in self.facts)


class TooMany(Exception):
    """More paths or obligations than the limits allow."""


class Book:
    """The obligations of a program, in order."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.found: list[Obligation] = []

    def owe(self, state: State, goal: Term, kind: str, line: int, text: str, function: str) -> None:
        """Write down that `goal` must hold in `state`; from then on it counts as a fact there."""
        if goal is True or state.dead:
            return
        if len(self.found) >= self.limit:
            raise TooMany(f"more than {self.limit} proof obligations")
        self.found.append(Obligation(kind, line, text, function, tuple(state.facts), goal))
        state.facts.append(goal)

    def enter(self, state: State, entries: list[Entry], function: str, text: str = "") -> None:
        """Owe the checks of a ledger, in order, and learn its facts."""
        for entry in entries:
            if entry.kind:
                self.owe(state, entry.formula, entry.kind, entry.line, entry.text or text, function)
            else:
                state.facts.append(entry.formula)
