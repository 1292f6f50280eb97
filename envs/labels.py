"""Where labels come from: games in which an answer may be called right by the checker, by a vote, or by nobody.

    exact    the game's own check of the answer: the oracle that the other labels are compared with
    vote     the majority of the very answers that are rewarded: SRT (arXiv 2505.21444), SQLM (arXiv 2508.03682)
    frozen   the majority of as many answers by the role `labeller`, which the recipe freezes: SRT's offline labels
    share    every answer that a share of `threshold` of the answers agree with, the majority or not. These shares are
             noted as `scores`, beside what is `correct`, so that a controller can balance the threshold (B-STaR,
             arXiv 2412.17256; `selfplay.run.balance`)
    format   any answer that can be read is right: the control that teaches the format and nothing else

Whatever the label, ``match.result`` and the exam tell the truth. Answers that the label calls right are kept
(`Move.keep`, for ReST-EM and LMSI), and the most voted one is preferred to the least voted one (`Match.prefer`, ScPO).

Notes, for health rules under ``notes/``: ``solve_rate``, ``vote_share``, ``label_right`` (1: the label is true),
``label_gap`` (share of answers that the label calls right minus share that is), ``left_out`` (1: too hard).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Literal

from selfplay.game import Expected, Game, Role
from selfplay.match import Match
from selfplay.rewards import solve_rate
from selfplay.roles import duties, votes
from selfplay.types import Move

EXAM_SETTINGS = {"attempts": 1, "labels": "exact", "easy": 0.0}
"""Exams ask for one answer and leave nothing out."""


class Labelled(Game):
    """A game whose solvers are rewarded by a label; subclasses have the roles `solver` and `labeller`."""

    solver: Role
    labeller: Role

    attempts: int = 8
    """Answers to each task."""
    labels: Literal["exact", "vote", "frozen", "share", "format"] = "vote"
    """Who says what is right: the checker, the answers' majority, the frozen labeller's majority, a large enough share
    of the answers, or any format."""
    ties: votes.Ties = "first"
    """Of equally voted answers the first wins, or nobody: then the task teaches nothing."""
    threshold: float = 0.0
    """Share of the votes that a majority needs; below it the task teaches nothing (ScPO: 0.5). With `share` labels:
    that any answer needs."""
    easy: float = 0.0
    """Leave out tasks on which less than this share of the labeller's answers agree (SRT: the easiest third)."""
    exam_temperature: float = 0.0
    """Held-out tasks are answered at this temperature; 0: as whoever examines wants it, which is greedily."""
    keep: int = 10
    """Right answers to one task that are kept to learn from at most, where a recipe learns from kept answers."""

    def expected(self) -> Iterator[Expected]:
        yield from super().expected()
        yield "attempts", self.attempts >= 1, "at least 1"
        yield "threshold", 0.0 <= self.threshold <= 1.0, "0 to 1"
        yield "easy", 0.0 <= self.easy <= 1.0, "0 to 1"
        yield "exam_temperature", self.exam_temperature >= 0.0, "0 or more"
        yield "keep", self.keep >= 1, "at least 1"

    async def answers(
        self, match: Match, prompt: str, truth: Hashable, key: votes.Key, *, learn: bool = True
    ) -> list[Move]:
        """Have a task answered, and reward the answers by the label. None at all: the task is left out as too hard.

        Args:
            truth: what right answers say.
            key: what a parsed answer says.
            learn: False for tasks that are held out.
        """
        theirs = votes.Vote(None, 0, 0)
        if self.labels == "frozen" or self.easy:
            theirs = self.count(await match.ask(self.labeller, prompt, n=self.attempts, learn=False), key)
            hard = theirs.share < self.easy
            match.note(left_out=hard)
            if hard:
                return []
        sampling = {"temperature": self.exam_temperature} if self.exam_temperature and not learn else None
        answers = await match.ask(self.solver, prompt, n=self.attempts, learn=learn, sampling=sampling)
        own = self.count(answers, key)
        solved = duties.grade(answers, lambda value: key(value) == truth)
        match.result(solver=solved / self.attempts)
        match.note(solve_rate=solved / self.attempts, vote_share=own.share)
        if self.labels == "format":
            duties.grade(answers, lambda value: True)
        elif self.labels == "share":
            self.reward_by_share(match, answers, key)
        elif self.labels != "exact":
            label = theirs if self.labels == "frozen" else own
            votes.reward_by_vote(answers, label, key)
            if label.winner is not None:
                agreed = solve_rate(answers) or 0.0
                match.note(label_right=float(label.winner == truth), label_gap=agreed - solved / self.attempts)
        for answer in [a for a in answers if a.reward == 1.0][: self.keep]:
            answer.keep = True
        if own.winner is not None and (pair := votes.widest_pair(answers, key)):
            match.prefer(*pair)
        return answers

    def count(self, answers: list[Move], key: votes.Key) -> votes.Vote:
        """The answers' vote under this game's rules."""
        return votes.vote(votes.ballots(answers, key), ties=self.ties, threshold=self.threshold)

    def reward_by_share(self, match: Match, answers: list[Move], key: votes.Key) -> None:
        """1 for an answer that enough answers agree with, else 0; says what was correct, which `answers` still tell."""
        shares = votes.shares(answers, key)
        match.note(scores=shares, correct=[answer.reward == 1.0 for answer in answers])
        for answer, share in zip(answers, shares, strict=True):
            if share is not None and answer.foul is None:
                answer.reward = float(share >= self.threshold)
