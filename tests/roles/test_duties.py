"""Proposers and solvers: what they accept, what replies cost, what repeating costs."""

from __future__ import annotations

from typing import ClassVar

import pytest

from selfplay.arena import Arena
from selfplay.game import Game, mask, penalty
from selfplay.match import Match
from selfplay.policies.bots import Replies
from selfplay.roles import duties
from selfplay.roles.formats import integer
from selfplay.types import MatchRecord, Pairing, Player


class Double(Game):
    """Proposes a number; solvers double it."""

    proposer = duties.proposer("Write a number.", integer(0, 99), foul=mask())
    solver = duties.solver("Double it.", integer(), foul=penalty(-0.5))
    graded: ClassVar[list[int]] = []

    async def play(self, match: Match) -> None:
        proposal = await match.ask(self.proposer, "?")
        answers = await match.ask(self.solver, str(proposal.value), n=4)
        self.graded.append(duties.grade(answers, lambda value: value == 2 * proposal.value))
        proposal.reward = 1.0


def play(*proposals: str, solver: list[str] | None = None) -> list[MatchRecord]:
    game = Double()
    replies = Replies({"proposer": proposals, "solver": (solver or ["0"] * 4) * len(proposals)})
    seats = {"proposer": "p", "solver": "p"}
    pairings = [Pairing("Double", seats, {}, seed=0, number=i) for i in range(len(proposals))]
    with Arena({"Double": game}, {"p": Player("p", replies)}) as arena:
        return list(arena.play(pairings))


def test_grade_rewards_right_answers_and_leaves_fouls_their_penalty() -> None:
    (record,) = play("7", solver=["14", "<answer>14</answer>", "15", "a lot"])
    assert [move.reward for move in record.moves[1:]] == [1.0, 1.0, 0.0, -0.5]
    assert Double.graded[-1] == 2


def test_fouls_cost_what_the_game_says() -> None:
    (record,) = play("no")
    assert [(move.foul is None, move.reward) for move in record.moves] == [(False, None)]
    assert duties.solver("", integer()).foul == penalty(0.0)


def test_instructions_name_the_task_and_the_format() -> None:
    assert Double.solver.instructions.startswith("Double it. ") and "<answer>" in Double.solver.instructions


def test_repeats_cost_their_share_of_the_others() -> None:
    records = play("7", "<answer>07</answer>", "7", "8", "no")
    edits = list(duties.charge_repeats(records, Double.proposer, lambda value: value, weight=0.5))
    assert [(edit.match, edit.move) for edit in edits] == [(record.id, "0") for record in records[:3]]
    assert [edit.reward for edit in edits] == [pytest.approx(1.0 - 0.5 * 2 / 3)] * 3
