"""Algebra duel: a proposer writes equations that have exactly one solution, solvers solve them.

    Equation with x once:        ->        3*x+4=19        3*x+4=19        ->        5
    Equations in x and y:        ->        2*x+y=12;x-y=3                  ->        5 2

Self-Questioning Language Models (arXiv 2508.03682) and R-Zero (arXiv 2508.05004) with one change: where they let a
majority of the answers decide, a checker does (`selfplay.sandbox.checkers.algebra`). Whether a proposal has exactly one
solution among the whole numbers from 0 to `highest` is proved, not voted on; an answer is right if it satisfies the
equations. So errors that most solvers share are not reinforced, and a proposal with two solutions, or none, earns
`invalid` instead of a lucky vote. What the checker could not decide teaches nothing.

The proposer earns R-Zero's 1-2|p-1/2| for solve rate p (or another `reward`, by name), less for repeating others.
Equations are a small part of the checker's language: whole numbers, x, y, ``+ - * ( )``. One problem in eight is held
out: exams consist of such, and nobody is ever trained on one.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

from selfplay import seeds
from selfplay.errors import UsageError
from selfplay.game import Demo, Exam, Expected, Foul, Game
from selfplay.match import Match
from selfplay.rewards import proposer_reward
from selfplay.roles import duties
from selfplay.roles.exams import different
from selfplay.sandbox.checkers import Claim, Limits, Proofs
from selfplay.sandbox.checkers.algebra.problem import Problem
from selfplay.sandbox.checkers.algebra.search import solutions, violated
from selfplay.sandbox.checkers.contracts.faults import Fault
from selfplay.types import Edit, Json, MatchRecord, Move, Request

Kind = Literal["once", "twice", "pair"]
WISHES: dict[Kind, str] = {
    "once": "Equation with x once:",
    "twice": "Equation with x twice:",
    "pair": "Equations in x and y:",
}
"""What the proposer is asked for, by kind of problem."""
LONGEST = 40
"""Characters of a proposal."""
HELD_OUT = 8
"""One problem in so many is held out, by hash: for every run, on every machine, the same ones."""
_EQUATION = re.compile(r"[0-9xy+\-*()]+=[0-9xy+\-*()]+")
_NUMBERS = re.compile(r"\s*([0-9]{1,4})(?:[\s,;]+([0-9]{1,4}))?\s*")


@dataclass(frozen=True)
class Equations:
    """One equation or several, as their proposer wrote them, without spaces."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Equations:
        """Read ``3*x+4=19`` or ``x+y=7;x-y=1``.

        Raises:
            Foul: it is anything else.
        """
        squeezed = "".join(text.split())
        if (
            "**" in squeezed
            or not 0 < len(squeezed) <= LONGEST
            or not all(map(_EQUATION.fullmatch, squeezed.split(";")))
        ):
            raise Foul(f"equations in x and y with + - * were expected, in at most {LONGEST} characters")
        found = cls(squeezed)
        try:
            found.problem(0)
        except Fault as fault:
            raise Foul(fault.reason) from None
        return found

    @classmethod
    def from_task(cls, task: Json) -> Equations:
        """Read a task, ``{"equations": "3*x+4=19"}``.

        Raises:
            UsageError: it is something else.
        """
        try:
            match task:
                case {"equations": str(text)}:
                    return cls.parse(text)
        except Foul:
            pass
        raise UsageError(f'the task {task!r} is no problem; one is {{"equations": "3*x+4=19"}}')

    def problem(self, highest: int) -> Problem:
        """With x and y from 0 to `highest`.

        Raises:
            Fault: the checker does not take it.
        """
        return Problem.from_json(self.payload(highest), Limits())

    def payload(self, highest: int) -> dict[str, Json]:
        """The problem as the checker wants it."""
        return {"constraints": self.text, "domain": [0, highest]}

    @cached_property
    def kind(self) -> Kind | None:
        """What was proposed; `None`: nothing anybody asks for."""
        if "y" in self.text:
            return "pair" if "x" in self.text and self.text.count(";") == 1 else None
        counts: dict[int, Kind] = {1: "once", 2: "twice"}
        return counts.get(self.text.count("x")) if ";" not in self.text else None

    @property
    def held_out(self) -> bool:
        """Belongs to the exam; nobody may be trained on it."""
        return seeds.derive(0, "algebra_duel", self.text) % HELD_OUT == 0

    def has_one_solution(self, highest: int) -> Claim:
        """The claim that it has."""
        return Claim("algebra", "unique", {"problem": self.payload(highest)})

    def solved_by(self, values: tuple[int, ...], highest: int) -> bool:
        """Whether x, or x and y, have these values in a solution."""
        problem = self.problem(highest)
        if len(values) != len(problem.domains):
            return False
        return violated(problem, dict(zip(problem.domains, values, strict=True))) is None


def read_values(text: str) -> tuple[int, ...]:
    """An answer: ``5``, or ``5 2`` for x and y.

    Raises:
        Foul: it is anything else.
    """
    found = _NUMBERS.fullmatch(text)
    if not found:
        raise Foul("one or two whole numbers were expected")
    return tuple(int(number) for number in found.groups() if number is not None)


