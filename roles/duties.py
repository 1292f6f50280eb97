"""The two duties most games have: setting tasks and solving them.

Both take replies of either kind: the bare answer (the tiny models), or reasoning and then ``<answer>...</answer>``
(instruction-tuned models). The published systems differ in what a reply costs that cannot be read, so `foul` says it:
Self-Questioning Language Models leave it out (`mask`, arXiv 2508.03682), R-Zero (arXiv 2508.05004) and Absolute Zero
(arXiv 2505.03335) punish it (`penalty(-1)`); here it counts like the worst answer, 0.

What proposals earn for the answers they got is in `selfplay.rewards`; that repeating others costs is `charge_repeats`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

from selfplay.game import FoulPolicy, Role, penalty
from selfplay.match import Match
from selfplay.rewards import duplicate_share
from selfplay.roles.formats import Parser, tagged
from selfplay.types import Checker, Edit, MatchRecord, Move, Outcome

FORMAT = "Write only that, or think first and put it between <answer> and </answer>."


def proposer(task: str, parse: Parser[Any], *, foul: FoulPolicy | None = None) -> Role:
    """Sets tasks: `task` tells it what to write, in one imperative sentence."""
    return Role(f"{task} {FORMAT}", parse=tagged(parse, required=False), foul=foul or penalty(0.0))


def solver(task: str, parse: Parser[Any], *, foul: FoulPolicy | None = None, seats: int = 1) -> Role:
    """Solves tasks: `task` tells it what to find, in one imperative sentence."""
    return Role(f"{task} {FORMAT}", parse=tagged(parse, required=False), foul=foul or penalty(0.0), seats=seats)


def grade(answers: Iterable[Move], right: Callable[[Any], bool]) -> int:
    """Reward an answer with 1 if `right(answer.value)`, else 0; fouls keep theirs. Returns how many are right."""
    solved = 0
    for answer in answers:
        if answer.foul is None:
            answer.reward = float(right(answer.value))
            solved += answer.reward == 1.0
    return solved


async def stands(match: Match, proposal: Move, checker: Checker, claim: Any, cost: float) -> bool:
    """Have a checker decide what a proposal claims. A refuted one gets `cost`; what nobody could decide masks it."""
    verdict = await match.check(checker, claim, about=proposal)
    match.note(status=verdict.status)
    if verdict.outcome in (Outcome.FAIL, Outcome.INVALID_CLAIM):
        proposal.penalise(verdict.detail, cost)
    return verdict.outcome is Outcome.PASS


def charge_repeats(
    records: Sequence[MatchRecord], role: Role, key: Callable[[Any], Hashable], weight: float
) -> Iterator[Edit]:
    """For `Game.settle`: take `weight` times the share of the batch's other proposals that equal it off each reward.

    Args:
        role: who proposes.
        key: what makes two proposals equal, from the value that the role's parser gives.
    """
    moves = [(record.id, move) for record in records for move in record.moves if move.role == role.name]
    paid = [(match, move, move.reward) for match, move in moves if move.reward is not None and move.foul is None]
    shares = duplicate_share([key(role.parse(move.text)) for _, move, _ in paid])
    for (match, move, reward), share in zip(paid, shares, strict=True):
        if share and reward is not None:
            yield Edit(match, move.id, reward - weight * share, "repeats others")
