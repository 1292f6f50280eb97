"""Digits frontier: a player that can add numbers of D digits teaches itself to add numbers of D+1.

    Base 2. a11b10c01d=       ->        a0b0c0d1        columns with names, the ones first: see `long_sums`

Nobody corrects it. Each match is a small batch of sums of one length, each answered several times; what the answers
agree on becomes the label if it passes the filters, and replies that gave it are kept for supervised learning
(`learning.rule = "sft"`). When the answers at D+1 digits agree well enough, a controller of kind ``frontier`` on
``notes/consistency`` moves `frontier`, and the next length is up. What was demonstrated stays in the data as examples.
A good player adds column by column and carries, also at lengths that nobody showed it.

    by_vote    the label is what most answers say; without it, what the first one says
    majority   votes that must agree (Self-Improving Transformers, arXiv 2502.01612, section 5: 0.7 over 5 models; here
               they are samples of one model)
    slack      labels shorter than the longest of their batch by more than this are dropped (section 5 there)
    commute    a+b and b+a are both asked and must come to the same (SECToR, arXiv 2306.07627, section 3.2)

The true sum is looked at only to say how well it goes: results, and the notes ``accuracy`` (of all answers at D+1) and
``precision`` (of the labels that were kept). Other notes: ``kept`` (share of labels), ``frontier``. One sum in eight is
held out for the exam, whose levels go on beyond the first frontier.

What it does not do: independently trained voters, chain of thought, forward addition, multiplication, mazes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from selfplay import seeds
from selfplay.envs.long_sums import LETTERS, LongSum, exact_bot, forgetful_bot, named_digits, random_bot
from selfplay.game import Demo, Exam, Expected, Game
from selfplay.match import Match
from selfplay.roles import duties
from selfplay.roles.votes import Vote, ballots, vote
from selfplay.types import Json, Move

MOST = len(LETTERS) - 2
"""The longest frontier: its successor's sums have a column more than that, and every digit needs a letter."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """One sum of a batch with all that was answered."""

    problem: LongSum
    orders: tuple[list[Move], ...]
    """Answers to a+b and, where it is asked, to b+a."""

    @property
    def everyone(self) -> list[Move]:
        return [move for answers in self.orders for move in answers]

    def count(self) -> Vote:
        """The vote over all answers; nobody wins if the two orders come to different answers."""
        whole = _count(self.everyone)
        if any(_count(answers).winner != whole.winner for answers in self.orders):
            return Vote(None, whole.count, whole.of)
        return whole

    def first(self) -> str | None:
        """What the first answer says, `None` if it cannot be read."""
        value = self.everyone[0].value
        return None if value is None else str(value)

    def select(self, label: str | None) -> None:
        """Keep one reply with the label in each order; agreeing with it is what replies are rewarded for."""
        for answers in self.orders:
            for move in answers:
                if label is None:
                    move.mask("no label")
                move.reward = float(move.value == label)
            kept = next((move for move in answers if label is not None and move.value == label), None)
            if kept is not None:
                kept.keep = True


