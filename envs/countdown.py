"""Countdown: a proposer sets a number puzzle that it can solve, solvers find their own way to the target.

    Numbers: 3 5 7 Target: 22        ->        3*5+7

The proposer writes an expression; its numbers, sorted, and its value are the puzzle. So every puzzle has a solution,
the expression itself (the *witness*) stays hidden, and no dataset is needed. The proposer earns most where half of the
answers succeed: p(1-p) for solve rate p (Florensa et al. 2018, arXiv 1705.06366), here without bias from few answers.

One puzzle in eight is *held out*: exams consist of such puzzles, and nobody is ever trained on one.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence

from selfplay.envs.arithmetic import Expression
from selfplay.envs.puzzles import LARGEST, Puzzle, exam_puzzles, exhaustive_bot, random_bot, random_witness
from selfplay.game import Demo, Exam, Expected, Game
from selfplay.match import Match
from selfplay.rewards import learnability, target_difficulty
from selfplay.roles import duties
from selfplay.types import Edit, MatchRecord, Move


class Countdown(Game):
    """Number puzzles with + - *, proposed and solved."""

    id = "countdown"
    result_range = (0.0, 1.0)
    bots = {"random": random_bot, "exhaustive": exhaustive_bot}

    proposer = duties.proposer("Write an expression with + - * over numbers from 1 to 9.", Expression.parse)
    solver = duties.solver("Write an expression that uses every number once and hits the target.", Expression.parse)

    attempts: int = 8
    """Answers to each puzzle."""
    sizes: tuple[int, ...] = (3, 4, 5)
    """How many numbers a puzzle may have."""
    highest: int = 9
    """Numbers go from 1 to this."""
    assign_size: bool = True
    """The proposer is told how many numbers to use. Left to itself it drifts to whatever pays at the moment."""
    target_rate: float | None = None
    """Solve rate that the proposer should meet; without one it is paid for p(1-p)."""
    novelty: float = 1.0
    """What it costs a proposal if all others are equal to it."""
    exam_size: int = 150
    """Exam puzzles of each size."""

    async def play(self, match: Match) -> None:
        if match.task is not None:  # a puzzle from the exam, a generator, or the pool of earlier proposals
            await self.solve(match, Puzzle.from_task(match.task))
            return
        size = match.rng.choice(self.sizes) if self.assign_size else None
        proposal = await match.ask(self.proposer, wish(size))
        puzzle = Puzzle.of(proposal.value)
        if objection := self.objection(puzzle, size):
            proposal.penalise(objection, 0.0)
        elif puzzle.held_out:
            proposal.mask("held out for the exam")
        else:
            match.secret(self.proposer, proposal.value.text)
            match.note(times=proposal.value.times_share)
            answers = await self.solve(match, puzzle)
            wanted = self.target_rate
            proposal.reward = learnability(answers) if wanted is None else target_difficulty(answers, wanted)

    async def solve(self, match: Match, puzzle: Puzzle) -> list[Move]:
        """Have the puzzle answered, reward the answers, and tell the world how it went."""
        answers = await match.ask(self.solver, puzzle.text(), n=self.attempts, learn=not puzzle.held_out)
        solved = duties.grade(answers, puzzle.solved_by)
        match.result(solver=solved / self.attempts)
        match.note(size=len(puzzle.numbers), target=puzzle.target, solve_rate=solved / self.attempts)
        match.show(f"{puzzle.text()}   solved {solved} of {self.attempts}")
        match.publish("pool", puzzle.key, puzzle.task(), solved=solved, of=self.attempts)
        return answers

    def objection(self, puzzle: Puzzle, size: int | None) -> str | None:
        """Why this is not the puzzle that was asked for; `None`: it is."""
        sizes = (size,) if size else self.sizes
        if len(puzzle.numbers) not in sizes:
            return f"{len(puzzle.numbers)} numbers, not {' or '.join(map(str, sizes))}"
        if puzzle.numbers[-1] > self.highest:
            return f"{puzzle.numbers[-1]} is above {self.highest}"
        if not 0 <= puzzle.target <= LARGEST:
            return f"the value {puzzle.target} is not in 0 to {LARGEST}"
        return None

    def settle(self, records: Sequence[MatchRecord]) -> Iterable[Edit]:
        """Proposals that equal others of the same generation pay for it."""
        return duties.charge_repeats(records, self.proposer, Puzzle.of, self.novelty)

    def exam(self) -> Exam:
        levels = {str(n): [p.task() for p in exam_puzzles(n, self.highest, self.exam_size)] for n in self.sizes}
        return Exam("solver", levels, settings={"attempts": 1})

    def demos(self, rng: random.Random) -> Iterator[Demo]:
        while True:
            size = rng.choice(self.sizes)
            told = rng.random() < 0.8  # so that one tiny model serves both settings of `assign_size`
            yield self.proposer.demo(wish(size if told else None), random_witness(rng, size, self.highest).text)
            for _ in range(3):  # solving takes more practice than proposing
                witness = random_witness(rng, rng.choice(self.sizes), self.highest)
                yield self.solver.demo(Puzzle.of(witness).text(), witness.text)

    def expected(self) -> Iterator[Expected]:
        yield "attempts", self.attempts >= 1, "at least 1"
        yield "sizes", self.sizes and all(2 <= size <= 8 for size in self.sizes), "one or several of 2 to 8"
        yield "highest", 2 <= self.highest <= 100, "2 to 100"
        yield "target_rate", 0.0 <= (self.target_rate or 0.0) <= 1.0, "0 to 1, or none"


def wish(size: int | None) -> str:
    """What the proposer is asked for."""
    return f"Expression over {size} numbers:" if size else "Your expression:"
