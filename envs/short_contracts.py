"""Contracts on one line for `f(a, b, c)` over whole numbers.

    b<=c|b<=result<=c;result==a or result==b and a<b or result==c and a>c        min(max(a,b),c)

What stands before the bar is required, what stands after it is ensured; conditions are separated by semicolons. They
are Python as the contracts checker reads it (docs/checkers.md), and nothing here ever reads them: a contract that a
player wrote goes to the checker as it is.

One contract in eight is **held out**, by a hash of its text with variables named in the order in which they occur:
exams consist of such contracts, nobody is ever trained on one. That other numbers make another contract is on purpose:
of texts whose like it has never seen a tiny model proves next to nothing, however long it plays.
`contract_families` makes contracts with solutions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

from selfplay import seeds
from selfplay.errors import UsageError
from selfplay.game import Foul
from selfplay.sandbox.checkers import Claim, Limits
from selfplay.types import Json

NAME, PARAMS = "f", ("a", "b", "c")
HELD_OUT = 8
"""One contract in so many is held out: for every run, on every machine, the same ones."""
LONGEST = 400
"""Characters of a contract."""
LIMITS = Limits(rlimit_step=50_000, rlimit_total=200_000)
"""Enough for what `contract_families` makes."""


@dataclass(frozen=True, slots=True)
class Contract:
    """What `f` is to do."""

    requires: tuple[str, ...]
    ensures: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Contract:
        """Read one line; what the conditions say is the checker's business.

        Raises:
            Foul: it is empty, too long, or not one line of plain characters.
        """
        text = text.strip()
        if not text or len(text) > LONGEST or not (text.isascii() and text.isprintable()):
            raise Foul(f"a contract is one line of at most {LONGEST} ASCII characters")
        before, bar, after = text.partition("|")
        return cls(_clauses(before) if bar else (), _clauses(after if bar else before))

    @classmethod
    def from_task(cls, task: Json) -> Contract:
        """Read a task, ``{"contract": "result==a+1"}``.

        Raises:
            UsageError: it is something else.
        """
        try:
            return cls.parse(cast("dict[str, str]", task)["contract"])
        except (Foul, TypeError, KeyError, AttributeError):
            raise UsageError(f'the task {task!r} is no contract; one is {{"contract": "result==a+1"}}') from None

    @property
    def text(self) -> str:
        """As players see it, and what makes two contracts equal: without needless spaces."""
        before = f"{';'.join(self.requires)}|" if self.requires else ""
        return before + ";".join(self.ensures)

    @property
    def canonical(self) -> str:
        """Its text, whatever the variables are called."""
        names: dict[str, str] = {}
        return re.sub(r"\b[abc]\b", lambda found: names.setdefault(found[0], "xyz"[min(len(names), 2)]), self.text)

    @property
    def held_out(self) -> bool:
        """Belongs to the exam."""
        return seeds.derive(0, "contract", self.canonical) % HELD_OUT == 0

    def task(self) -> dict[str, Json]:
        return {"contract": self.text}

    def problem(self) -> dict[str, Json]:
        """As the contracts checker wants it."""
        return {
            "name": NAME, "params": dict.fromkeys(PARAMS, "int"), "returns": "int",
            "requires": list(self.requires), "ensures": list(self.ensures),
        }  # fmt: skip

    def worth_posing(self) -> Claim:
        """The claim that it has inputs, and results for all of them, but not every result will do."""
        return Claim("contracts", "specification", {"problem": self.problem()}, LIMITS)

    def met_by(self, solution: str, *, checker: str = "contracts", limits: Limits = LIMITS) -> Claim:
        """The claim that a module's `f` meets it."""
        return Claim(checker, "solution", {"problem": self.problem(), "solution": solution}, limits)


def _clauses(text: str) -> tuple[str, ...]:
    tight = re.sub(r"\s*([^\w\s])\s*", r"\1", " ".join(text.split()))
    return tuple(clause for clause in tight.split(";") if clause)
