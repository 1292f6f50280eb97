"""Countdown graded by votes: what happens when a game that can be checked is learned from agreement instead.

A Countdown puzzle has many right answers, so their texts cannot be voted on. What an expression *answers* can: the
puzzle that it solves, its numbers and its value. All right answers solve the one that was asked, and so agree; wrong
ones rarely do.

Checking an answer here needs no answer key, so nobody has to vote: this game is for studying labels (`labels`), above
all how learning from one's own votes ends. ``labels = "exact"`` is Countdown itself, with kept answers (ReST-EM).
"""

from __future__ import annotations

from dataclasses import replace

from selfplay.envs.countdown import Countdown
from selfplay.envs.labels import EXAM_SETTINGS, Labelled
from selfplay.envs.puzzles import Puzzle
from selfplay.game import Exam
from selfplay.match import Match
from selfplay.roles import duties
from selfplay.types import Move


class CountdownVotes(Labelled, Countdown):
    """Number puzzles whose answers are rewarded by a vote on the puzzle that they solve."""

    id = "countdown_votes"

    labeller = duties.solver(
        "Write an expression that uses every number once and hits the target.", Countdown.solver.parse
    )

    async def solve(self, match: Match, puzzle: Puzzle) -> list[Move]:
        """Have the puzzle answered and rewarded by the label."""
        answers = await self.answers(match, puzzle.text(), puzzle, Puzzle.of, learn=not puzzle.held_out)
        match.note(size=len(puzzle.numbers), target=puzzle.target)
        match.show(puzzle.text())
        return answers

    def exam(self) -> Exam:
        return replace(super().exam(), settings=EXAM_SETTINGS)