class DigitsFrontier(Game):
    """Addition, one digit longer each time, with labels by vote instead of an answer key."""

    id = "digits_frontier"
    result_range = (0.0, 1.0)
    bots = {"random": random_bot, "exact": exact_bot, "forgetful": forgetful_bot}

    solver = duties.solver(
        "Add two numbers, given as columns with names, the ones first. Write each column's name and digit.",
        named_digits,
    )

    base: int = 2
    """Of the numbers; 10 is ordinary addition, 2 is what `tiny:digits` knows."""
    start: int = 6
    """Demonstrations, and examples with known answers, go up to so many digits."""
    frontier: int = 6
    """So many digits the player is believed to know: what is new has one more. At least `start`."""
    new_share: float = 0.5
    """Share of the matches on what is new; the others are on lengths from `start` + 1 up to that."""
    problems: int = 8
    """Sums in a match."""
    examples: int = 8
    """Examples with known answers that each match adds, so that what was demonstrated is not forgotten."""
    votes: int = 5
    """Answers to each sum (and to its swapped form)."""
    by_vote: bool = True
    """Labels are what most answers say; otherwise what the first one says."""
    majority: float = 0.7
    """Share of the votes that a label needs."""
    slack: int = 1
    """Digits by which a label may be shorter than the longest of its match."""
    commute: bool = True
    """Ask b+a as well, and keep only what both come to."""
    exam_ahead: int = 6
    """The exam goes so many digits beyond `start`."""
    exam_size: int = 100
    """Exam sums of each length."""

    def expected(self) -> Iterator[Expected]:
        yield "base", 2 <= self.base <= 10, "2 to 10"
        yield "start", 3 <= self.start <= MOST, f"3 to {MOST}"
        yield "frontier", self.frontier <= MOST, f"at most {MOST}"
        yield "new_share", 0.0 <= self.new_share <= 1.0, "0 to 1"
        yield "problems", self.problems >= 1, "at least 1"
        yield "examples", self.examples >= 0, "0 or more"
        yield "votes", self.votes >= 1, "at least 1"
        yield "majority", 0.0 <= self.majority <= 1.0, "0 to 1"
        yield "slack", self.slack >= 0, "0 or more"
        yield "exam_ahead", 0 <= self.exam_ahead <= MOST + 1 - self.start, f"0 to {MOST + 1 - self.start}"

    async def play(self, match: Match) -> None:
        if match.task is not None:
            await self.answer(match, LongSum.from_task(match.task, self.base))
            return
        new = max(self.frontier, self.start) + 1
        digits = new if match.rng.random() < self.new_share else match.rng.randint(self.start + 1, new)
        batch = await self.ask(match, [LongSum.draw(match.rng, digits, self.base) for _ in range(self.problems)])
        votes = [ballot.count() for ballot in batch]
        labels = self.passing(votes) if self.by_vote else [ballot.first() for ballot in batch]
        for ballot, label in zip(batch, labels, strict=True):
            ballot.select(label)
        if digits == new:
            match.note(consistency=sum(v.share for v in votes) / len(votes), frontier=new - 1)
        self.measure(match, digits, batch, labels)
        for _ in range(self.examples):
            known = LongSum.draw(match.rng, match.rng.randint(1, self.start), self.base)
            match.example(self.solver, known.text(match.rng), known.answer)

    async def answer(self, match: Match, problem: LongSum) -> None:
        """One sum, for the exam or a task of the run's own: nothing is kept."""
        move = await match.ask(self.solver, problem.text(), learn=not problem.held_out)
        move.reward = float(move.value == problem.answer)
        match.result(solver=move.reward)

    async def ask(self, match: Match, sums: Sequence[LongSum]) -> list[Ballot]:
        """Have every sum answered, in both orders if so wanted, all at once."""
        orders = [(s, s.swapped) if self.commute else (s,) for s in sums]
        asked = [match.ask(self.solver, order.text(), n=self.votes) for pair in orders for order in pair]
        replies = iter(await match.gather(*asked))
        return [Ballot(s, tuple(next(replies) for _ in pair)) for s, pair in zip(sums, orders, strict=True)]

    def passing(self, votes: Sequence[Vote]) -> list[str | None]:
        """The label of each sum, `None` where it fails one of the filters."""
        found = [str(v.winner) if v.winner is not None and v.share >= self.majority else "" for v in votes]
        shortest = max(map(len, found)) - 2 * self.slack  # a letter and a digit each
        return [label if label and len(label) >= shortest else None for label in found]

    def measure(self, match: Match, digits: int, batch: Sequence[Ballot], labels: Sequence[str | None]) -> None:
        """Tell the world how it went; the only place that looks at the true sums."""
        right = [move.value == ballot.problem.answer for ballot in batch for move in ballot.everyone]
        kept = [label == ballot.problem.answer for ballot, label in zip(batch, labels, strict=True) if label]
        match.result(solver=sum(right) / len(right))
        match.note(digits=digits, kept=len(kept) / len(batch))
        if digits > max(self.frontier, self.start):
            match.note(accuracy=sum(right) / len(right))
        if kept:
            match.note(precision=sum(kept) / len(kept))
        match.show(f"{digits} digits: kept {len(kept)} of {len(batch)} labels, {sum(kept)} of them right")

    def exam(self) -> Exam:
        rng = seeds.rng(0, "digits exam", self.base)
        levels: dict[str, list[Json]] = {
            str(digits): [LongSum.draw(rng, digits, self.base, held_out=True).task() for _ in range(self.exam_size)]
            for digits in range(self.start, self.start + self.exam_ahead + 1)
        }
        return Exam("solver", levels)

    def demos(self, rng: random.Random) -> Iterator[Demo]:
        while True:
            known = LongSum.draw(rng, rng.randint(1, self.start), self.base)
            yield self.solver.demo(known.text(rng), known.answer)


def _count(answers: Sequence[Move]) -> Vote:
    return vote(ballots(answers, str))