def random_equations(rng: random.Random, kind: Kind, highest: int, *, held_out: bool = False) -> Equations:
    """A random problem with one solution that is (not) held out."""
    while True:
        x, y = rng.randint(0, highest), rng.randint(0, highest)
        a, b = rng.randint(2, 9), rng.randint(1, 20)
        if kind == "once":
            text = f"{a}*x+{b}={a * x + b}" if rng.random() < 0.5 or a * x < b else f"{a}*x-{b}={a * x - b}"
        elif kind == "twice":
            c = rng.randint(1, a - 1)
            text = f"{a}*x+{b}={c}*x+{(a - c) * x + b}"
        else:
            c, d, e = (rng.randint(1, 5) for _ in range(3))
            text = f"{c}*x+{d}*y={c * x + d * y};x-{e}*y={x - e * y}"
        equations = Equations(text)
        if equations.held_out == held_out:
            return equations


@cache
def exam_equations(kind: Kind, highest: int, count: int) -> tuple[Equations, ...]:
    """Different held-out problems, the same ones always; fewer than `count` only where there hardly are more."""
    rng = seeds.rng(0, "algebra_duel exam", kind, highest)
    return different(lambda: random_equations(rng, kind, highest, held_out=True), count, patience=5000)


def random_bot(request: Request, rng: random.Random) -> str:
    """Proposes what is wished for; answers with any number."""
    prompt = request.messages[-1].text
    if request.role == "proposer":
        kind = next(kind for kind, wish in WISHES.items() if wish == prompt)
        return random_equations(rng, kind, AlgebraDuel.highest).text
    return " ".join(str(rng.randint(0, AlgebraDuel.highest)) for name in "xy" if name in prompt)


def exact_bot(request: Request, rng: random.Random) -> str:
    """Solves every problem by trying all values; proposes at random."""
    if request.role == "proposer":
        return random_bot(request, rng)
    return solution(Equations.parse(request.messages[-1].text), AlgebraDuel.highest)


def solution(equations: Equations, highest: int) -> str:
    """The first solution, as an answer; ``none`` if there is none."""
    found = next(solutions(equations.problem(highest)), None)
    return " ".join(str(found[name]) for name in sorted(found)) if found else "none"


class AlgebraDuel(Game):
    """Equations, proposed and solved; a checker proves that they have one solution."""

    id = "algebra_duel"
    result_range = (0.0, 1.0)
    bots = {"random": random_bot, "exact": exact_bot}

    proposer = duties.proposer("Write an equation with exactly one solution.", Equations.parse)
    solver = duties.solver("Solve the equation: write x, or x and y.", read_values)

    attempts: int = 8
    """Answers to each problem."""
    kinds: tuple[Kind, ...] = ("once", "twice")
    """What may be asked for: one equation with x once, with x twice, or a pair in x and y."""
    highest: int = 20
    """Solutions are whole numbers from 0 to this."""
    reward: str = "uncertainty"
    """What a proposal earns for the answers to it; a name from `selfplay.rewards`."""
    invalid: float = -1.0
    """What a proposal costs that has not exactly one solution, or is not what was asked for."""
    novelty: float = 1.0
    """What it costs a proposal if all others are equal to it."""
    exam_size: int = 150
    """Exam problems of each kind."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        proposer_reward(self.reward)

    def expected(self) -> Iterator[Expected]:
        yield "attempts", self.attempts >= 1, "at least 1"
        yield "kinds", bool(self.kinds), "one or several of once, twice, pair"
        yield "highest", 1 <= self.highest <= 99, "1 to 99"
        yield "exam_size", self.exam_size >= 1, "at least 1"

    async def play(self, match: Match) -> None:
        if match.task is not None:  # from the exam, a file, or the pool of earlier proposals
            await self.solve(match, Equations.from_task(match.task))
            return
        kind = match.rng.choice(self.kinds)
        proposal = await match.ask(self.proposer, WISHES[kind])
        equations: Equations = proposal.value
        if equations.kind != kind:
            proposal.penalise("not the kind of problem that was asked for", self.invalid)
        elif equations.held_out:
            proposal.mask("held out for the exam")
        elif await duties.stands(match, proposal, Proofs(), equations.has_one_solution(self.highest), self.invalid):
            answers = await self.solve(match, equations)
            proposal.reward = proposer_reward(self.reward)(answers)

    async def solve(self, match: Match, equations: Equations) -> list[Move]:
        """Have the problem solved, reward the answers, and tell the world how it went."""
        answers = await match.ask(self.solver, equations.text, n=self.attempts, learn=not equations.held_out)
        solved = duties.grade(answers, lambda values: equations.solved_by(values, self.highest))
        match.result(solver=solved / self.attempts)
        match.note(kind=equations.kind, solve_rate=solved / self.attempts)
        match.show(f"{equations.text}   solved {solved} of {self.attempts}")
        match.publish("pool", equations.text, {"equations": equations.text}, solved=solved, of=self.attempts)
        return answers

    def settle(self, records: Sequence[MatchRecord]) -> Iterable[Edit]:
        """Proposals that equal others of the same generation pay for it."""
        return duties.charge_repeats(records, self.proposer, lambda equations: equations.text, self.novelty)

    def exam(self) -> Exam:
        levels: dict[str, list[Json]] = {
            kind: [{"equations": e.text} for e in exam_equations(kind, self.highest, self.exam_size)]
            for kind in self.kinds
        }
        return Exam("solver", levels, settings={"attempts": 1})

    def demos(self, rng: random.Random) -> Iterator[Demo]:
        while True:
            kind = rng.choice(self.kinds)
            yield self.proposer.demo(WISHES[kind], random_equations(rng, kind, self.highest).text)
            for _ in range(3):  # solving takes more practice than proposing
                equations = random_equations(rng, rng.choice(self.kinds), self.highest)
                yield self.solver.demo(equations.text, solution(equations, self.highest))
