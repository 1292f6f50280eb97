"""A problem: variables with their domains, and what they must satisfy.

As JSON: ``{"constraints": ["3*x + 4 = 19", "x < y"], "domain": [0, 99], "domains": {"y": "int"}}``. A domain is
``"int"``, ``"nat"`` (0, 1, 2, ...), ``"real"``, or ``[low, high]`` for the integers from low to high; `domain` is that
of every variable which `domains` does not mention, ``"int"`` if it is left out. Constraints may also be one text with
``;`` or line breaks between them. An answer is ``{"x": 5, "y": "3/2"}``: a value for every variable.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, cast

from selfplay.sandbox.checkers.algebra.evaluate import Undefined, value_of
from selfplay.sandbox.checkers.algebra.reader import check_name, read_condition, read_number
from selfplay.sandbox.checkers.algebra.tree import (
    Apply,
    Arith,
    Assignment,
    Condition,
    Expr,
    Node,
    Num,
    Number,
    Power,
    Var,
    children,
    names,
    walk,
)
from selfplay.sandbox.checkers.contracts.faults import Fault, malformed
from selfplay.sandbox.checkers.contracts.source import MAX_BITS
from selfplay.sandbox.checkers.types import Blame, Limits
from selfplay.types import Json

MAX_VARIABLES = 40
MAX_CONSTRAINTS = 80
LARGEST_BOUND = 10**9


@dataclass(frozen=True, slots=True)
class Domain:
    """The integers or reals from `low` to `high`; None: without end."""

    kind: Literal["int", "real"]
    low: int | None = None
    high: int | None = None

    def has(self, value: object) -> bool:
        """Whether an exact number lies in the domain."""
        if self.kind == "int" and not isinstance(value, int):
            return False
        number = cast("Fraction", value)
        return (self.low is None or number >= self.low) and (self.high is None or number <= self.high)

    @property
    def values(self) -> range | None:
        """All values; `None` where there is no end of them."""
        finite = self.kind == "int" and self.low is not None and self.high is not None
        return range(self.low or 0, (self.high or 0) + 1) if finite else None

    def __str__(self) -> str:
        bounds = "" if self.low is None else f" from {self.low}" + ("" if self.high is None else f" to {self.high}")
        return {"int": "an integer", "real": "a real number"}[self.kind] + bounds


@dataclass(frozen=True, slots=True)
class Constraint:
    """One condition. `rule`: it belongs to the kind of puzzle and is no clue that could be left out."""

    text: str
    condition: Condition
    rule: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """What is asked; `domains` has every variable, in order."""

    domains: dict[str, Domain]
    constraints: tuple[Constraint, ...]

    @property
    def finite(self) -> bool:
        """Whether all assignments could be tried."""
        return all(domain.values is not None for domain in self.domains.values())

    @staticmethod
    def from_json(data: Json, limits: Limits) -> Problem:
        """Read the JSON form.

        Raises:
            Fault: it cannot be read; the proposer is to blame.
        """
        try:
            return _problem(data, limits)
        except Fault as fault:
            fault.blame = Blame.PROPOSER
            raise

    def answer(self, data: Json, limits: Limits) -> Assignment:
        """Read an answer; its values may lie outside their domains.

        Raises:
            Fault: it cannot be read, or leaves a variable out.
        """
        if not isinstance(data, dict) or data.keys() != self.domains.keys():
            raise malformed(0, f"an answer is an object with a value for each of {', '.join(self.domains)}")
        return {name: _number(data[name], limits) for name in self.domains}


def texts(data: Json, what: str) -> list[str]:
    """A list of texts, or one text with separators, as a list.

    Raises:
        Fault: it is neither.
    """
    parts = re.split("[;\n]", data) if isinstance(data, str) else data
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise malformed(0, f"{what} are a list of texts, or one text with ; between them")
    return [part for part in cast("list[str]", parts) if part.strip()]


def check_integers(node: Node, domains: dict[str, Domain]) -> None:
    """Refuse ``//`` and ``%`` of anything but integers.

    Raises:
        Fault: there is such a thing.
    """
    for part in walk(node):
        if isinstance(part, Arith) and part.op in ("//", "%") and not _is_int(part, domains):
            raise malformed(0, f"{part.op} is for integers only")


def _is_int(expr: Expr, domains: dict[str, Domain]) -> bool:
    match expr:
        case Num(value):
            return isinstance(value, int)
        case Var(name):
            return domains[name].kind == "int"
        case Arith("/", _, _) | Apply("sqrt", _):
            return False
        case Arith() | Power() | Apply():
            return all(_is_int(cast("Expr", child), domains) for child in children(expr))


def _problem(data: Json, limits: Limits) -> Problem:
    if not isinstance(data, dict) or not data.keys() <= {"constraints", "domain", "domains"}:
        raise malformed(0, "a problem is an object with constraints, and perhaps domain and domains")
    lines = texts(data.get("constraints", []), "constraints")
    if len(lines) > MAX_CONSTRAINTS or sum(map(len, lines)) > limits.source_chars:
        raise malformed(0, f"too long: at most {MAX_CONSTRAINTS} constraints of {limits.source_chars} characters")
    constraints = tuple(Constraint(line.strip(), read_condition(line, limits)) for line in lines)
    stated = data.get("domains", {})
    if not isinstance(stated, dict):
        raise malformed(0, 'domains are an object such as {"x": "int"}')
    found = sorted(set().union(*(names(constraint.condition) for constraint in constraints), map(check_name, stated)))
    if not 1 <= len(found) <= MAX_VARIABLES:
        raise malformed(0, f"{len(found)} variables; a problem has 1 to {MAX_VARIABLES}")
    default = data.get("domain", "int")
    domains = {name: _domain(stated.get(name, default)) for name in found}
    for constraint in constraints:
        check_integers(constraint.condition, domains)
    return Problem(domains, constraints)


def _domain(data: Json) -> Domain:
    match data:
        case "int" | "real":
            return Domain(cast("Literal['int', 'real']", data))
        case "nat":
            return Domain("int", 0)
        case [int(low), int(high)] if -LARGEST_BOUND <= low <= high <= LARGEST_BOUND:
            return Domain("int", low, high)
    raise malformed(0, f'{str(data)[:40]!r} is no domain; they are "int", "nat", "real" and [low, high]')


def _number(data: Json, limits: Limits) -> Number:
    if isinstance(data, int) and not isinstance(data, bool) and data.bit_length() <= MAX_BITS:
        return data
    if not isinstance(data, str):
        raise malformed(0, f"{repr(data)[:40]} is no exact number; write 3, or a text such as '3/2'")
    try:
        return value_of(read_number(data, limits))
    except Undefined as undefined:
        raise malformed(0, f"{data[:40]!r} has no value: {undefined}") from None


def shown(assignment: Assignment) -> dict[str, Json]:
    """An assignment as JSON: ints, and texts for everything else."""
    return {name: value if isinstance(value, int) else str(value) for name, value in assignment.items()}
