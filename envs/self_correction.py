"""Self-correction: a sum, an answer, and a second attempt at it.

    7+5+8+6                                                ->  36
    There may be an error in it. Answer again.             ->  26

An answer has to come at once, without working it out; a second attempt has a draft to look at. So correcting is a skill
of its own: a good player mends wrong drafts and leaves right ones alone, without being told which is which; a good
reflector says what makes the next attempt right. `scheme` says what is paid for, each published system one:

    single       r1; the second attempt is asked for, but not trained      the baseline: ordinary RL on one turn
    each         r1 and r2                                                 two turns without shaping
    last         r2 for both attempts                                      SCoRe, stage I (with KL on the first attempt)
    progress     r1, and r2 + alpha (r2 - r1)                              SCoRe, stage II
    differences  the second attempt alone: discount c1 + (c2 - c1)         CoCoS; c counts the digits that are right
    reflection   after a wrong answer, what the reflector says about it:   Reflect, Retry, Reward; no answer is trained
                 1 if the attempt that follows is right

SCoRe: arXiv 2409.12917, equations 3 and 4 (stages are phases of the recipe, the anchor of stage I is the KL term of
``[roles.solver.tags.first]``). CoCoS: arXiv 2505.23060 (several second attempts at one first: ``attempts = 1``,
``seconds = 2``; its first turn then cancels in the baseline). Reflect, Retry, Reward: arXiv 2505.24726.

Notes, averaged per generation under ``notes/``: ``acc1`` and ``acc2`` (right answers), ``fixed`` (wrong, then right),
``broken`` (right, then wrong) and ``edited`` (the two differ), as shares of all pairs. The exam grades first and second
attempts at the same sums as levels of their own. One sum in eight is held out for it.

What it does not do: more than two attempts, feedback by an interpreter, sequence-level KL inside the reward.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from selfplay import seeds
from selfplay.envs.sums import Sum, careless_bot, exact_bot, random_bot, running_totals, slip
from selfplay.game import Demo, Exam, Expected, Foul, Game, Role, penalty
from selfplay.match import Match
from selfplay.rewards import progress_bonus, turn_differences
from selfplay.roles import duties
from selfplay.roles.formats import integer
from selfplay.types import Json, Move

AGAIN = "There may be an error in it. Answer again."
WRONG = "That is wrong."
Scheme = Literal["single", "each", "last", "progress", "differences", "reflection"]
TRAINED: dict[str, tuple[bool, bool]] = {
    "single": (True, False),
    "differences": (False, True),
    "reflection": (False, False),
}
"""Are first and second attempts trained? Both, under the other schemes."""


class Pair(NamedTuple):
    """Two attempts at one sum, one after the other."""

    first: Move
    second: Move
    thought: Move | None = None
    """What the reflector said in between."""


def reflection(text: str) -> str:
    """Parser: one line of at most 60 characters."""
    text = text.strip()
    if not text or len(text) > 60 or not text.isprintable():
        raise Foul("one line of at most 60 characters was expected")
    return text


class SelfCorrection(Game):
    """Sums, with a second attempt."""

    id = "self_correction"
    result_range = (0.0, 1.0)
    bots = {"random": random_bot, "exact": exact_bot, "careless": careless_bot}

    solver = duties.solver("Add the numbers.", integer(0, 10**6))
    reflector = Role("The answer is wrong. Say in a few words what to watch for.", parse=reflection, foul=penalty(0.0))

    scheme: Scheme = "progress"
    """What is paid for."""
    alpha: float = 10.0
    """Under ``progress``: what getting better is worth, and getting worse costs."""
    discount: float = 0.5
    """Under ``differences``: of the first attempt's digits."""
    attempts: int = 8
    """First attempts at each sum."""
    seconds: int = 1
    """Second attempts after each first one."""
    sizes: tuple[int, ...] = (4, 5)
    """How many numbers a sum may have."""
    exam_size: int = 150
    """Exam sums of each size."""

    def expected(self) -> Iterator[Expected]:
        yield "alpha", self.alpha >= 0.0, "0 or more"
        yield "discount", 0.0 <= self.discount <= 1.0, "0 to 1"
        yield "attempts", self.attempts >= 1, "at least 1"
        yield "seconds", self.seconds >= 1, "at least 1"
        yield "sizes", self.sizes and all(2 <= size <= 20 for size in self.sizes), "one or several of 2 to 20"

    async def play(self, match: Match) -> None:
        task = match.task
        problem = Sum.draw(match.rng, match.rng.choice(self.sizes)) if task is None else Sum.from_task(task)
        may_learn = not problem.held_out
        train = [may_learn and trained for trained in TRAINED.get(self.scheme, (True, True))]
        firsts = await match.ask(self.solver, problem.text(), n=self.attempts, tag="first", learn=train[0])
        if isinstance(task, dict) and task.get("graded") == "first":
            match.result(solver=sum(right(first, problem) for first in firsts) / len(firsts))
            for first in firsts:
                first.mask("only graded")
            return
        retry = self.reflect if self.scheme == "reflection" else self.revise
        tried = await match.gather(*(retry(match, problem, first, train[1]) for first in firsts))
        for pairs in tried:
            self.reward(problem, pairs)
        report(match, problem, [pair for pairs in tried for pair in pairs])

    async def revise(self, match: Match, problem: Sum, first: Move, learn: bool) -> list[Pair]:
        """Second attempts, whether the first was right or not: nobody says so."""
        seconds = await match.ask(self.solver, AGAIN, n=self.seconds, after=first, tag="second", learn=learn)
        return [Pair(first, second) for second in seconds]

    async def reflect(self, match: Match, problem: Sum, first: Move, learn: bool) -> list[Pair]:
        """After a wrong answer: what went wrong, and a second attempt that has read it. A right answer stands."""
        if right(first, problem):
            return [Pair(first, first)]
        said = "nothing that can be read" if first.value is None else str(first.value)
        prompt = f"{problem.text()} is not {said}."
        thoughts = await match.ask(self.reflector, prompt, n=self.seconds, learn=not problem.held_out)

        async def retry(thought: Move) -> Pair:
            hint = f"{WRONG} {thought.value or ''}".strip()
            (second,) = await match.ask(
                self.solver, f"{hint} Answer again.", n=1, after=first, tag="second", learn=learn
            )
            return Pair(first, second, thought)

        return await match.gather(*(retry(thought) for thought in thoughts))

    def reward(self, problem: Sum, pairs: Sequence[Pair]) -> None:
        """Pay the second attempts at one first, and that first one with their mean."""
        first = pairs[0].first
        r1 = float(right(first, problem))
        for pair in pairs:
            r2 = float(right(pair.second, problem))
            if pair.thought is not None:
                pair.thought.reward = r2
            if pair.second is first:
                continue
            if self.scheme == "differences":
                counts = [problem.digits_right(move.value) for move in (first, pair.second)]
                r2 = sum(change or 0.0 for change in turn_differences(counts, self.discount))
            elif self.scheme == "progress":
                r2 += progress_bonus(r1, r2, self.alpha) or 0.0
            pay(pair.second, r2)
        seconds = [right(pair.second, problem) for pair in pairs]
        pay(first, sum(seconds) / len(seconds) if self.scheme == "last" else r1)

    def exam(self) -> Exam:
        rng = seeds.rng(0, "self_correction exam")
        levels: dict[str, list[Json]] = {}
        for size in self.sizes:
            sums = [list(Sum.draw(rng, size, held_out=True).numbers) for _ in range(self.exam_size)]
            for graded in ("first", "second"):
                levels[f"{size} {graded}"] = [{"numbers": numbers, "graded": graded} for numbers in sums]
        return Exam("solver", levels, settings={"attempts": 1, "seconds": 1})

    def demos(self, rng: random.Random) -> Iterator[Demo]:
        while True:
            for _ in range(3):  # a first attempt takes more practice than the second, which has a draft
                problem = Sum.draw(rng, rng.choice(self.sizes))
                yield self.solver.demo(problem.text(), str(problem.total))
            problem = Sum.draw(rng, rng.choice(self.sizes))
            wrong = slip(problem.total, rng)
            draft = (problem.text(), str(rng.choice([problem.total, wrong])))
            yield self.solver.demo(AGAIN, str(problem.total), [draft])
            hint = running_totals(problem)
            yield self.reflector.demo(f"{problem.text()} is not {wrong}.", hint)
            yield self.solver.demo(f"{WRONG} {hint} Answer again.", str(problem.total), [(problem.text(), str(wrong))])


def right(move: Move, problem: Sum) -> bool:
    """Is this answer the total?"""
    return bool(move.value == problem.total)


def pay(move: Move, reward: float) -> None:
    """Reward an answer; one that cannot be read is paid like any wrong one, or spoiling an answer would be free."""
    if move.foul is not None:
        move.penalise(move.foul, reward)
    move.reward = reward


def report(match: Match, problem: Sum, pairs: Sequence[Pair]) -> None:
    """Tell the world how the two attempts went."""
    both = [(right(pair.first, problem), right(pair.second, problem)) for pair in pairs]
    n = len(both)
    second = sum(after for _, after in both) / n
    match.result(solver=second)
    match.note(
        acc1=sum(before for before, _ in both) / n,
        acc2=second,
        fixed=sum(after and not before for before, after in both) / n,
        broken=sum(before and not after for before, after in both) / n,
        edited=sum(pair.first.value != pair.second.value for pair in pairs) / n,
    )
    first, last = pairs[0].first, pairs[0].second
    match.show(f"{problem.text()} = {problem.total}   first {first.value}, then {last.value}")
