"""The two duties most games have: setting tasks and solving them.

Both take replies of either kind: the bare answer (the tiny models), or reasoning and then ``<answer>...</answer>``
(instruction-tuned models). The published systems differ in what a reply costs that cannot be read, so `foul` says it:
Self-Questioning Language Models leave it out (`mask`, arXiv 2508.03682), R-Zero (arXiv 2508.05004) and Absolute Zero
(arXiv 2505.03335) punish it (`penalty(-1)`); here it counts like the worst answer, 0.

What proposals earn for the answers they got is in `selfplay.rewards`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from selfplay.game import FoulPolicy, Role, penalty
from selfplay.roles.formats import Parser, tagged
from selfplay.types import Move

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
