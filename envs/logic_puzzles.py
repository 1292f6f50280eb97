"""Logic puzzles: a proposer writes a puzzle with exactly one solution, solvers solve it.

    Knights and knaves with 3 people:        ->        A:!B B:A=C C:B        A:!B B:A=C C:B        ->        NKN

Four families (`selfplay.sandbox.checkers.puzzles` describes their texts): knights and knaves, zebra puzzles, graph
colouring, sudoku 4x4. The proposer knows no solution; that there is exactly one is decided by the checker, and a puzzle
with several, or none, earns `invalid`. With ``minimal`` no clue may be one that could be left out. What the checker
could not decide teaches nothing. A valid proposal earns most where half of the answers are right, 4p(1-p).

One puzzle in eight is held out, by its text: exams consist of such, and nobody is ever trained on one.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Literal

from selfplay import seeds
from selfplay.envs.logic_puzzle_makers import SIZES, random_puzzle, solution
from selfplay.errors import UsageError
from selfplay.game import Demo, Exam, Expected, Foul, Game
from selfplay.match import Match
from selfplay.rewards import proposer_reward
from selfplay.roles import duties
from selfplay.roles.exams import different
from selfplay.sandbox.checkers import Claim, Proofs
from selfplay.sandbox.checkers.algebra.search import violated
from selfplay.sandbox.checkers.contracts.faults import Fault
from selfplay.sandbox.checkers.puzzles import Puzzle, read_puzzle
from selfplay.types import Edit, Json, MatchRecord, Move, Request

Family = Literal["knights", "zebra", "colouring", "sudoku"]
WISHES: dict[Family, str] = {
    "knights": "Knights and knaves with {} people:",
    "zebra": "Zebra puzzle with {} houses:",
    "colouring": "Graph colouring with {} nodes:",
    "sudoku": "Sudoku with {} given cells:",
}
"""What the proposer is asked for."""
LONGEST = 400
"""Characters of a proposal or an answer."""
HELD_OUT = 8
"""One puzzle in so many is held out, by hash: for every run, on every machine, the same ones."""


def read_text(text: str) -> str:
    """A puzzle or an answer, whose meaning only the family knows: one line, single spaces.

    Raises:
        Foul: it is empty or too long.
    """
    squeezed = " ".join(text.split())
    if not 0 < len(squeezed) <= LONGEST:
        raise Foul(f"a text of at most {LONGEST} characters was expected")
    return squeezed


def size_of(family: Family, puzzle: Puzzle) -> int:
    """What the sizes of a family count."""
    if family == "sudoku":
        return sum(not constraint.rule for constraint in puzzle.problem.constraints)
    if family == "zebra":
        return max(domain.high or 0 for domain in puzzle.problem.domains.values())
    return len(puzzle.problem.domains)


def is_held_out(text: str) -> bool:
    """Belongs to the exam; nobody may be trained on it."""
    return seeds.derive(0, "logic_puzzles", text) % HELD_OUT == 0


def make_puzzle(rng: random.Random, family: Family, size: int, *, held_out: bool = False) -> str:
    """A random puzzle with one solution that is (not) held out.

    Raises:
        UsageError: there is none of this size, or it is too hard to find.
    """
    found = random_puzzle(rng, family, size, lambda text: is_held_out(text) == held_out)
    if found is not None:
        return found
    raise UsageError(f"no {family} puzzle of size {size} with exactly one solution was found: choose another size")


@cache
def exam_puzzles(family: Family, size: int, count: int) -> tuple[str, ...]:
    """Different held-out puzzles, the same ones always; fewer than `count` only where there hardly are more."""
    rng = seeds.rng(0, "logic_puzzles exam", family, size)
    return different(lambda: make_puzzle(rng, family, size, held_out=True), count, patience=500)


def random_bot(request: Request, rng: random.Random) -> str:
    """Proposes what is wished for; answers with K and N at random, or not at all where it takes more than that."""
    prompt = request.messages[-1].text
    if request.role == "proposer":
        family = next(family for family, wish in WISHES.items() if wish.split("{}")[0] in prompt)
        size = next(int(word) for word in prompt.split() if word.isdigit())
        return make_puzzle(rng, family, size)
    return "".join(rng.choice("KN") for letter in "ABCDEFGHIJ" if letter in prompt) or "?"


def exact_bot(request: Request, rng: random.Random) -> str:
    """Solves every puzzle by trying; proposes at random."""
    if request.role == "proposer":
        return random_bot(request, rng)
    prompt = request.messages[-1].text
    for family in WISHES:
        try:
            return solution(read_puzzle(family, prompt)) or "?"
        except Fault:
            continue
    return "?"


class LogicPuzzles(Game):
    """Puzzles with exactly one solution, proposed and solved."""

    id = "logic_puzzles"
    result_range = (0.0, 1.0)
    bots = {"random": random_bot, "exact": exact_bot}

    proposer = duties.proposer("Write a logic puzzle with exactly one solution.", read_text)
    solver = duties.solver("Solve the logic puzzle.", read_text)

    attempts: int = 8
    """Answers to each puzzle."""
    family: Family = "knights"
    sizes: tuple[int, ...] = (3, 4)
    """How large puzzles are: people, houses, nodes, or given cells."""
    minimal: bool = False
    """No clue of a puzzle may be one that could be left out."""
    reward: str = "learnability"
    """What a proposal earns for the answers to it; a name from `selfplay.rewards`."""
    invalid: float = -1.0
    """What a proposal costs that is no puzzle of the wanted size with exactly one solution."""
    novelty: float = 1.0
    """What it costs a proposal if all others are equal to it."""
    exam_size: int = 150
    """Exam puzzles of each size."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        proposer_reward(self.reward)

    def expected(self) -> Iterator[Expected]:
        low, high = SIZES[self.family]
        yield "attempts", self.attempts >= 1, "at least 1"
        yield (
            "sizes",
            self.sizes and all(low <= size <= high for size in self.sizes),
            f"{low} to {high}, one or several",
        )
        yield "exam_size", self.exam_size >= 1, "at least 1"

    async def play(self, match: Match) -> None:
        if match.task is not None:  # from the exam, a file, or the pool of earlier proposals
            await self.solve(match, *self.from_task(match.task))
            return
        size = match.rng.choice(self.sizes)
        proposal = await match.ask(self.proposer, WISHES[self.family].format(size))
        puzzle = self.read(proposal, size)
        if puzzle is None:
            return
        if is_held_out(proposal.value):
            proposal.mask("held out for the exam")
        elif await duties.stands(match, proposal, Proofs(), self.has_one_solution(proposal.value), self.invalid):
            answers = await self.solve(match, proposal.value, puzzle)
            proposal.reward = proposer_reward(self.reward)(answers)

    def read(self, proposal: Move, size: int) -> Puzzle | None:
        """The proposed puzzle; one that cannot be read, or is of another size, is penalised."""
        try:
            puzzle = read_puzzle(self.family, proposal.value)
        except Fault as fault:
            proposal.penalise(fault.reason, self.invalid)
            return None
        if size_of(self.family, puzzle) != size:
            proposal.penalise(f"size {size_of(self.family, puzzle)}, not {size}", self.invalid)
            return None
        return puzzle

    def from_task(self, task: Json) -> tuple[str, Puzzle]:
        """Read a task, ``{"puzzle": "A:!B B:A"}``.

        Raises:
            UsageError: it is something else.
        """
        try:
            match task:
                case {"puzzle": str(text)}:
                    return text, read_puzzle(self.family, text)
        except Fault:
            pass
        raise UsageError(f'the task {task!r} is no {self.family} puzzle; one is {{"puzzle": "A:!B B:A"}}')

    def has_one_solution(self, text: str) -> Claim:
        """The claim that a puzzle has, and no clue too many where `minimal` is set."""
        payload: dict[str, Json] = {"family": self.family, "puzzle": text}
        return Claim("puzzles", "minimal" if self.minimal else "unique", payload)

    async def solve(self, match: Match, text: str, puzzle: Puzzle) -> list[Move]:
        """Have the puzzle solved, reward the answers, and tell the world how it went."""

        def right(answer: str) -> bool:
            try:
                return violated(puzzle.problem, puzzle.read_answer(answer)) is None
            except Fault:
                return False

        answers = await match.ask(self.solver, text, n=self.attempts, learn=not is_held_out(text))
        solved = duties.grade(answers, right)
        match.result(solver=solved / self.attempts)
        match.note(size=size_of(self.family, puzzle), solve_rate=solved / self.attempts)
        match.show(f"{text}   solved {solved} of {self.attempts}")
        match.publish("pool", text, {"puzzle": text}, solved=solved, of=self.attempts)
        return answers

    def settle(self, records: Sequence[MatchRecord]) -> Iterable[Edit]:
        """Proposals that equal others of the same generation pay for it."""
        return duties.charge_repeats(records, self.proposer, lambda text: text, self.novelty)

    def exam(self) -> Exam:
        levels = {
            str(size): [{"puzzle": text} for text in exam_puzzles(self.family, size, self.exam_size)]
            for size in self.sizes
        }
        return Exam("solver", levels, settings={"attempts": 1})

    def demos(self, rng: random.Random) -> Iterator[Demo]:
        while True:
            size = rng.choice(self.sizes)
            wish = WISHES[self.family].format(size)
            yield self.proposer.demo(wish, make_puzzle(rng, self.family, size))
            for _ in range(3):  # solving takes more practice than proposing
                text = make_puzzle(rng, self.family, rng.choice(self.sizes))
                yield self.solver.demo(text, solution(read_puzzle(self.family, text)) or "")
